from pathlib import Path

from chromloom.genome.assembly import load_assembly
from chromloom.logs import job_log
from chromloom.models.registry import find_model, load

wildcards = snakemake.wildcards
with job_log(snakemake.log[0]):
    load(find_model(snakemake.params.model).apply)(
        [Path(weights).parent for weights in snakemake.input.weights],
        snakemake.input.get("store"),
        load_assembly(snakemake.params.assembly),
        Path(snakemake.output.weights).parent,
        genome_path=snakemake.input.get("genome"),
        sample=wildcards.sample,
        norm=wildcards.norm,
        predictor=wildcards.model,
        chroms=snakemake.params.chromosomes,
        **snakemake.params.more,
    )
