from chromloom.files import write_tsv
from chromloom.logs import job_log
from chromloom.signals.qc import signals_qc
from chromloom.signals.store import SignalStore

with job_log(snakemake.log[0]):
    sisters = [SignalStore(path) for path in snakemake.input.sisters]
    write_tsv(signals_qc(SignalStore(snakemake.input.store), sisters), snakemake.output[0])
