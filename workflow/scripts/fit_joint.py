from chromloom.logs import job_log
from chromloom.training.joint import fit_joint

params = snakemake.params
with job_log(snakemake.log[0]):
    fit_joint(
        dict(zip(params.samples, snakemake.input.cool)),
        snakemake.output.fit,
        snakemake.output.differences,
        **params.training,
    )
