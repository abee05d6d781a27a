from pathlib import Path

from chromloom.evaluation.maps import EvaluationSettings, evaluate_model
from chromloom.logs import job_log

params = snakemake.params
with job_log(snakemake.log[0]):
    evaluate_model(
        Path(snakemake.input.weights).parent,
        snakemake.input.cool,
        snakemake.output.table,
        against=[snakemake.input.against] if snakemake.input.get("against") else [],
        model=snakemake.wildcards.model,
        distances_out=snakemake.output.distances,
        settings=EvaluationSettings(
            n_boot=params.bootstraps, seed=params.seed, max_distance=params.max_distance
        ),
    )
