from pathlib import Path

from chromloom.evaluation.scores import plotted_agreement, read_scores
from chromloom.logs import job_log
from chromloom.plotting.reconstruction import plot_agreement
from chromloom.plotting.style import apply_style, save_figure

scored = snakemake.params.scored
with job_log(snakemake.log[0]):
    apply_style()
    metrics = read_scores(snakemake.input.tables, scored)
    distances = read_scores(snakemake.input.distances, scored)
    figure = plot_agreement(metrics, distances, by=snakemake.params.by)
    stem = Path(snakemake.output.png).with_suffix("")
    save_figure(figure, plotted_agreement(metrics, distances), stem)
