from pathlib import Path

from chromloom.evaluation.differences import compare_cell_types
from chromloom.files import write_tsv
from chromloom.logs import job_log

source, params = snakemake.input, snakemake.params
with job_log(snakemake.log[0]):
    folders = [Path(path).parent for path in source.runs]
    table = compare_cell_types(
        tuple(source.maps),
        dict(zip(params.predictors, zip(folders[::2], folders[1::2]))),
        n_boot=params.bootstraps,
        seed=params.seed,
    )
    table.insert(0, "sample", snakemake.wildcards.sample)
    table.insert(1, "other", snakemake.wildcards.other)
    write_tsv(table, snakemake.output[0])
