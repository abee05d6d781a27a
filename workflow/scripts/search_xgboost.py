from chromloom.classification.classifiers import ClassifierSettings
from chromloom.classification.classify import ClassificationSettings
from chromloom.classification.search import search_xgboost
from chromloom.logs import job_log

params = snakemake.params
with job_log(snakemake.log[0]):
    search_xgboost(
        snakemake.input.parquet,
        snakemake.input.sheet,
        snakemake.output[0],
        cell_type=params.cell_type,
        assembly=params.assembly,
        settings=ClassificationSettings(
            n_folds=params.folds,
            seed=params.seed,
            min_positives=params.min_positives,
            classifier=ClassifierSettings(nthread=snakemake.threads),
        ),
    )
