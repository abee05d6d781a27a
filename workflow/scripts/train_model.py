from pathlib import Path

from chromloom.logs import job_log
from chromloom.training.models import train_model

params = snakemake.params
with job_log(snakemake.log[0]):
    train_model(
        map_path=snakemake.input.cool,
        out_dir=Path(snakemake.output.weights).parent,
        **params.training,
        device=params.device,
        resume_dir=params.resume,
        joint_path=snakemake.input.get("joint") or None,
    )
