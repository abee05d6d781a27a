from chromloom.analysis.loops import call_loops
from chromloom.logs import job_log

with job_log(snakemake.log[0]):
    call_loops(
        snakemake.input.cool,
        snakemake.output.bedpe,
        max_distance=snakemake.params.max_distance,
        fdr=snakemake.params.fdr,
        depth=snakemake.params.depth,
        nproc=snakemake.threads,
    )
