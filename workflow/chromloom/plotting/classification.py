"""Pictures of classification (Fig. 4): metrics by task and model, curves, confusion matrix."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from chromloom.plotting.style import PALETTE, model_colours, say_empty

METRIC_NAMES = {
    "mAP": "Mean average precision",
    "AuROC": "Area under the ROC curve",
    "accuracy": "Accuracy",
    "F1": "F score",
}
MARKS = {"circular": ("*", "circular"), "few": ("†", "few positives: not in means")}
"""Kinds of tasks that are marked beside their names, by column."""
MANY_TASKS = 15
"""Beyond it, dots and intervals of all tasks can no longer be read in one panel."""


def plot_tasks(
    metrics: pd.DataFrame,
    metric: str = "mAP",
    ax: Axes | None = None,
    *,
    by: str = "model",
    tasks: Sequence[str] | None = None,
    control: pd.DataFrame | None = None,
) -> Axes:
    """A metric by task, one dot per model (or what else `by` names) with its interval.

    Parameters
    ----------
    metrics : DataFrame
        task, `by`, circular, few (yes, no), metric, value, ci_low, ci_high: rows that differ in
        the task and in `by` alone, so of one map, classifier and protocol where it is "model".
        Circular tasks and those with few positives are marked.
    metric : str
    ax : Axes, optional
    by : str
        Column that the dots of a task differ in.
    tasks : sequence of str, optional
        What stands on the vertical axis; by default the tasks that there are.
    control : DataFrame, optional
        Such rows of the shuffled control: its mean a task is drawn as a grey tick.

    Returns
    -------
    Axes
    """
    table = metrics[metrics["metric"] == metric]
    tasks = list(pd.unique(table["task"]) if tasks is None else tasks)
    names = list(pd.unique(table[by]))
    if ax is None:
        ax = plt.subplots(figsize=(4.2, 0.7 + 0.2 * len(tasks)))[1]
    place = {task: k for k, task in enumerate(tasks)}
    colours = model_colours(names) if by == "model" else dict(zip(names, itertools.cycle(PALETTE)))
    for number, name in enumerate(names):
        part = table[table[by] == name]
        y = part["task"].map(place) + 0.5 * (number - (len(names) - 1) / 2) / max(len(names), 1)
        value = part["value"].to_numpy()
        errors = np.abs([value - part["ci_low"], part["ci_high"] - value])
        style: dict[str, Any] = {"fmt": "o", "ms": 3.5, "lw": 0.8, "color": colours[name]}
        ax.errorbar(value, y, xerr=errors, **style, label=name)
    if control is not None:
        chance = control[control["metric"] == metric].groupby("task")["value"].mean()
        chance = chance.reindex(tasks)
        ax.scatter(chance, range(len(tasks)), marker="|", s=90, color="0.6", label="shuffled")
    ticks, note = _mark(tasks, table)
    ax.set_yticks(range(len(tasks)), ticks)
    ax.set_ylim(len(tasks) - 0.5, -0.5)
    ax.set_xlim(max(0, min(ax.get_xlim()[0], 0.4)), 1.01)
    ax.grid(axis="y", color="0.92", lw=0.6)
    ax.set_axisbelow(True)
    ax.set_xlabel(METRIC_NAMES.get(metric, metric) + (f" ({note})" if note else ""))
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=3, borderaxespad=0.2)
    return ax


def _mark(tasks: Sequence[str], table: pd.DataFrame) -> tuple[list[str], str]:
    """Names of tasks with the marks of their kinds, and what the marks mean."""
    names, notes = [task.replace("_", " ") for task in tasks], []
    for column, (mark, note) in MARKS.items():
        marked = set(table.loc[table[column] == "yes", "task"]) if column in table else set()
        names = [f"{name} {mark}" if t in marked else name for name, t in zip(names, tasks)]
        notes += [f"{mark} {note}"] if marked else []
    return names, ", ".join(notes)


def plot_task_grid(
    metrics: pd.DataFrame, *, columns: str, by: str = "model", control: pd.DataFrame | None = None
) -> Figure:
    """`plot_tasks` for every classifier (rows) and value of a column of the table.

    With more than `MANY_TASKS` tasks a panel is a heat map, `plot_task_values`.

    Parameters
    ----------
    metrics : DataFrame
        As for `plot_tasks`, and classifier and `columns`; of one metric where that is not "metric".
    columns, by : str
        What the panels of a row differ in, and the dots of a panel.
    control : DataFrame, optional
        Rows of the shuffled control.

    Returns
    -------
    Figure
    """
    if metrics.empty:
        figure, ax = plt.subplots(figsize=(4, 2))
        say_empty(ax, "No task has labels of both kinds on this map.")
        return figure
    tasks = list(pd.unique(metrics["task"]))
    rows, values = list(pd.unique(metrics["classifier"])), list(pd.unique(metrics[columns]))
    many = len(tasks) > MANY_TASKS
    size = (1.6 + 2.6 * len(values), len(rows) * (0.9 + 0.24 * len(tasks)))
    if many:
        width = metrics[by].nunique() + (control is not None)
        size = (2.2 + len(values) * (0.3 + 0.34 * width), len(rows) * (1.3 + 0.16 * len(tasks)))
    figure, axes = plt.subplots(
        len(rows), len(values), figsize=size, squeeze=False, sharey=True, layout="constrained"
    )
    for (k, number), ax in np.ndenumerate(axes):
        keys = {"classifier": rows[k], columns: values[number]}
        shown = _rows(metrics, keys)
        chance = None if control is None else _rows(control, keys)
        if shown.empty:
            ax.set_visible(False)
            continue
        metric = shown["metric"].iloc[0]
        if many:
            names = list(pd.unique(metrics[by]))
            title = metric if columns == "metric" else values[number]
            plot_task_values(shown, ax, by=by, tasks=tasks, names=names, control=chance)
            ax.set_title(f"{title}\n{rows[k]}", loc="left", pad=4)
            if number == 0 and k == 0:
                note = _mark(tasks, metrics)[1]
                figure.colorbar(ax.images[0], ax=axes[:, -1], shrink=0.3, label="Score")
                figure.supxlabel(note, fontsize=7)
            continue
        plot_tasks(shown, metric, ax, by=by, tasks=tasks, control=chance)
        name = rows[k] if columns == "metric" else f"{values[number]}, {rows[k]}"
        ax.set_title(name, loc="left", pad=4)
        ax.legend_.remove()
        if number == 0 and k == 0:
            figure.legend(*ax.get_legend_handles_labels(), loc="outside upper left", ncols=5)
    return figure


def plot_task_values(
    metrics: pd.DataFrame,
    ax: Axes,
    *,
    by: str,
    tasks: Sequence[str],
    names: Sequence[str],
    control: pd.DataFrame | None = None,
) -> Axes:
    """A metric as a heat map of tasks (rows) and models, or what else `by` names (columns).

    Parameters
    ----------
    metrics, control : DataFrame
        As for `plot_tasks`, of one metric; the mean of the control is a last column.
    ax : Axes
    by : str
    tasks, names : sequence of str
        Rows and columns, in order; what was not scored is grey.

    Returns
    -------
    Axes
    """
    table = metrics.pivot_table(index="task", columns=by, values="value")
    table = table.reindex(index=tasks, columns=names)
    if control is not None:
        control = control[control["metric"] == metrics["metric"].iloc[0]]
        table["shuffled"] = control.groupby("task")["value"].mean()
    cells = table.to_numpy(dtype=float)
    ax.set_facecolor("0.85")
    ax.imshow(cells, cmap="viridis", vmin=0, vmax=1, aspect="auto")
    for (row, column), value in np.ndenumerate(cells):
        if np.isfinite(value):
            colour = "white" if value < 0.6 else "black"
            ax.text(column, row, f"{value:.2f}", ha="center", va="center", fontsize=5, color=colour)
    ax.set_yticks(range(len(tasks)), _mark(tasks, metrics)[0])
    ax.set_xticks(range(table.shape[1]), table.columns, rotation=60, ha="right", fontsize=6)
    ax.tick_params(axis="y", labelsize=6)
    return ax


def _rows(table: pd.DataFrame, keys: Mapping[str, Any]) -> pd.DataFrame:
    """Rows of a table that have these values."""
    return table[(table[list(keys)] == list(keys.values())).all(axis=1)]


def plot_differences(comparisons: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Difference of one model to each other by task, filled where it is significant.

    Parameters
    ----------
    comparisons : DataFrame
        task, model_a (one model), model_b, metric, difference, ci_low, ci_high, p_adjusted; where
        the legend is to have them mean_difference and mean_p, over tasks; and circular and few
        (yes, no), where such tasks are to be marked.
    ax : Axes, optional

    Returns
    -------
    Axes
    """
    tasks, others = list(pd.unique(comparisons["task"])), list(pd.unique(comparisons["model_b"]))
    ax = ax or plt.subplots(figsize=(4.2, 0.7 + 0.2 * len(tasks)))[1]
    place = {task: k for k, task in enumerate(tasks)}
    ax.axvline(0, color="0.6", lw=0.8)
    colours = model_colours(others)
    for number, other in enumerate(others):
        part = comparisons[comparisons["model_b"] == other]
        y = part["task"].map(place) + 0.5 * (number - (len(others) - 1) / 2) / len(others)
        colour, told = colours[other], part["p_adjusted"].to_numpy() < 0.05
        ax.hlines(y, part["ci_low"], part["ci_high"], color=colour, lw=0.8)
        face = np.where(told, colour, "white")
        ax.scatter(part["difference"], y, s=14, c=face, edgecolors=colour, zorder=3)
        label = f"{part['model_a'].iloc[0]} - {other}"
        if part.get("mean_difference", pd.Series(np.nan)).notna().any():
            label += f": {part['mean_difference'].iloc[0]:+.3f}, p = {part['mean_p'].iloc[0]:.2g}"
        ax.scatter([], [], s=14, color=colour, label=label)
    names, note = _mark(tasks, comparisons)
    ax.set_yticks(range(len(tasks)), names)
    ax.set_ylim(len(tasks) - 0.5, -0.5)
    note = note.replace("* circular", "* circular: in means, too").replace(", †", "\n†")
    label = f"Difference in {comparisons['metric'].iloc[0]} (filled: adjusted p < 0.05)"
    ax.set_xlabel(label + (f"\n{note}" if note else ""))
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=1, borderaxespad=0.2)
    return ax


