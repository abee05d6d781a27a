from chromloom.classification.withhold import train_withheld
from chromloom.logs import job_log

params = snakemake.params
with job_log(snakemake.log[0]):
    train_withheld(
        snakemake.input.cool,
        snakemake.input.splits,
        snakemake.output[0],
        fold=int(snakemake.wildcards.fold),
        **params.training,
        device=params.device,
    )
