import pandas as pd

from chromloom.classification.paired import compare_models, rank_models
from chromloom.files import read_tsv, write_tsv
from chromloom.logs import job_log

inputs, output = snakemake.input, snakemake.output
with job_log(snakemake.log[0]):
    predictions = pd.concat(map(pd.read_parquet, inputs.predictions))
    metrics = pd.concat(map(read_tsv, inputs.tables))
    predictions, metrics = (
        table[table["protocol"] == "honest"] for table in (predictions, metrics)
    )
    write_tsv(compare_models(predictions, seed=snakemake.params.seed), output.tasks)
    write_tsv(rank_models(metrics), output.models)
