from chromloom.evaluation.expression import evaluate_strata, gene_strata
from chromloom.files import read_tsv, write_tsv
from chromloom.genome.intervals import read_intervals
from chromloom.logs import job_log
from chromloom.signals.store import SignalStore

source, params = snakemake.input, snakemake.params
with job_log(snakemake.log[0]):
    tables = {model: read_tsv(path) for model, path in zip(params.models, source.predictions)}
    domains = None
    if source.domains:
        with SignalStore(source.signals) as store:
            domains = read_intervals(
                source.domains, "bed", store.chromsizes, what="file of domains"
            )
    strata = gene_strata(tables[params.models[0]], read_tsv(source.elements), domains)
    scores = evaluate_strata(tables, strata, n_boot=params.bootstraps, seed=params.seed)
    write_tsv(scores, snakemake.output[0])
