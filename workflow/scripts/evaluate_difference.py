from chromloom.evaluation.expression import evaluate_expression
from chromloom.expression.difference import as_levels
from chromloom.files import read_tsv, write_tsv
from chromloom.logs import job_log

params = snakemake.params
with job_log(snakemake.log[0]):
    tables = {model: read_tsv(path) for model, path in zip(params.models, snakemake.input)}
    scores = evaluate_expression(as_levels(tables), n_boot=params.bootstraps, seed=params.seed)
    scores.insert(0, "difference_of", snakemake.wildcards.pair)
    write_tsv(scores, snakemake.output[0])
