from chromloom.files import write_tsv
from chromloom.genome.assembly import load_assembly
from chromloom.genome.names import select_chromosomes
from chromloom.logs import job_log
from chromloom.sequence.contigs import read_sequences_bed
from chromloom.training.splits import split_chromosomes

params = snakemake.params
with job_log(snakemake.log[0]):
    chromsizes = load_assembly(params.assembly).chromsizes
    kept = select_chromosomes(params.chromosomes, chromsizes, source="contacts.chromosomes")
    if snakemake.input.windows:
        split = read_sequences_bed(snakemake.input.windows, chromsizes[kept]).assign(fold=0)
        split = split[["fold", "role", "chrom", "start", "end"]]
    else:
        split = split_chromosomes(chromsizes[kept], **params.split)
    write_tsv(split, snakemake.output[0])
