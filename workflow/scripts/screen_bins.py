from pathlib import Path

from chromloom.logs import job_log
from chromloom.perturbation.screen import screen

params = snakemake.params
with job_log(snakemake.log[0]):
    screen(
        Path(snakemake.input.weights).parent,
        snakemake.output.bigwig,
        snakemake.output.table,
        method=params.method,
        reach=params.flank,
        device=params.device,
    )
