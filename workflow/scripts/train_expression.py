from chromloom.expression.fit import train_folds
from chromloom.logs import job_log

source, params = snakemake.input, snakemake.params
with job_log(snakemake.log[0]):
    train_folds(
        source.table,
        source.marks,
        snakemake.output[0],
        **params.training,
        device=params.device,
        others=list(zip(source.tables, source.others)),
    )
