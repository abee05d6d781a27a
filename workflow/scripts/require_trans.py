from chromloom.contacts.qc import require_trans
from chromloom.logs import job_log

with job_log(snakemake.log[0]):
    require_trans(snakemake.input.qc, snakemake.output[0])
