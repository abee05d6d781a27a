from chromloom.classification.classify import ClassificationSettings, classify_representations
from chromloom.logs import job_log

params = snakemake.params
with job_log(snakemake.log[0]):
    classify_representations(
        snakemake.input.parquet,
        snakemake.input.sheet,
        snakemake.output[0],
        cell_type=params.cell_type,
        assembly=params.assembly,
        splits=snakemake.input.splits,
        retrained=dict(enumerate(snakemake.input.withheld)),
        settings=ClassificationSettings(
            classifiers=tuple(params.classifiers),
            protocols=("honest",),
            n_boot=params.bootstraps,
            seed=params.seed,
            min_positives=params.min_positives,
        ),
    )
