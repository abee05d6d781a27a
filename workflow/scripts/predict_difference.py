from chromloom.expression.difference import predict_difference
from chromloom.logs import job_log

params, source = snakemake.params, snakemake.input
with job_log(snakemake.log[0]):
    predict_difference(
        *zip(source.tables, source.marks),
        snakemake.output.table,
        snakemake.output.models,
        **params.training,
        device=params.device,
    )
