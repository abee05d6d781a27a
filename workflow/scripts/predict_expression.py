from chromloom.expression.fit import fold_dirs, predict_expression
from chromloom.logs import job_log

with job_log(snakemake.log[0]):
    predict_expression(
        snakemake.input.table,
        snakemake.input.marks,
        fold_dirs(snakemake.input.model),
        snakemake.output[0],
    )
