from pathlib import Path

from chromloom.logs import job_log
from chromloom.perturbation.experiments import knock_out_groups

params = snakemake.params
with job_log(snakemake.log[0]):
    knock_out_groups(
        Path(snakemake.input.weights).parent,
        snakemake.input.cool,
        params.groups,
        Path(snakemake.output.distance).parent,
        method=params.method,
        mode=params.mode,
        reach=params.reach,
        max_sites=params.max_sites,
        n_random=params.max_sites,
        seed=params.seed,
        device=params.device,
    )
