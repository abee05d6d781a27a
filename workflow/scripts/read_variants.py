import logging

from chromloom.edits.read import edit_table, read_rows, skipped_table, summary
from chromloom.files import write_tsv
from chromloom.genome.assembly import load_assembly
from chromloom.logs import job_log

params, source = snakemake.params, snakemake.input.edits
with job_log(snakemake.log[0]):
    chromsizes = load_assembly(params.assembly).chromsizes
    rows = read_rows(
        source, chromsizes=chromsizes, chromosomes=params.chromosomes, **params.options
    )
    logging.getLogger("chromloom.edits").info("%s: %s", source, summary(rows))
    write_tsv(edit_table(rows), snakemake.output.variants)
    write_tsv(skipped_table(rows), snakemake.output.skipped)
