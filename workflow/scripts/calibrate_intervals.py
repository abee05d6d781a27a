from pathlib import Path

from chromloom.evaluation.intervals import calibrate_run
from chromloom.logs import job_log

source, output = snakemake.input, snakemake.output
with job_log(snakemake.log[0]):
    calibrate_run(
        Path(source.weights).parent,
        source.cool,
        output.table,
        output.scores,
        output.width,
        against=source.against or None,
        seed=snakemake.params.seed,
        name=snakemake.wildcards.model,
    )
