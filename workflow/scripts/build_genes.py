from chromloom.expression.build import build_genes
from chromloom.logs import job_log

params, source, output = snakemake.params, snakemake.input, snakemake.output
with job_log(snakemake.log[0]):
    build_genes(
        source.genes,
        source.table,
        source.signals,
        output.table,
        output.marks,
        output.elements,
        column=params.column,
        unit=params.unit,
        transcript=params.transcript,
        signals=params.signals,
        folds=params.folds,
        interactions_path=source.interactions or "",
        strength=params.strength,
        min_frequency=params.min_frequency,
        max_elements=params.max_elements,
        max_distance=params.max_distance,
        added=dict(zip(params.added, source.added)),
    )
