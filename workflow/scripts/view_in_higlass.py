from pathlib import Path

import cooler

from chromloom.logs import job_log
from chromloom.prediction.higlass import write_view
from chromloom.prediction.windows import choose_region

KINDS = (
    ("observed", "predicted"),
    ("E1", "insulation", "importance"),
    ("observed_loops", "predicted_loops"),
)

with job_log(snakemake.log[0]):
    run = Path(snakemake.output.view).stem
    clr = cooler.Cooler(snakemake.input.cool)
    clr.chromsizes.to_csv(snakemake.output.chromsizes, sep="\t", header=False)
    files = dict(snakemake.input.items())
    maps, tracks, loops = (
        {f"{run}.{name}": files[name] for name in names if name in files} for names in KINDS
    )
    write_view(
        snakemake.output.view,
        maps,
        tracks,
        loops,
        chromsizes=snakemake.output.chromsizes,
        region="{}:{}-{}".format(*choose_region(clr)),
    )
