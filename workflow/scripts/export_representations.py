from pathlib import Path

from chromloom.logs import job_log
from chromloom.representations.table import export_representations

output = snakemake.output
with job_log(snakemake.log[0]):
    export_representations(
        Path(snakemake.input.weights).parent, output.parquet, output.h5ad, output.bigwig
    )
