from chromloom.logs import job_log
from chromloom.simulate.write import simulate_genome

with job_log(snakemake.log[0]):
    simulate_genome(snakemake.params.folder, seed=snakemake.params.seed)
