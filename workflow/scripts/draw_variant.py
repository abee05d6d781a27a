from pathlib import Path

from chromloom.edits.read import read_edits
from chromloom.genome.genes import read_genes
from chromloom.genome.intervals import read_intervals
from chromloom.logs import job_log
from chromloom.normalize.maps import NormalizedMap
from chromloom.plotting.locus import plot_variant
from chromloom.plotting.style import apply_style, save_figure
from chromloom.variants.picture import (
    add_tracks,
    inside,
    shown_pieces,
    variant_maps,
    variant_table,
    variant_title,
)

params, source, name = snakemake.params, snakemake.input, snakemake.wildcards.edit
with job_log(snakemake.log[0]):
    apply_style()
    chromsizes = NormalizedMap(source.cool).bins.chromsizes
    edits = read_edits(source.variants, chromsizes=chromsizes)
    edit = next(edit for edit in edits if edit.edit == name)
    motifs = None
    if source.motifs:
        motifs = read_intervals(source.motifs, "bed", chromsizes, what="file of motifs")
    models = {
        model: (Path(weights).parent, source.cool)
        for model, weights in zip(params.models, source.weights)
    }
    maps, bins, pieces = variant_maps(
        models,
        edit,
        flank=params.flank,
        zygosity=params.zygosity,
        mode=params.mode,
        motifs=motifs,
        device=params.device,
    )
    numbers = variant_table(maps, bins)
    tracks, genes = [], None
    if len(bins):
        files = {"E1": source.E1, "insulation": source.insulation}
        bins, tracks = add_tracks(bins, files, chromsizes, source.signals or None)
        genes = inside(read_genes(source.genes, chromsizes), bins) if source.genes else None
    figure = plot_variant(
        maps,
        bins,
        title=variant_title(edit, params.zygosity),
        region=(edit.start, edit.end),
        pieces=[shown_pieces(own, bins) for own in pieces] if len(bins) else [],
        tracks=tracks,
        genes=genes,
    )
    save_figure(figure, numbers, Path(snakemake.output.png).with_suffix(""))
