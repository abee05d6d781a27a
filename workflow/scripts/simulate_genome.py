from dataclasses import replace
from pathlib import Path

from chromloom.logs import job_log
from chromloom.simulate.write import SAMPLES, simulate_genome

params = snakemake.params
with job_log(snakemake.log[0]):
    simulate_genome(
        Path(snakemake.output[0]).parents[1],
        seed=params.seed,
        chromsizes=params.chromsizes or None,
        samples=[replace(s, contacts=round(s.contacts * params.depth)) for s in SAMPLES],
    )
