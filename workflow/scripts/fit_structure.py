from chromloom.logs import job_log
from chromloom.structure.fit import fit_structure

with job_log(snakemake.log[0]):
    fit_structure(
        snakemake.input.cool,
        snakemake.output.coordinates,
        snakemake.output.scores,
        snakemake.output.molecules,
        column=snakemake.params.column,
        exponent=snakemake.params.exponent,
        max_bins=snakemake.params.max_bins,
    )
