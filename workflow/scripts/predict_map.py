from pathlib import Path

from chromloom.logs import job_log
from chromloom.prediction.export import predict_map

with job_log(snakemake.log[0]):
    predict_map(
        Path(snakemake.input.weights).parent,
        snakemake.input.get("cool"),
        snakemake.output.mcool,
        max_distance=snakemake.params.max_distance,
    )
