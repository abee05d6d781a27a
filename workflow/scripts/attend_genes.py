from chromloom.expression.explain import attend_genes
from chromloom.expression.fit import fold_dirs
from chromloom.logs import job_log

source, output = snakemake.input, snakemake.output
with job_log(snakemake.log[0]):
    attend_genes(
        source.table, source.marks, fold_dirs(source.model), output.attention, output.profile
    )
