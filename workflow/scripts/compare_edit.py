from pathlib import Path

from chromloom.logs import job_log
from chromloom.perturbation.observed import compare_with_observed

params = snakemake.params
with job_log(snakemake.log[0]):
    compare_with_observed(
        Path(snakemake.input.weights).parent,
        snakemake.input.cool,
        snakemake.input.against,
        snakemake.input.edits,
        snakemake.output.pairs.removesuffix(".tsv"),
        edit=snakemake.wildcards.edit,
        flank=params.flank,
        mode=params.mode,
        motifs_path=snakemake.input.motifs or None,
        device=params.device,
    )
