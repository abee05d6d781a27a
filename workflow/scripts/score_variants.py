from pathlib import Path

from chromloom.genome.genes import read_genes
from chromloom.logs import job_log
from chromloom.normalize.maps import NormalizedMap
from chromloom.variants.score import score_variants

params, source = snakemake.params, snakemake.input
with job_log(snakemake.log[0]):
    genes = None
    if source.genes:
        genes = read_genes(source.genes, NormalizedMap(source.cool).bins.chromsizes)
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
        zygosity=params.zygosity,
        mode=params.mode,
        name=snakemake.wildcards.model,
        device=params.device,
    )
