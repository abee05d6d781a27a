import pandas as pd

from chromloom.evaluation.maps import summarise_seeds
from chromloom.files import write_tsv
from chromloom.logs import job_log

with job_log(snakemake.log[0]):
    tables = [pd.read_table(path) for path in snakemake.input]
    for table in tables:
        table["model"] = table["model"].str.replace(r"-seed\d+$", "", regex=True)
    write_tsv(summarise_seeds(tables), snakemake.output[0])
