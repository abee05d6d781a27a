from contextlib import ExitStack
from pathlib import Path

from chromloom.genome.genes import read_genes
from chromloom.logs import job_log
from chromloom.normalize.maps import NormalizedMap
from chromloom.variants.expression import open_expression
from chromloom.variants.score import score_variants

params, source = snakemake.params, snakemake.input
with job_log(snakemake.log[0]), ExitStack() as stack:
    genes = None
    if source.genes:
        genes = read_genes(source.genes, NormalizedMap(source.cool).bins.chromsizes)
    expression = None
    if source.expression:
        expression = stack.enter_context(
            open_expression(
                source.expression[0],
                source.expressed[0],
                source.signals[0],
                **params.interactions,
            )
        )
    score_variants(
        Path(source.weights).parent,
        source.cool,
        source.variants,
        snakemake.output[0],
        flank=params.flank,
        controls=params.controls,
        seed=params.seed,
        genes=genes,
        motifs_path=source.motifs or None,
        expression=expression,
        shifts=params.shifts,
        zygosity=params.zygosity,
        mode=params.mode,
        name=snakemake.wildcards.model,
        device=params.device,
    )
