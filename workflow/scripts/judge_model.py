from pathlib import Path

from chromloom.logs import job_log
from chromloom.simulate.judge import judge_model

params = snakemake.params
with job_log(snakemake.log[0]):
    judge_model(
        Path(snakemake.input.weights).parent,
        snakemake.input.cool,
        Path(snakemake.input.truth) / params.cell_type,
        snakemake.output[0],
        max_sites=params.max_sites,
        seed=params.seed,
        name=snakemake.wildcards.model,
        device=params.device,
    )
