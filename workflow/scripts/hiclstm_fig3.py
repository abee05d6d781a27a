import json
from pathlib import Path

import cooler
import matplotlib.pyplot as plt
import pandas as pd

from chromloom.evaluation.maps import error_by_frame_position
from chromloom.evaluation.scores import plotted_agreement, read_scores
from chromloom.files import read_tsv
from chromloom.logs import job_log
from chromloom.plotting.reconstruction import plot_agreement, plot_frame_error, plot_split_map
from chromloom.plotting.style import apply_style, save_figure
from chromloom.prediction.windows import choose_region, read_split, split_table


def stem(name):
    return Path(snakemake.output[name]).with_suffix("")


with job_log(snakemake.log[0]):
    apply_style()
    settings = json.loads(Path(snakemake.input.settings[0]).read_text())["settings"]
    observed = cooler.Cooler(snakemake.input.observed[0])
    resolution, sample = observed.binsize, observed.info["metadata"]["sample"]
    for panel, shown in snakemake.params.agreement.items():
        stems = [f"results/reconstruction/{name}" for name in shown["stems"]]
        metrics = read_scores([f"{s}.tsv" for s in stems], shown["scored"])
        distances = read_scores([f"{s}.distances.tsv" for s in stems], shown["scored"])
        figure = plot_agreement(metrics, distances)
        save_figure(figure, plotted_agreement(metrics, distances), stem(panel))

    chrom, start, end = choose_region(observed, snakemake.params.region)
    maps = read_split(snakemake.input.observed[0], snakemake.input.predicted[0], chrom, start, end)
    figure, ax = plt.subplots(figsize=(4.2, 3.6), layout="constrained")
    plot_split_map(*maps, start, resolution, ax, frame=settings["frame"], label=chrom)
    save_figure(figure, split_table(*maps), stem("fig3g"))

    distances = pd.concat(map(read_tsv, snakemake.input.distances)).drop_duplicates()
    distances = distances[(distances["pairs"] == "all") & (distances["against"] == sample)]
    positions = error_by_frame_position(distances, settings["frame"])
    figure, ax = plt.subplots(figsize=(4, 2.6), layout="constrained")
    plot_frame_error(positions, ax)
    save_figure(figure, positions, stem("figS14"))
