from pathlib import Path

from chromloom.expression.fit import predict_expression
from chromloom.logs import job_log

with job_log(snakemake.log[0]):
    predict_expression(
        snakemake.input.table,
        snakemake.input.marks,
        sorted(Path(snakemake.input.model).iterdir()),
        snakemake.output[0],
    )
