from chromloom.expression.effects import screen_elements
from chromloom.expression.fit import fold_dirs
from chromloom.logs import job_log

source, output = snakemake.input, snakemake.output
with job_log(snakemake.log[0]):
    folders = {
        model: fold_dirs(path) for model, path in zip(snakemake.params.models, source.models)
    }
    screen_elements(
        source.table,
        source.marks,
        source.elements,
        folders,
        output.screen,
        output.signals,
        output.impact,
    )
