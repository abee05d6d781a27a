from chromloom.expression.explain import attribute_genes
from chromloom.expression.fit import fold_dirs
from chromloom.logs import job_log
from chromloom.signals.store import SignalStore

source = snakemake.input
with job_log(snakemake.log[0]):
    with SignalStore(source.signals) as store:
        chromsizes = store.chromsizes
    attribute_genes(
        source.table, source.marks, fold_dirs(source.model), snakemake.output[0], chromsizes
    )
