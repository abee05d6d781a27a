from pathlib import Path

from chromloom.evaluation.scores import plotted_agreement, read_scores
from chromloom.files import read_tsv
from chromloom.logs import job_log
from chromloom.plotting.reconstruction import plot_agreement
from chromloom.plotting.style import apply_style, save_figure

scored = snakemake.params.scored
with job_log(snakemake.log[0]):
    apply_style()
    metrics = read_scores(snakemake.input.tables, scored)
    distances = read_scores(snakemake.input.distances, scored)
    reliable = [
        read_tsv(path)
        .query("chrom == 'all' and resolution == @resolution")["reliable_distance"]
        .iloc[0]
        for path in snakemake.input.quality
        for resolution in distances["resolution"].unique()
    ]
    figure = plot_agreement(
        metrics,
        distances,
        by=snakemake.params.by,
        reliable_distance=reliable[0] if len(reliable) == 1 else float("nan"),
    )
    stem = Path(snakemake.output.png).with_suffix("")
    save_figure(figure, plotted_agreement(metrics, distances), stem)
