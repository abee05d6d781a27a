from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd

from chromloom.files import read_tsv
from chromloom.logs import job_log
from chromloom.plotting.reconstruction import METRIC_NAMES, plot_sizes
from chromloom.plotting.style import apply_style, save_figure

KEYS = ["model", "against", "metric"]
variants = pd.DataFrame.from_dict(
    snakemake.params.variants, orient="index", columns=["size", "variant"]
)
with job_log(snakemake.log[0]):
    apply_style()
    scores = pd.concat(map(read_tsv, snakemake.input.tables))
    scores = scores[(scores["pairs"] == "all") & (scores["stratum"] == "all")]
    scores = scores[scores["metric"].isin(["r2_cp", "pearson_logoe"])][[*KEYS, "value"]]
    if snakemake.input.classified:
        tasks = pd.concat(map(read_tsv, snakemake.input.classified))
        tasks = tasks[(tasks["protocol"] == "honest") & (tasks["metric"] == "mAP")]
        tasks = tasks[tasks["classifier"] == tasks["classifier"].iloc[0]]
        tasks = tasks.groupby("model", sort=False)["value"].mean().reset_index()
        scores = pd.concat([scores, tasks.assign(metric="mean mAP", against="labels")])
    scores = scores.join(variants, on="model", how="inner").sort_values(["size", "variant"])
    panels = list(scores.groupby(["metric", "against"], sort=False))
    shape = {"figsize": (3.4 * len(panels), 2.8), "squeeze": False, "layout": "constrained"}
    figure, axes = plt.subplots(1, len(panels), **shape)
    for ax, ((metric, against), part) in zip(axes.flat, panels):
        plot_sizes(part, ax, ylabel=METRIC_NAMES.get(metric, metric))
        ax.set_title(f"scored on {against}" if against != "labels" else "all tasks")
        ax.get_legend().remove()
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right upper")
    save_figure(figure, scores, Path(snakemake.output.png).with_suffix(""))
