from chromloom.contacts.sources import stored_weights
from chromloom.genome.assembly import load_assembly
from chromloom.logs import job_log
from chromloom.normalize.balance import BalanceSettings
from chromloom.normalize.normalized import normalize_contacts

params, wildcards = snakemake.params, snakemake.wildcards
with job_log(snakemake.log[0]):
    assembly = load_assembly(params.assembly)
    resolution = int(wildcards.resolution)
    stored = None
    if snakemake.input.get("source"):
        stored = stored_weights(
            snakemake.input.source,
            resolution,
            wildcards.norm,
            chromsizes=assembly.chromsizes,
            length_tolerance=params.length_tolerance,
        )
    normalize_contacts(
        snakemake.input.mcool,
        snakemake.output.cool,
        sample=wildcards.sample,
        resolution=resolution,
        norm=wildcards.norm,
        assembly=assembly,
        chroms=params.chromosomes,
        settings=BalanceSettings(**params.balance),
        stored=stored,
        cp_a=params.cp_a,
        nproc=snakemake.threads,
    )
