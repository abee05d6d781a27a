from pathlib import Path

from chromloom.logs import job_log
from chromloom.training.decode import train_decoder

params = snakemake.params
with job_log(snakemake.log[0]):
    train_decoder(
        Path(snakemake.input.weights).parent,
        snakemake.input.cool,
        Path(snakemake.output.weights).parent,
        decoder=snakemake.wildcards.decoder,
        variant=params.variant,
        seed=params.seed,
        device=params.device,
        resume_dir=params.resume,
    )
