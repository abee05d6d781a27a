from pathlib import Path

from chromloom.logs import job_log
from chromloom.training.models import train_model

params = snakemake.params
with job_log(snakemake.log[0]):
    train_model(
        snakemake.wildcards.model,
        snakemake.input.cool,
        Path(snakemake.output.weights).parent,
        options=params.options,
        seed=params.seed,
        device=params.device,
        resume_dir=params.resume,
    )
