from chromloom.files import read_tsv
from chromloom.logs import job_log
from chromloom.training.base_targets import write_base_targets

source, params = snakemake.input, snakemake.params
with job_log(snakemake.log[0]):
    splits = read_tsv(source.splits)
    write_base_targets(
        params.model,
        source.maps,
        splits[splits["fold"] == int(snakemake.wildcards.fold)].reset_index(drop=True),
        snakemake.output[0],
        genome_path=source.genome,
        options=params.options,
    )
