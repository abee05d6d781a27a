"""Pictures of maps predicted from signals (Epiphany, Figs. 2, 3 and 5)."""

import itertools
from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from chromloom.plotting.locus import change_limits, plot_triangle
from chromloom.plotting.style import PALETTE, model_colours, say_empty

OWN = "own"
METRIC_NAMES = {"r": "r of log O/E, mean over distances", "insulation_r": "r of insulation"}
CORRELATIONS = {"r": "r of log O/E", "spearman": "Spearman's r"}
AGREEMENTS = {"r": "r of insulation", "found": "Share of boundaries found"}
SIGNIFICANT_NAMES = {"z2": "Z > 2", "z3": "Z > 3", "p01": "p < 0.01"}


def plot_by_distance(distances: pd.DataFrame, resolution: int, ax: Axes, value: str = "r") -> Axes:
    """Correlation at each distance, one line per predictor that reads its own cell.

    Parameters
    ----------
    distances : DataFrame
        model, signals, distance (bins), r or spearman; of one map.
    resolution : int
        bp.
    ax : Axes
    value : str
        A key of `CORRELATIONS`.
    """
    own = distances[(distances["signals"] == OWN) & distances[value].notna()]
    if own.empty:
        return say_empty(ax, "no prediction varies at any distance")
    colours = model_colours(distances["model"])
    for model, table in own.groupby("model", sort=False):
        ax.plot(
            table["distance"] * resolution / 1e6, table[value], color=colours[model], label=model
        )
    ax.axhline(0, color="0.8", lw=0.5, zorder=0)
    ax.set_xlabel("Distance (Mb)")
    ax.set_ylabel(CORRELATIONS[value])
    ax.legend()
    return ax


def plot_insulation(insulation: pd.DataFrame, resolution: int, ax: Axes, value: str = "r") -> Axes:
    """Agreement of insulation by the side of the diamond, one line per predictor.

    Parameters
    ----------
    insulation : DataFrame
        model, signals, window (bins), r, found, by_chance; of one map.
    resolution : int
        bp.
    ax : Axes
    value : str
        A key of `AGREEMENTS`; what is found by chance is dotted beside it.
    """
    own = insulation[(insulation["signals"] == OWN) & insulation[value].notna()]
    if own.empty:
        return say_empty(ax, "insulation is not known at any window")
    colours = model_colours(insulation["model"])
    for model, table in own.groupby("model", sort=False):
        side = table["window"] * resolution / 1e3
        ax.plot(side, table[value], "o-", ms=3, color=colours[model], label=model)
        if value == "found":
            ax.plot(side, table["by_chance"], ":", lw=1, color=colours[model])
    ax.set_xlabel("Side of the diamond (kb)")
    ax.set_ylabel(AGREEMENTS[value])
    if value == "found":
        ax.set_title("by chance: dotted")
    ax.legend()
    return ax


