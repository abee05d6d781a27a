from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd

from chromloom.files import read_tsv
from chromloom.logs import job_log
from chromloom.plotting.classification import plot_differences
from chromloom.plotting.style import apply_style, save_figure

with job_log(snakemake.log[0]):
    apply_style()
    models = read_tsv(snakemake.input.models).rename(columns={"p_adjusted": "mean_p"})
    keys = ["classifier", "protocol", "model_a", "model_b", "metric"]
    table = read_tsv(snakemake.input.tasks).merge(
        models[[*keys, "mean_difference", "n_tasks", "mean_p"]], on=keys
    )
    table = table[table["model_a"] == table["model_a"].iloc[0]]
    scores = pd.concat(map(read_tsv, snakemake.input.scores))
    scores = scores[scores["protocol"] == "honest"].drop_duplicates("task").set_index("task")
    for column in ("circular", "few"):
        table[column] = table["task"].map(scores[column])
    groups = list(table.groupby("classifier", sort=False))
    size = (3.8 * len(groups) + 1, 1.2 + 0.2 * table["task"].nunique())
    figure, axes = plt.subplots(
        1, len(groups), figsize=size, squeeze=False, sharey=True, layout="constrained"
    )
    for ax, (classifier, part) in zip(axes.flat, groups):
        plot_differences(part, ax)
        ax.set_title(classifier, loc="right")
    save_figure(figure, table, Path(snakemake.output.fig4f).with_suffix(""))
