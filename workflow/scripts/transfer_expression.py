from chromloom.expression.fit import fold_dirs, predict_expression
from chromloom.logs import job_log

source = snakemake.input
with job_log(snakemake.log[0]):
    predict_expression(
        source.table,
        source.marks,
        fold_dirs(source.model),
        snakemake.output[0],
        unseen=snakemake.params.unseen,
    )
