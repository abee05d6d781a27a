from chromloom.genome.assembly import load_assembly
from chromloom.logs import job_log
from chromloom.signals.sheet import SignalSource
from chromloom.signals.write import bin_signals

params = snakemake.params
with job_log(snakemake.log[0]):
    bin_signals(
        [SignalSource(**source) for source in params.sources],
        load_assembly(params.assembly),
        snakemake.output[0],
        bin_size=int(snakemake.wildcards.bin_size),
        references=dict(zip(params.references, snakemake.input.references)),
        quantile_chroms=params.quantile_chroms,
    )
