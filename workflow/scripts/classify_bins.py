from pathlib import Path

from chromloom.classification.classify import ClassificationSettings, classify_representations
from chromloom.logs import job_log

params = snakemake.params
with job_log(snakemake.log[0]):
    classify_representations(
        snakemake.input.parquet,
        snakemake.input.sheet,
        snakemake.output.table,
        Path(snakemake.output.details[0]).parent,
        cell_type=params.cell_type,
        assembly=params.assembly,
        settings=ClassificationSettings(
            classifiers=tuple(params.classifiers),
            protocols=tuple(params.protocols),
            n_folds=params.folds,
            n_boot=params.bootstraps,
            seed=params.seed,
            min_positives=params.min_positives,
        ),
    )
