"""Pictures of reconstruction (Fig. 3): agreement by distance, split map, error in the frame."""

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.ticker import FuncFormatter

from chromloom.plotting.style import CONTACT_MAP, model_colour

METRIC_NAMES = {
    "pearson_cp": "Pearson r, contact probability",
    "spearman_cp": "Spearman r, contact probability",
    "pearson_logoe": "Pearson r, log observed/expected",
    "r2_cp": "R², contact probability",
    "r2_distance": "R² around the mean at each distance",
    "r2_published": "R² as published",
    "scc": "SCC (HiCRep)",
    "insulation_r": "Pearson r, insulation",
}
_REFERENCE = {
    "ceiling": {"color": "0.25", "linestyle": "--", "marker": "_"},
    "distance-mean": {"color": "0.6", "linestyle": ":", "marker": "x"},
}


def plot_strata(table: pd.DataFrame, metric: str, ax: Axes | None = None) -> Axes:
    """One metric by stratum of distance, a line a model, with intervals.

    Parameters
    ----------
    table : DataFrame
        model, metric, stratum, value, ci_low, ci_high: rows of one map scored on and one kind of
        pairs. Models `ceiling` and `distance-mean` are drawn as references. NaN leaves a gap.
    metric : str
    ax : Axes, optional

    Returns
    -------
    Axes
    """
    ax = ax or plt.subplots(figsize=(3.4, 2.6))[1]
    table = table[(table["metric"] == metric) & (table["stratum"] != "all")]
    strata = list(pd.unique(table["stratum"]))
    models = list(pd.unique(table["model"]))
    for number, model in enumerate(models):
        part = table[table["model"] == model].set_index("stratum").reindex(strata)
        x = np.arange(len(strata)) + 0.12 * (number - (len(models) - 1) / 2)
        value = part["value"].to_numpy()
        errors = np.abs([value - part["ci_low"], part["ci_high"] - value])
        ax.errorbar(x, value, errors, **_line_style(model), label=model, ms=4, lw=1.2, capsize=0)
    ax.set_xticks(range(len(strata)), strata)
    ax.tick_params(axis="x", rotation=30)
    ax.set(xlabel="Distance (bins)", ylabel=METRIC_NAMES.get(metric, metric))
    ax.set_ylim(top=min(1.02, ax.get_ylim()[1]))
    ax.axhline(0, color="0.85", lw=0.6, zorder=0)
    ax.legend(loc="best")
    return ax


def plot_by_distance(
    distances: pd.DataFrame,
    column: str,
    resolution: int,
    ax: Axes | None = None,
    *,
    window_bins: int = 10,
) -> Axes:
    """One quantity by genomic distance, a line a model.

    Parameters
    ----------
    distances : DataFrame
        model, distance (bins), n (pairs), and `column`: of one map scored on, one kind of pairs.
    column : str
        pearson_cp, r2_cp, mse, …
    resolution : int
        bp a bin.
    ax : Axes, optional
    window_bins : int
        Distances that are averaged, weighted by their pairs.

    Returns
    -------
    Axes
    """
    ax = ax or plt.subplots(figsize=(3.4, 2.6))[1]
    for model, part in distances.dropna(subset=column).groupby("model", sort=False):
        window = part["distance"] // window_bins
        weight = part["n"].groupby(window).sum()
        value = (part[column] * part["n"]).groupby(window).sum() / weight
        x = (value.index + 0.5) * window_bins * resolution / 1e6
        ax.plot(x, value, **(_line_style(model) | {"marker": ""}), label=model, lw=1.2)
    ax.set(xlabel="Distance (Mb)", ylabel=METRIC_NAMES.get(column, column))
    if column != "mse":
        ax.set_ylim(max(ax.get_ylim()[0], -0.5), min(ax.get_ylim()[1], 1.02))
    ax.legend(loc="best")
    return ax


def plot_split_map(
    observed: np.ndarray,
    predicted: np.ndarray,
    start: int,
    resolution: int,
    ax: Axes | None = None,
    *,
    frame: int | None = None,
    label: str = "",
) -> Axes:
    """Observed map above the diagonal, predicted below, with the borders of the frames.

    Parameters
    ----------
    observed, predicted : ndarray, (m, m)
        Contact strength of one region; NaN is drawn grey.
    start, resolution : int
        bp of the first bin; bp a bin.
    ax : Axes, optional
    frame : int, optional
        Bins in a frame: distances that are its multiples are drawn as thin lines.
    label : str
        Chromosome, for the axes.

    Returns
    -------
    Axes
    """
    ax = ax or plt.subplots(figsize=(3.8, 3.4))[1]
    m = len(observed)
    upper = np.arange(m)[:, None] < np.arange(m)
    both = np.where(upper, observed, predicted).astype(float)
    positive = both[both > 0]
    low, high = np.percentile(positive, [5, 99]) if positive.size else (0.1, 1.0)
    both = np.where(np.isnan(both), np.nan, np.maximum(both, low))
    edges = np.array([start, start + m * resolution]) / 1e6
    colours = mpl.colormaps[CONTACT_MAP].with_extremes(bad="0.85")
    image = ax.imshow(
        both, cmap=colours, norm=LogNorm(low, max(high, low * 1.01)),
        extent=(edges[0], edges[1], edges[1], edges[0]), interpolation="none",
    )  # fmt: skip
    for distance in range(frame, m, frame) if frame else ():
        shift = distance * resolution / 1e6
        ends = (edges[0] + shift, edges[1]), (edges[0], edges[1] - shift)
        for x, y in (ends, ends[::-1]):
            ax.plot(x, y, color="0.3", lw=0.5, ls=(0, (4, 3)))
    ax.plot(edges, edges, color="0.3", lw=0.6)
    ax.set(xlim=edges, ylim=edges[::-1], xlabel=f"{label} (Mb)".strip(), ylabel="")
    corner = {"transform": ax.transAxes, "fontsize": 7, "fontweight": "bold"}
    ax.text(0.98, 0.97, "observed", ha="right", va="top", **corner)
    ax.text(0.02, 0.03, "predicted", ha="left", va="bottom", **corner)
    ax.spines[["top", "right"]].set_visible(True)
    bar = ax.figure.colorbar(image, ax=ax, shrink=0.8)
    bar.set_label("Contact strength")
    bar.ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    return ax


def plot_frame_error(
    positions: pd.DataFrame, ax: Axes | None = None, *, column: str = "mse_ratio"
) -> Axes:
    """Error by position in the frame (Supplementary Fig. 14).

    Parameters
    ----------
    positions : DataFrame
        model, position (bins), mse, mse_ratio: of one map scored on and one kind of pairs.
    ax : Axes, optional
    column : {"mse_ratio", "mse"}

    Returns
    -------
    Axes
    """
    ax = ax or plt.subplots(figsize=(3.4, 2.4))[1]
    for model, part in positions.groupby("model", sort=False):
        if column == "mse_ratio" and model == "distance-mean":
            continue
        part = part.sort_values("position")
        style = _line_style(model) | {"marker": ""}
        ax.plot(part["position"], part[column], **style, label=model, lw=1.2)
    name = "Squared error / that of the distance mean"
    ax.set(
        xlabel="Position in the frame (bins)",
        ylabel=name if column == "mse_ratio" else "Squared error of contact probability",
    )
    ax.set_ylim(bottom=0)
    ax.legend(loc="best")
    return ax


def _line_style(model: str) -> dict:
    return _REFERENCE.get(model, {"color": model_colour(model), "linestyle": "-", "marker": "o"})
