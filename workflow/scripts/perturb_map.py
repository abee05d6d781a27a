from pathlib import Path

from chromloom.classification.labels import read_task
from chromloom.logs import job_log
from chromloom.normalize.maps import NormalizedMap
from chromloom.perturbation.perturb import perturb

params, source = snakemake.params, snakemake.input
with job_log(snakemake.log[0]):
    loops = None
    if source.loops:
        sizes = NormalizedMap(source.cool).clr.chromsizes
        loops = read_task(source.sheet, params.loops, sizes, cell_type=params.cell_type)
    perturb(
        Path(source.weights).parent,
        source.cool,
        source.edits,
        Path(snakemake.output.summary).parents[1],
        edit=snakemake.wildcards.edit,
        flank=params.flank,
        mode=params.mode,
        motifs_path=source.motifs or None,
        loops=loops,
        name=snakemake.wildcards.model,
        device=params.device,
    )
