from chromloom.classification.classify import ClassificationSettings, classify_transfer
from chromloom.logs import job_log

params = snakemake.params
with job_log(snakemake.log[0]):
    classify_transfer(
        snakemake.input.train,
        snakemake.input.test,
        snakemake.input.sheet,
        snakemake.output[0],
        train_cell_type=params.train_cell_type,
        test_cell_type=params.test_cell_type,
        assembly=params.assembly,
        settings=ClassificationSettings(
            classifiers=tuple(params.classifiers),
            n_folds=params.folds,
            n_boot=params.bootstraps,
            seed=params.seed,
            min_positives=params.min_positives,
        ),
    )
