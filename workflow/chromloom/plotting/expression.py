"""Pictures of predicted expression (Chromoformer, Fig. 2): scores by model."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from chromloom.plotting.style import model_colours, say_empty

METRIC_NAMES = {
    "auc": "Area under the ROC curve",
    "average_precision": "Average precision",
    "r": "Pearson correlation of levels",
    "spearman": "Spearman correlation of levels",
    "r2": "R² of levels",
}


def plot_scores(scores: pd.DataFrame, metric: str = "auc", ax: Axes | None = None) -> Axes:
    """One score of every model of a cell type, with its 95 % interval.

    Parameters
    ----------
    scores : DataFrame
        model, metric, value, low, high; one row per model and metric.
    metric : str
        A key of `METRIC_NAMES`.
    ax : Axes, optional

    Returns
    -------
    Axes
        Models from above in the order of the table; a model without a value says undefined.
    """
    table = scores[scores["metric"] == metric]
    if ax is None:
        ax = plt.subplots(figsize=(3.2, 0.9 + 0.22 * len(table)))[1]
    if table["value"].isna().all():
        return say_empty(ax, f"{METRIC_NAMES[metric]} is not defined for any model")
    colours = model_colours(table["model"])
    for place, row in enumerate(table.itertuples()):
        if np.isnan(row.value):
            left = table["value"].min()
            ax.text(left, place, "undefined", va="center", color="0.5", fontsize="small")
            continue
        errors = np.nan_to_num([[row.value - row.low], [row.high - row.value]])
        ax.errorbar(row.value, place, xerr=errors, fmt="o", ms=4, lw=1, color=colours[row.model])
    ax.set_yticks(range(len(table)), table["model"])
    ax.set_ylim(len(table) - 0.5, -0.5)
    ax.set_xlabel(METRIC_NAMES[metric])
    ax.grid(axis="x", color="0.9", lw=0.5)
    return ax


def plot_impact(impact: pd.DataFrame, task: str = "reg", ax: Axes | None = None) -> Axes:
    """Predicted cis-regulatory impact of genes by how many elements they have.

    Parameters
    ----------
    impact : DataFrame
        n_elements, and the impact in a column named as the task.
    task : {"reg", "clf"}
    ax : Axes, optional

    Returns
    -------
    Axes
        Medians, quartiles and 1.5 interquartile ranges; the number of genes above.
    """
    ax = ax or plt.subplots(figsize=(2.6, 2.6))[1]
    known = impact.dropna(subset=task)
    if known.empty:
        return say_empty(ax, "no model of expression.screen has embeddings to tell an impact from")
    groups = [(n, part[task].to_numpy()) for n, part in known.groupby("n_elements")]
    ax.boxplot(
        [values for _, values in groups],
        positions=[n for n, _ in groups],
        widths=0.7,
        showfliers=False,
        manage_ticks=False,
        medianprops={"color": "#D55E00"},
    )
    top = ax.get_ylim()[1]
    for n, values in groups:
        ax.text(n, top, f"{len(values)}", ha="center", va="bottom", fontsize=5, color="0.4")
    ax.set_xticks([n for n, _ in groups])
    ax.set_xlabel("Elements of the gene")
    ax.set_ylabel("Predicted cis-regulatory impact")
    return ax


def plot_levels_by_impact(impact: pd.DataFrame, task: str = "reg", ax: Axes | None = None) -> Axes:
    """Measured level of genes with elements by their impact, with Spearman's correlation.

    Parameters
    ----------
    impact : DataFrame
        n_elements, level and the impact, as for `plot_impact`.
    task : {"reg", "clf"}
    ax : Axes, optional

    Returns
    -------
    Axes
        Genes above and below the median level apart, as in the article's Fig. 5.
    """
    ax = ax or plt.subplots(figsize=(2.6, 2.6))[1]
    known = impact[(impact["n_elements"] > 0) & impact[task].notna()]
    if len(known) < 10:
        return say_empty(ax, "fewer than ten genes with elements and an impact")
    median = impact["level"].median()
    for high, colour, name in ((True, "#D55E00", "above median"), (False, "#0072B2", "below")):
        part = known[(known["level"] >= median) == high]
        rho = part["level"].corr(part[task], method="spearman") if len(part) > 2 else np.nan
        label = f"{name}: ρ = {rho:.2f}, {len(part)} genes"
        ax.scatter(part[task], part["level"], s=3, lw=0, alpha=0.4, color=colour, label=label)
    ax.set_xlabel("Predicted cis-regulatory impact")
    ax.set_ylabel("log2(value + 1)")
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, 1.22), markerscale=2, handletextpad=0.2)
    return ax


def plot_removals(screen: pd.DataFrame, signals: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Change of the predicted level when an element or a signal is taken from a gene.

    Parameters
    ----------
    screen, signals : DataFrame
        change_level; the latter with signal.
    ax : Axes, optional

    Returns
    -------
    Axes
        From above: elements, then signals by their mean absolute change; medians, quartiles and
        1.5 interquartile ranges.
    """
    ax = ax or plt.subplots(figsize=(2.6, 2.6))[1]
    changes = {"element": screen["change_level"].to_numpy()}
    order = signals["change_level"].abs().groupby(signals["signal"]).mean()
    for name in order.sort_values(ascending=False).index:
        changes[name] = signals.loc[signals["signal"] == name, "change_level"].to_numpy()
    ax.axvline(0, color="0.8", lw=0.8)
    ax.boxplot(
        list(changes.values()),
        orientation="horizontal",
        showfliers=False,
        widths=0.6,
        medianprops={"color": "#D55E00"},
    )
    ax.set_yticks(range(1, len(changes) + 1), list(changes))
    ax.set_ylim(len(changes) + 0.6, 0.4)
    ax.set_xlabel("Change of predicted log2(value + 1)")
    return ax
