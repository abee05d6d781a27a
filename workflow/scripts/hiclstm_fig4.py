from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from chromloom.classification.paired import compare_protocols, describe_protocols
from chromloom.files import atomic_path, read_tsv
from chromloom.logs import job_log
from chromloom.plotting.classification import (
    plot_confusion,
    plot_precision_recall,
    plot_task_grid,
)
from chromloom.plotting.style import apply_style, save_figure


def stem(name):
    return Path(snakemake.output[name]).with_suffix("")


def read(paths):
    return pd.concat(map(read_tsv, paths), ignore_index=True)


with job_log(snakemake.log[0]):
    apply_style()
    metrics = read(snakemake.input.tables)
    honest, shuffled, published = (
        metrics[metrics["protocol"] == name] for name in ("honest", "shuffled", "published")
    )
    figure = plot_task_grid(honest, columns="metric", control=shuffled)
    save_figure(figure, metrics, stem("fig4a"))

    both = pd.concat([honest, published]).query("metric == 'mAP'")
    figure = plot_task_grid(both, columns="model", by="protocol", control=shuffled)
    protocols = compare_protocols(metrics)
    save_figure(figure, protocols, stem("fig4e"))
    with atomic_path(snakemake.output.sentence) as path:
        path.write_text(describe_protocols(protocols) + "\n")

    classifier = metrics["classifier"].iloc[0]
    curves = read(snakemake.input.curves)
    curves = curves[(curves["classifier"] == classifier) & (curves["protocol"] == "honest")]
    tasks = list(dict.fromkeys(curves["task"]))
    rows = int(np.ceil(len(tasks) / 4))
    figure, axes = plt.subplots(
        rows, 4, figsize=(9, 2.2 * rows), squeeze=False, layout="constrained"
    )
    for ax, task in zip(axes.flat, tasks):
        plot_precision_recall(curves[curves["task"] == task], ax, title=task)
        ax.legend_.remove()
    for ax in axes.flat[len(tasks) :]:
        ax.remove()
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper left", ncols=5)
    save_figure(figure, curves, stem("fig4d"))

    confusion = read(snakemake.input.confusion)
    confusion = confusion[
        (confusion["classifier"] == classifier) & (confusion["protocol"] == "honest")
    ]
    tasks, models = (list(dict.fromkeys(confusion[name])) for name in ("task", "model"))
    size = (3.2 * max(len(models), 1), 3 * max(len(tasks), 1))
    figure, axes = plt.subplots(
        max(len(tasks), 1), max(len(models), 1), figsize=size, squeeze=False, layout="constrained"
    )
    for k, task in enumerate(tasks):
        for ax, model in zip(axes[k], models):
            part = confusion[(confusion["task"] == task) & (confusion["model"] == model)]
            plot_confusion(part, ax, title=f"{task}\n{model}")
    save_figure(figure, confusion, stem("figS3"))
