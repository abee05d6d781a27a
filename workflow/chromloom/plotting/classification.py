"""Pictures of classification (Fig. 4): metrics by task and model, curves, confusion matrix."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from chromloom.plotting.style import model_colour

METRIC_NAMES = {
    "mAP": "Mean average precision",
    "AuROC": "Area under the ROC curve",
    "accuracy": "Accuracy",
    "F1": "F score",
}


def plot_tasks(
    metrics: pd.DataFrame,
    metric: str = "mAP",
    ax: Axes | None = None,
    *,
    control: pd.DataFrame | None = None,
) -> Axes:
    """A metric by task, a dot a model with its interval.

    Parameters
    ----------
    metrics : DataFrame
        task, model, circular (yes, no), metric, value, ci_low, ci_high: rows of one map, classifier
        and protocol. Circular tasks are starred.
    metric : str
    ax : Axes, optional
    control : DataFrame, optional
        Such rows of the shuffled control: its mean a task is drawn as a grey tick.

    Returns
    -------
    Axes
    """
    table = metrics[metrics["metric"] == metric]
    tasks, models = list(pd.unique(table["task"])), list(pd.unique(table["model"]))
    if ax is None:
        ax = plt.subplots(figsize=(4.2, 0.7 + 0.2 * len(tasks)))[1]
    place = {task: k for k, task in enumerate(tasks)}
    for number, model in enumerate(models):
        part = table[table["model"] == model]
        y = part["task"].map(place) + 0.5 * (number - (len(models) - 1) / 2) / max(len(models), 1)
        value = part["value"].to_numpy()
        errors = np.abs([value - part["ci_low"], part["ci_high"] - value])
        ax.errorbar(
            value, y, xerr=errors, fmt="o", ms=3.5, lw=0.8, color=model_colour(model), label=model
        )
    if control is not None:
        chance = control[control["metric"] == metric].groupby("task")["value"].mean()
        chance = chance.reindex(tasks)
        ax.scatter(chance, range(len(tasks)), marker="|", s=90, color="0.6", label="shuffled")
    circular = set(table.loc[table["circular"] == "yes", "task"])
    names = [f"{task.replace('_', ' ')}{' *' if task in circular else ''}" for task in tasks]
    ax.set_yticks(range(len(tasks)), names)
    ax.set_ylim(len(tasks) - 0.5, -0.5)
    ax.set_xlim(max(0, min(ax.get_xlim()[0], 0.4)), 1.01)
    ax.grid(axis="y", color="0.92", lw=0.6)
    ax.set_axisbelow(True)
    ax.set_xlabel(METRIC_NAMES.get(metric, metric) + (" (* circular)" if circular else ""))
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=3, borderaxespad=0.2)
    return ax


def plot_precision_recall(curves: pd.DataFrame, ax: Axes | None = None, *, title="") -> Axes:
    """Precision-recall curves of one task, a line a model.

    Parameters
    ----------
    curves : DataFrame
        model, recall, precision: rows of one task, classifier and protocol.
    ax : Axes, optional
    title : str

    Returns
    -------
    Axes
    """
    ax = ax or plt.subplots(figsize=(2.6, 2.5))[1]
    for model, part in curves.groupby("model", sort=False):
        ax.plot(part["recall"], part["precision"], color=model_colour(model), label=model, lw=1.2)
    ax.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="Recall", ylabel="Precision", title=title)
    ax.legend(loc="lower left")
    return ax


def plot_confusion(confusion: pd.DataFrame, ax: Axes | None = None, *, title="") -> Axes:
    """Confusion matrix of one model on one multi-class task.

    Parameters
    ----------
    confusion : DataFrame
        true, called, n (bins).
    ax : Axes, optional
    title : str

    Returns
    -------
    Axes
        Colour and upper number are the share of the true class, the lower number is of bins.
    """
    ax = ax or plt.subplots(figsize=(3.0, 2.7))[1]
    counts = confusion.pivot_table(index="true", columns="called", values="n", aggfunc="sum")
    counts = counts.reindex(index=counts.columns, fill_value=0)
    share = counts.div(counts.sum(axis=1).replace(0, np.nan), axis=0)
    image = ax.imshow(share, cmap="Blues", vmin=0, vmax=1)
    for (k, called), n in np.ndenumerate(counts.to_numpy()):
        value = share.to_numpy()[k, called]
        ax.text(
            called, k, f"{value:.2f}\n{n:,.0f}", ha="center", va="center", fontsize=6,
            color="white" if value > 0.6 else "black",
        )  # fmt: skip
    ax.set_xticks(range(len(counts)), counts.columns)
    ax.set_yticks(range(len(counts)), counts.index)
    ax.set(xlabel="Called", ylabel="True", title=title)
    ax.spines[["top", "right"]].set_visible(True)
    ax.figure.colorbar(image, ax=ax, shrink=0.8).set_label("Share of the true class")
    return ax
