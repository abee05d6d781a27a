from pathlib import Path

from chromloom.analysis.analyse import analyse_map
from chromloom.logs import job_log

with job_log(snakemake.log[0]):
    analyse_map(
        snakemake.input.cool,
        Path(snakemake.output.expected).parent,
        phasing_track=snakemake.input.phasing or None,
        windows_bins=snakemake.params.windows_bins,
        nproc=snakemake.threads,
    )
