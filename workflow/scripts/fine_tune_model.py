from pathlib import Path

from chromloom.genome.regions import parse_region
from chromloom.logs import job_log
from chromloom.normalize.maps import NormalizedMap
from chromloom.training.fit import fine_tune

params = snakemake.params
with job_log(snakemake.log[0]):
    sizes = NormalizedMap(snakemake.input.cool).clr.chromsizes
    fine_tune(
        Path(snakemake.input.weights[0]).parent,
        snakemake.input.cool,
        Path(snakemake.output.weights).parent,
        region=parse_region(params.region, sizes) if params.region else None,
        seed=params.seed,
        device=params.device,
        resume_dir=params.resume,
    )
