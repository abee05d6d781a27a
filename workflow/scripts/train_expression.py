from chromloom.expression.fit import train_folds
from chromloom.logs import job_log

params = snakemake.params
with job_log(snakemake.log[0]):
    train_folds(
        snakemake.input.table,
        snakemake.input.marks,
        snakemake.output[0],
        **params.training,
        device=params.device,
    )
