from chromloom.logs import job_log
from chromloom.perturbation.perturb import perturb

params = snakemake.params
with job_log(snakemake.log[0]):
    perturb(
        params.folder,
        snakemake.input.cool,
        snakemake.input.edits,
        params.out,
        edit=snakemake.wildcards.edit,
        flank=params.flank,
    )
