import pandas as pd

from chromloom.evaluation.expression import evaluate_screen
from chromloom.evaluation.regulation import (
    assess_impact,
    count_elements,
    mean_marks,
    read_tested,
)
from chromloom.expression.fit import read_features
from chromloom.files import read_tsv, write_tsv
from chromloom.genome.intervals import read_intervals
from chromloom.logs import job_log
from chromloom.signals.store import SignalStore

source, output = snakemake.input, snakemake.output
with job_log(snakemake.log[0]):
    impact, elements, screen = map(read_tsv, (source.impact, source.elements, source.screen))
    genes, marks = read_features(source.table, source.marks)
    with SignalStore(source.signals) as store:
        chromsizes = store.chromsizes
    counts = {
        kind: count_elements(
            elements, genes, read_intervals(path, "bed", chromsizes, what="kinds of elements")
        )
        for kind, path in zip(snakemake.params.kinds, source.kinds)
    }
    write_tsv(assess_impact(impact, genes, counts), output.tests)
    write_tsv(mean_marks(impact, genes, marks), output.marks)
    write_tsv(pd.concat([impact, pd.DataFrame(counts)], axis=1), output.counts)
    found = pd.DataFrame(columns=["ranking"])
    if source.tested:
        found = evaluate_screen(screen, read_tested(source.tested, genes, chromsizes))
    write_tsv(found, output.tested)
