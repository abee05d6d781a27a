from chromloom.logs import job_log
from chromloom.perturbation.perturb import rank_edits

with job_log(snakemake.log[0]):
    rank_edits(snakemake.input, snakemake.output[0])
