from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from chromloom.logs import job_log
from chromloom.plotting.classification import plot_confusion, plot_precision_recall, plot_tasks
from chromloom.plotting.style import apply_style, save_figure


def stem(name):
    return Path(snakemake.output[name]).with_suffix("")


def read(paths):
    return pd.concat(map(pd.read_table, paths), ignore_index=True)


with job_log(snakemake.log[0]):
    apply_style()
    metrics = read(snakemake.input.tables)
    metrics = metrics[metrics["classifier"] == metrics["classifier"].iloc[0]]
    honest = metrics[metrics["protocol"] == "honest"]
    control = metrics[metrics["protocol"] == "shuffled"]
    shown = ("mAP", "AuROC", "accuracy", "F1")
    n_tasks = honest["task"].nunique()
    figure, axes = plt.subplots(2, 2, figsize=(max(6, 0.5 * n_tasks), 6), layout="constrained")
    for ax, metric in zip(axes.flat, shown):
        plot_tasks(honest, metric, ax, control=control)
    save_figure(figure, metrics, stem("fig4a"))

    curves = read(snakemake.input.curves)
    curves = curves[
        (curves["classifier"] == metrics["classifier"].iloc[0]) & (curves["protocol"] == "honest")
    ]
    tasks = list(dict.fromkeys(curves["task"]))
    rows = int(np.ceil(len(tasks) / 4))
    figure, axes = plt.subplots(
        rows, 4, figsize=(9, 2.2 * rows), squeeze=False, layout="constrained"
    )
    for ax, task in zip(axes.flat, tasks):
        plot_precision_recall(curves[curves["task"] == task], ax, title=task)
    for ax in axes.flat[len(tasks) :]:
        ax.remove()
    save_figure(figure, curves, stem("fig4b"))

    confusion = read(snakemake.input.confusion)
    confusion = confusion[
        (confusion["classifier"] == metrics["classifier"].iloc[0])
        & (confusion["protocol"] == "honest")
    ]
    groups = list(confusion.groupby(["task", "model"], sort=False))
    figure, axes = plt.subplots(
        1,
        max(len(groups), 1),
        figsize=(3.2 * max(len(groups), 1), 3),
        squeeze=False,
        layout="constrained",
    )
    for ax, ((task, model), part) in zip(axes.flat, groups):
        plot_confusion(part, ax, title=f"{task}, {model}")
    save_figure(figure, confusion, stem("fig4c"))