def plot_found(curves: pd.DataFrame, significant: str, ax: Axes, *, precision: bool) -> Axes:
    """ROC or precision-recall curve of significant pairs, one line per predictor.

    Parameters
    ----------
    curves : DataFrame
        model, signals, significant, false_positive_rate, true_positive_rate, precision; of one map.
    significant : str
        A key of `SIGNIFICANT_NAMES`.
    ax : Axes
    precision : bool
        Precision against recall.
    """
    own = curves[(curves["signals"] == OWN) & (curves["significant"] == significant)]
    own = own.dropna(subset=["true_positive_rate", "precision"])
    if own.empty:
        return say_empty(ax, f"no pair is significant ({SIGNIFICANT_NAMES[significant]})")
    colours = model_colours(curves["model"])
    names = ("true_positive_rate", "precision") if precision else (
        "false_positive_rate", "true_positive_rate")  # fmt: skip
    for model, table in own.groupby("model", sort=False):
        ax.plot(*(table[name] for name in names), color=colours[model], label=model)
    share = own["precision"].iloc[-1]
    ax.plot([0, 1], [share, share] if precision else [0, 1], color="0.8", lw=0.5, zorder=0)
    labels = ("Recall", "Precision") if precision else ("False positive rate", "Recall")
    ax.set_xlabel(labels[0])
    ax.set_ylabel(labels[1])
    ax.set_title(f"significant: {SIGNIFICANT_NAMES[significant]}")
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
    ax.locator_params(axis="x", nbins=4)  # long labels of close values do not overlap
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
        chrom, mse, insulation_r; of one map and predictor.
    ax : Axes

    Returns
    -------
    Axes
        With the share of submatrices whose insulation agrees with r above 0.5 (Epiphany, Fig. 2).
    """
    known = submatrices.dropna(subset=["insulation_r"])
    if known.empty:
        return say_empty(ax, "insulation varies in no submatrix")
    chroms = list(dict.fromkeys(known["chrom"]))
    for k, chrom in enumerate(chroms):
        own = known[known["chrom"] == chrom]
        colour = PALETTE[k % len(PALETTE)] if len(chroms) > 1 else "0.3"
        ax.scatter(own["insulation_r"], own["mse"], s=8, color=colour, lw=0, label=chrom)
    if 1 < len(chroms) <= len(PALETTE):
        ax.legend()
    ax.axvline(0.5, color="0.8", lw=0.5, zorder=0)
    above = int((known["insulation_r"] > 0.5).sum())
    ax.set_title(f"{above} of {len(known)} with r above 0.5")
    ax.set_xlabel("r of insulation within 2 Mb")
    ax.set_ylabel("Squared error of log O/E")
    return ax


def plot_difference_scores(differences: pd.DataFrame, ax: Axes) -> Axes:
    """Correlation of predicted and observed differences of two cell types, by predictor.

    Parameters
    ----------
    differences : DataFrame
        model, over, r, low, high (`evaluation.differences`).
    ax : Axes

    Returns
    -------
    Axes
        Of pairs filled, of regions hollow; predictors from above in the order of the table.
    """
    models, colours = list(dict.fromkeys(differences["model"])), model_colours(differences["model"])
    for row in differences[differences["over"] != "region"].dropna(subset=["r"]).itertuples():
        filled, colour = row.over == "pairs", colours[row.model]
        place = models.index(row.model) + (0 if filled else 0.3)
        errors = np.nan_to_num([[row.r - row.low], [row.high - row.r]])
        ax.errorbar(
            row.r, place, xerr=errors, fmt="o", ms=4, lw=1, color=colour,
            mfc=colour if filled else "white",
        )  # fmt: skip
    ax.axvline(0, color="0.8", lw=0.5, zorder=0)
    ax.set_yticks(range(len(models)), models)
    ax.set_ylim(len(models) - 0.4, -0.5)
    ax.set_xlabel("r of the difference")
    return ax


def plot_difference(differences: pd.DataFrame, ax: Axes) -> Axes:
    """Predicted against observed mean difference of each region, of one predictor.

    Parameters
    ----------
    differences : DataFrame
        model, over, observed, predicted, r.
    ax : Axes
    """
    regions = differences[differences["over"] == "region"]
    r = differences.loc[differences["over"] == "regions", "r"].iloc[0]
    ax.scatter(regions["observed"], regions["predicted"], s=6, color="0.3", lw=0)
    ax.axhline(0, color="0.8", lw=0.5, zorder=0)
    ax.axvline(0, color="0.8", lw=0.5, zorder=0)
    said = "no difference" if np.isnan(r) else f"r {r:.2f}"
    ax.set_title(f"{differences['model'].iloc[0]}: {said}")
    ax.set_xlabel("Observed difference of log O/E")
    ax.set_ylabel("Predicted")
    return ax


def plot_region(
    ratio: np.ndarray,
    start: int,
    resolution: int,
    ax: Axes,
    *,
    reach: int,
    kind: str = "ratio",
    boundaries: Sequence[np.ndarray] = (),
) -> Axes:
    """A region of a map as a band whose base is the genome.

    Parameters
    ----------
    ratio : ndarray, (m, m)
        Symmetric; NaN is grey.
    start : int
        bp.
    resolution : int
        bp.
    ax : Axes
    reach : int
        Distance up to which it is drawn, bp.
    kind : {"ratio", "called", "change"}
        O/E (drawn as log2 up to 3 in either direction), 0 and 1, or a difference around 0.
    boundaries : sequence of ndarray
        Bins, counted from the start: those drawn in black, then in blue.
    """
    values, limits = {
        "ratio": (np.log2(np.maximum(ratio, 2.0**-3)), (-3, 3)),
        "called": (ratio, (-1.2, 1.2)),
        "change": (ratio, change_limits([np.triu(ratio)])),
    }[kind]
    starts = start + np.arange(len(values)) * resolution
    plot_triangle(values, starts, resolution, ax, limits=limits, difference=True)
    ax.set_ylim(0, min(reach, len(values) * resolution) / 1e6)
    for bins, colour in zip(boundaries, ("0", PALETTE[0])):
        for bin in bins:
            ax.axvline((start + (bin + 0.5) * resolution) / 1e6, color=colour, lw=0.6, ls="--")
    ax.set_xlabel("Position (Mb)")
    return ax


def plot_perception(perception: pd.DataFrame, ax: Axes, against: str = "start") -> Axes:
    """Perceptual score of frames, one dot each, by model.

    Parameters
    ----------
    perception : DataFrame
        model, chrom, start (bp), score, mse (`evaluation.perception`).
    ax : Axes
    against : {"start", "mse"}
        Position on the first chromosome, or squared error, of all chromosomes.
    """
    place = against == "start"
    chrom = perception["chrom"].iloc[0]
    shown = perception[perception["chrom"] == chrom] if place else perception
    for (model, own), colour in zip(shown.groupby("model", sort=False), itertools.cycle(PALETTE)):
        x = own["start"] / 1e6 if place else own["mse"]
        ax.scatter(x, own["score"], s=10, lw=0, color=colour, label=model)
    ax.set_ylim(-0.03, 1.03)
    ax.set_xlabel(f"Position on {chrom} (Mb)" if place else "Squared error of O/E")
    ax.set_ylabel("Perceptual score")
    return ax
