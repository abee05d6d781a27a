from pathlib import Path

from chromloom.logs import job_log
from chromloom.perturbation.perturb import perturb
from chromloom.plotting.style import apply_style

params = snakemake.params
with job_log(snakemake.log[0]):
    apply_style()
    perturb(
        Path(snakemake.input.weights).parent,
        snakemake.input.cool,
        snakemake.input.edits,
        Path(snakemake.output.summary).parents[1],
        edit=snakemake.wildcards.edit,
        flank=params.flank,
    )
