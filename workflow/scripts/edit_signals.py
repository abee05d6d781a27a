from chromloom.files import write_tsv
from chromloom.logs import job_log
from chromloom.signals.edit import edit_signals

source = snakemake.input
with job_log(snakemake.log[0]):
    table = edit_signals(
        source.store,
        source.edits,
        snakemake.output.store,
        cell_type=snakemake.wildcards.cell_type,
    )
    write_tsv(table, snakemake.output.table)
