from chromloom.contacts.extract import extract_contacts
from chromloom.contacts.qc import add_balancing, contacts_qc
from chromloom.contacts.sources import stored_weights
from chromloom.files import atomic_path, write_tsv
from chromloom.genome.assembly import load_assembly
from chromloom.logs import job_log
from chromloom.normalize.balance import BalanceSettings
from chromloom.normalize.normalized import write_default_weights

params, source = snakemake.params, snakemake.params.source
with job_log(snakemake.log[0]), atomic_path(snakemake.output.mcool) as mcool:
    assembly = load_assembly(params.assembly)
    common = {"sample": snakemake.wildcards.sample, "assembly": assembly}
    extract_contacts(
        source,
        mcool,
        **common,
        resolutions=params.resolutions,
        chroms=params.chromosomes,
        cell_labels=snakemake.input.cell_labels or None,
        cell_type=params.cell_type,
        source_resolution=params.source_resolution,
        length_tolerance=params.length_tolerance,
        float_counts=params.float_counts,
    )
    stored = {
        resolution: stored_weights(
            source,
            resolution,
            params.norm,
            chromsizes=assembly.chromsizes,
            length_tolerance=params.length_tolerance,
        )
        for resolution in params.resolutions
    }
    balancing = write_default_weights(
        mcool,
        params.norm,
        **common,
        chroms=params.chromosomes,
        settings=BalanceSettings(**params.balance),
        stored=stored,
    )
    qc = contacts_qc(str(mcool), ignore_diags=params.balance["ignore_diags"])
    write_tsv(add_balancing(qc, balancing), snakemake.output.qc)
