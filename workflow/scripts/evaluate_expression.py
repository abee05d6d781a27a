from chromloom.evaluation.expression import evaluate_expression
from chromloom.files import read_tsv, write_tsv
from chromloom.logs import job_log

params = snakemake.params
with job_log(snakemake.log[0]):
    tables = {model: read_tsv(path) for model, path in zip(params.models, snakemake.input)}
    scores = evaluate_expression(tables, n_boot=params.bootstraps, seed=params.seed)
    scores.insert(0, "cell_type", snakemake.wildcards.cell_type)
    write_tsv(scores, snakemake.output[0])
