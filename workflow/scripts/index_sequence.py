from chromloom.genome.assembly import load_assembly
from chromloom.logs import job_log
from chromloom.sequence.fasta import write_genome

with job_log(snakemake.log[0]):
    assembly = load_assembly(snakemake.params.assembly)
    write_genome(
        snakemake.input.sequence,
        snakemake.output.fasta,
        assembly.chromsizes,
        assembly=assembly.name,
        length_tolerance=snakemake.params.length_tolerance,
    )
