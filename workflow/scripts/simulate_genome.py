from dataclasses import replace

from chromloom.logs import job_log
from chromloom.simulate.write import SAMPLES, simulate_genome

params = snakemake.params
with job_log(snakemake.log[0]):
    simulate_genome(
        params.folder,
        seed=params.seed,
        chromsizes=params.chromsizes or None,
        samples=[replace(s, contacts=round(s.contacts * params.depth)) for s in SAMPLES],
    )
