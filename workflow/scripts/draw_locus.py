from pathlib import Path

import cooler

from chromloom.genome.genes import read_genes
from chromloom.genome.intervals import read_intervals
from chromloom.logs import job_log
from chromloom.plotting.locus import plot_observed_and_predicted
from chromloom.plotting.style import apply_style, save_figure
from chromloom.prediction.windows import choose_region, read_split, split_table
from chromloom.variants.picture import add_tracks, inside

source = snakemake.input
with job_log(snakemake.log[0]):
    apply_style()
    clr = cooler.Cooler(source.observed[0])
    chrom, start, end = choose_region(clr, snakemake.params.region, width=snakemake.params.width)
    text = f"{chrom}:{start:,}-{end:,}"
    maps = read_split(source.observed[0], source.predicted[0], chrom, start, end)
    bins = clr.bins()[["chrom", "start", "end"]].fetch((chrom, start, end)).reset_index(drop=True)
    files = {"E1": source.E1[0], "insulation": source.insulation[0]}
    store = source.signals[0] if source.signals else None
    bins, tracks = add_tracks(bins, files, clr.chromsizes, store)
    genes = inside(read_genes(source.genes, clr.chromsizes), bins) if source.genes else None
    loops = {}
    for name, path in zip(("loops, observed", "loops, predicted"), source.loops):
        found = read_intervals(path, "bedpe", clr.chromsizes, may_be_empty=True)
        loops[name] = inside(found, bins)
    run = Path(source.predicted[0]).stem
    figure = plot_observed_and_predicted(
        *maps, bins, title=f"{run}, {text}", tracks=tracks, genes=genes, loops=loops
    )
    save_figure(figure, split_table(*maps), Path(snakemake.output.png).with_suffix(""))
