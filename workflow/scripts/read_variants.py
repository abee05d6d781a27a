import logging

from chromloom.edits.read import edit_table, read_rows, skipped_table, summary
from chromloom.edits.reference import check_reference, leave_out_bases
from chromloom.files import write_tsv
from chromloom.genome.assembly import load_assembly
from chromloom.logs import job_log
from chromloom.sequence.fasta import Genome

params, source = snakemake.params, snakemake.input
with job_log(snakemake.log[0]):
    chromsizes = load_assembly(params.assembly).chromsizes
    rows = read_rows(
        source.edits, chromsizes=chromsizes, chromosomes=params.chromosomes, **params.options
    )
    if source.genome:
        with Genome(source.genome) as genome:
            rows = check_reference(rows, genome, on_mismatch=params.reference)
    else:
        rows = leave_out_bases(rows)
    logging.getLogger("chromloom.edits").info("%s: %s", source.edits, summary(rows))
    write_tsv(edit_table(rows), snakemake.output.variants)
    write_tsv(skipped_table(rows), snakemake.output.skipped)
