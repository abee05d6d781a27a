from pathlib import Path

from chromloom.attribution.signals import attribute_signals
from chromloom.files import atomic_path
from chromloom.logs import job_log
from chromloom.prediction.predicted import PredictedMap

params, source = snakemake.params, snakemake.input
with job_log(snakemake.log[0]), atomic_path(snakemake.output[0]) as folder:
    attribute_signals(
        PredictedMap.open(
            Path(source.weights).parent, source.observed or None, name=snakemake.wildcards.model
        ),
        params.regions,
        folder,
        method=params.method,
        steps=params.steps,
    )
