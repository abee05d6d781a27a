"""Pictures of maps predicted from signals (Epiphany, Fig. 2)."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from chromloom.plotting.style import model_colours, say_empty

OWN = "own"
METRIC_NAMES = {"r": "r of log O/E, mean over distances", "insulation_r": "r of insulation"}


def plot_by_distance(distances: pd.DataFrame, resolution: int, ax: Axes) -> Axes:
    """Correlation of log O/E at each distance, one line per predictor that reads its own cell.

    Parameters
    ----------
    distances : DataFrame
        model, signals, distance (bins), r; of one map.
    resolution : int
        bp.
    ax : Axes
    """
    own = distances[(distances["signals"] == OWN) & distances["r"].notna()]
    if own.empty:
        return say_empty(ax, "no prediction varies at any distance")
    colours = model_colours(distances["model"])
    for model, table in own.groupby("model", sort=False):
        ax.plot(table["distance"] * resolution / 1e6, table["r"], color=colours[model], label=model)
    ax.axhline(0, color="0.8", lw=0.5, zorder=0)
    ax.set_xlabel("Distance (Mb)")
    ax.set_ylabel("r of log O/E")
    ax.legend()
    return ax


def plot_predictors(scores: pd.DataFrame, metric: str, ax: Axes) -> Axes:
    """One score of every predictor with its interval; hollow with another cell type's signals.

    Parameters
    ----------
    scores : DataFrame
        model, signals, metric, value, low, high; of one map and all chromosomes.
    metric : str
        A key of `METRIC_NAMES`.
    ax : Axes

    Returns
    -------
    Axes
        Predictors from above in the order of the table.
    """
    table = scores[(scores["metric"] == metric) & scores["value"].notna()]
    if table.empty:
        return say_empty(ax, f"{METRIC_NAMES[metric]} is not defined for any predictor")
    models, colours = list(dict.fromkeys(table["model"])), model_colours(scores["model"])
    for row in table.itertuples():
        own = row.signals == OWN
        place = models.index(row.model) + (0 if own else 0.3)
        errors = np.nan_to_num([[row.value - row.low], [row.high - row.value]])
        colour = colours[row.model]
        ax.errorbar(
            row.value, place, xerr=errors, fmt="o", ms=4, lw=1, color=colour,
            mfc=colour if own else "white",
        )  # fmt: skip
    ax.set_yticks(range(len(models)), models)
    ax.set_ylim(len(models) - 0.4, -0.5)
    ax.set_xlabel(METRIC_NAMES[metric])
    ax.grid(axis="x", color="0.9", lw=0.5)
    others = list(dict.fromkeys(table["signals"][table["signals"] != OWN]))
    if others:
        marks = [Line2D([], [], marker="o", ls="", color="0.4", ms=4)]
        marks.append(Line2D([], [], marker="o", ls="", color="0.4", ms=4, mfc="white"))
        ax.legend(marks, ["own signals", f"those of {', '.join(others)}"], loc="lower left",
                  bbox_to_anchor=(0, 1), ncols=2, borderaxespad=0)  # fmt: skip
    return ax


def plot_submatrices(submatrices: pd.DataFrame, ax: Axes) -> Axes:
    """Squared error against agreement of insulation, one dot per submatrix of a predictor.

    Parameters
    ----------
    submatrices : DataFrame
        mse, insulation_r; of one map and predictor.
    ax : Axes

    Returns
    -------
    Axes
        With the share of submatrices whose insulation agrees with r above 0.5 (Epiphany, Fig. 2).
    """
    known = submatrices.dropna(subset=["insulation_r"])
    if known.empty:
        return say_empty(ax, "insulation varies in no submatrix")
    ax.scatter(known["insulation_r"], known["mse"], s=8, color="0.3", lw=0)
    ax.axvline(0.5, color="0.8", lw=0.5, zorder=0)
    above = int((known["insulation_r"] > 0.5).sum())
    ax.set_title(f"{above} of {len(known)} with r above 0.5")
    ax.set_xlabel("r of insulation within 2 Mb")
    ax.set_ylabel("Squared error of log O/E")
    return ax
