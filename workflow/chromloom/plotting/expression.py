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
