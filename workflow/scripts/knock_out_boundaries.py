from pathlib import Path

from chromloom.classification.labels import read_task
from chromloom.logs import job_log
from chromloom.normalize.maps import NormalizedMap
from chromloom.perturbation.experiments import knock_out_domains

params = snakemake.params
with job_log(snakemake.log[0]):
    sizes = NormalizedMap(snakemake.input.cool).clr.chromsizes
    domains, sites = (
        read_task(snakemake.input.sheet, task, sizes, cell_type=params.cell_type)
        for task in (params.domains, params.boundaries)
    )
    knock_out_domains(
        Path(snakemake.input.weights).parent,
        snakemake.input.cool,
        domains,
        sites,
        snakemake.output.table.removesuffix(".tsv"),
        max_domains=params.max_domains,
        seed=params.seed,
        device=params.device,
    )
