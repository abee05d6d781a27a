from pathlib import Path

from chromloom.logs import job_log
from chromloom.perturbation.observed import compare_with_observed
from chromloom.plotting.style import apply_style

params = snakemake.params
with job_log(snakemake.log[0]):
    apply_style()
    compare_with_observed(
        Path(snakemake.input.weights).parent,
        snakemake.input.cool,
        snakemake.input.against,
        snakemake.input.edits,
        snakemake.output.pdf.removesuffix(".pdf"),
        edit=snakemake.wildcards.edit,
        flank=params.flank,
        mode=params.mode,
    )