def plot_grid(table: pd.DataFrame, ax: Axes | None = None, *, title: str = "") -> Axes:
    """A metric by depth and number of trees of XGBoost (Fig. S15).

    Parameters
    ----------
    table : DataFrame
        max_depth, n_trees, value: one row per combination.
    ax : Axes, optional
    title : str

    Returns
    -------
    Axes
    """
    ax = ax or plt.subplots(figsize=(3.4, 2.7))[1]
    if table.empty:
        say_empty(ax, f"{title}: no task has enough positives.")
        return ax
    values = table.pivot_table(index="max_depth", columns="n_trees", values="value")
    image = ax.imshow(values, cmap="viridis", aspect="auto", origin="lower")
    middle = np.nanmean([values.min(axis=None), values.max(axis=None)])
    for (k, number), value in np.ndenumerate(values.to_numpy()):
        colour = "white" if value < middle else "black"
        ax.text(number, k, f"{value:.3f}", ha="center", va="center", fontsize=6, color=colour)
    ax.set_xticks(range(values.shape[1]), values.columns)
    ax.set_yticks(range(values.shape[0]), values.index)
    ax.set(xlabel="Trees", ylabel="Depth", title=title)
    ax.figure.colorbar(image, ax=ax, shrink=0.8).set_label("mAP, mean over tasks")
    return ax


