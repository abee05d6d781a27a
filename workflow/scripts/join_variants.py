from chromloom.logs import job_log
from chromloom.variants.join import join_scores, join_skipped

params, source = snakemake.params, snakemake.input
with job_log(snakemake.log[0]):
    join_scores(dict(zip(source.scores, params.models)), snakemake.output.table)
    join_skipped(dict(zip(params.samples, source.skipped)), snakemake.output.skipped)
