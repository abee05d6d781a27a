import pandas as pd

from chromloom.files import write_tsv
from chromloom.logs import job_log

with job_log(snakemake.log[0]):
    parts = [
        pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False) for path in snakemake.input
    ]
    # Every run brings the rows of the references that it was compared with.
    write_tsv(pd.concat(parts, ignore_index=True).drop_duplicates(), snakemake.output[0])