def plot_precision_recall(curves: pd.DataFrame, ax: Axes | None = None, *, title="") -> Axes:
    """Precision-recall curves of one task, one line per model.

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
    colours = model_colours(curves["model"])
    for model, part in curves.groupby("model", sort=False):
        ax.plot(part["recall"], part["precision"], color=colours[model], label=model, lw=1.2)
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


def plot_curves(curves: pd.DataFrame) -> Figure:
    """`plot_precision_recall` of every task of a table, four in a row."""
    tasks = list(pd.unique(curves["task"]))
    rows = max(-(-len(tasks) // 4), 1)
    size = (9, 2.2 * rows + 0.4)
    figure, axes = plt.subplots(rows, 4, figsize=size, squeeze=False, layout="constrained")
    for ax in axes.flat[max(len(tasks), 1) :]:
        ax.remove()
    if not tasks:
        say_empty(axes[0, 0], "No task of two classes could be scored.")
        return figure
    for ax, task in zip(axes.flat, tasks):
        plot_precision_recall(curves[curves["task"] == task], ax, title=task.replace("_", " "))
        ax.legend_.remove()
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper left", ncols=5)
    return figure


def plot_confusions(confusion: pd.DataFrame) -> Figure:
    """`plot_confusion` of every task (rows) and model (columns) of a table."""
    tasks, models = (list(pd.unique(confusion[name])) for name in ("task", "model"))
    size = (3.2 * max(len(models), 1), 3 * max(len(tasks), 1))
    figure, axes = plt.subplots(
        max(len(tasks), 1), max(len(models), 1), figsize=size, squeeze=False, layout="constrained"
    )
    if not tasks:
        say_empty(axes[0, 0], "No task of several classes could be scored.")
        return figure
    parts = dict(list(confusion.groupby(["task", "model"])))
    for (k, number), ax in np.ndenumerate(axes):
        key = tasks[k], models[number]
        if key in parts:
            plot_confusion(parts[key], ax, title=f"{key[0]}\n{key[1]}")
        else:
            say_empty(ax, f"{key[0]}: not scored for {key[1]}")
    return figure
