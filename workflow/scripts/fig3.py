import json
from pathlib import Path

import cooler
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from chromloom.logs import job_log
from chromloom.plotting.reconstruction import plot_frame_error, plot_split_map, plot_strata
from chromloom.plotting.style import apply_style, save_figure
from chromloom.reconstruction.evaluate import error_by_frame_position
from chromloom.reconstruction.windows import choose_region, read_split


def stem(name):
    return Path(snakemake.output[name]).with_suffix("")


with job_log(snakemake.log[0]):
    apply_style()
    settings = json.loads(Path(snakemake.input.settings[0]).read_text())["settings"]
    observed = cooler.Cooler(snakemake.input.observed[0])
    resolution, sample = observed.binsize, observed.info["metadata"]["sample"]
    metrics = pd.concat(map(pd.read_table, snakemake.input.tables)).drop_duplicates()
    metrics = metrics[(metrics["pairs"] == "all") & (metrics["stratum"] != "all")]
    others = list(dict.fromkeys(metrics["against"]))
    shape = {"figsize": (3.4 * len(others), 5), "squeeze": False, "layout": "constrained"}
    figure, axes = plt.subplots(2, len(others), **shape)
    for column, other in enumerate(others):
        for row, metric in enumerate(("pearson_cp", "r2_distance")):
            plot_strata(metrics[metrics["against"] == other], metric, axes[row, column])
        axes[0, column].set_title(f"scored on {other}")
    save_figure(figure, metrics, stem("fig3a"))

    chrom, start, end = choose_region(observed, snakemake.params.region)
    maps = read_split(snakemake.input.observed[0], snakemake.input.predicted[0], chrom, start, end)
    figure, ax = plt.subplots(figsize=(4.2, 3.6), layout="constrained")
    plot_split_map(*maps, start, resolution, ax, frame=settings["frame"], label=chrom)
    bin1, bin2 = np.indices(maps[0].shape)
    table = {"bin1": bin1, "bin2": bin2, "observed": maps[0], "predicted": maps[1]}
    table = pd.DataFrame({column: values.ravel() for column, values in table.items()})
    save_figure(figure, table, stem("fig3g"))

    distances = pd.concat(map(pd.read_table, snakemake.input.distances)).drop_duplicates()
    distances = distances[(distances["pairs"] == "all") & (distances["against"] == sample)]
    positions = error_by_frame_position(distances, settings["frame"])
    figure, ax = plt.subplots(figsize=(4, 2.6), layout="constrained")
    plot_frame_error(positions, ax)
    save_figure(figure, positions, stem("figS14"))
