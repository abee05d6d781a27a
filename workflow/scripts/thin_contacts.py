from chromloom.contacts.qc import add_balancing, contacts_qc
from chromloom.contacts.thin import thin_contacts
from chromloom.files import atomic_path, write_tsv
from chromloom.genome.assembly import load_assembly
from chromloom.logs import job_log
from chromloom.normalize.balance import BalanceSettings
from chromloom.normalize.normalized import write_default_weights

params, sample = snakemake.params, snakemake.wildcards.sample
with job_log(snakemake.log[0]), atomic_path(snakemake.output.mcool) as mcool:
    thin_contacts(
        snakemake.input.mcool,
        mcool,
        params.fraction,
        params.seed,
        complement=params.complement,
        sample=sample,
    )
    balancing = write_default_weights(
        mcool,
        params.norm,
        sample=sample,
        assembly=load_assembly(params.assembly),
        chroms=params.chromosomes,
        settings=BalanceSettings(**params.balance),
    )
    qc = contacts_qc(str(mcool), ignore_diags=params.balance["ignore_diags"])
    write_tsv(add_balancing(qc, balancing), snakemake.output.qc)
