from pathlib import Path

from chromloom.attribution.attribute import attribute
from chromloom.files import write_tsv
from chromloom.logs import job_log

params, output = snakemake.params, snakemake.output
with job_log(snakemake.log[0]):
    completeness = attribute(
        Path(snakemake.input.weights).parent,
        output.track,
        output.parquet,
        out_normalised_bw=output.normalised,
        out_raw_bw=output.raw,
        baseline=params.baseline,
        min_distance=params.min_distance,
        max_distance=params.max_distance,
        squared=params.squared,
        tolerance=params.tolerance,
        device=params.device,
    )
    write_tsv(completeness, output.completeness)
