from pathlib import Path

from chromloom.attribution.bases import attribute_bases
from chromloom.attribution.signals import attribute_signals
from chromloom.files import atomic_path
from chromloom.logs import job_log
from chromloom.prediction.akita import AkitaMap
from chromloom.prediction.open import open_source

params, source = snakemake.params, snakemake.input
with job_log(snakemake.log[0]), atomic_path(snakemake.output[0]) as folder:
    own = open_source(Path(source.weights).parent, source.observed or None, device="cpu")
    attribute = attribute_bases if isinstance(own, AkitaMap) else attribute_signals
    attribute(own, params.regions, folder, method=params.method, steps=params.steps)
