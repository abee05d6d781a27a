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
    tested = read_tested(source.tested, genes, chromsizes) if source.tested else None
    write_tsv(assess_impact(impact, genes, counts, tested), output.tests)
    write_tsv(mean_marks(impact, genes, marks), output.marks)
    write_tsv(pd.concat([impact, pd.DataFrame(counts)], axis=1), output.counts)
    none = pd.DataFrame(columns=["ranking"])
    write_tsv(none if tested is None else evaluate_screen(screen, tested), output.tested)
