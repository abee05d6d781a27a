from chromloom.evaluation.maps import summarise_seeds
from chromloom.files import read_tsv, write_tsv
from chromloom.logs import job_log

with job_log(snakemake.log[0]):
    tables = [read_tsv(path) for path in snakemake.input]
    for table in tables:
        table["model"] = table["model"].str.replace(r"-seed\d+$", "", regex=True)
    write_tsv(summarise_seeds(tables), snakemake.output[0])
