"""Pictures of reconstruction: agreement by distance (Fig. 3), maps, resolutions (Fig. 5), costs."""

from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from chromloom.plotting.style import (
    CONTACT_MAP,
    PALETTE,
    add_strength_bar,
    model_colours,
    say_empty,
)

METRIC_NAMES = {
    "pearson_cp": "Pearson r, contact probability",
    "spearman_cp": "Spearman r, contact probability",
    "pearson_logoe": "Pearson r, log observed/expected",
    "r2_cp": "R², contact probability",
    "r2_distance": "R², around each distance's mean",
    "r2_published": "R² as published",
    "scc": "SCC (HiCRep)",
    "insulation_r": "Pearson r, insulation",
}
_REFERENCE: dict[str, dict[str, Any]] = {
    "ceiling": {"color": "0.25", "linestyle": "--", "marker": "_"},
    "distance-mean": {"color": "0.6", "linestyle": ":", "marker": "x"},
}
_DECODERS = {"own": "-", "lstm": "-", "cnn": "--", "fc": ":"}


def plot_strata(
    table: pd.DataFrame, metric: str, ax: Axes | None = None, *, by: str = "model"
) -> Axes:
    """One metric by stratum of distance, with intervals.

    Parameters
    ----------
    table : DataFrame
        model, metric, stratum, value, ci_low, ci_high and, with several decoders, decoder: rows of
        one map scored on and one kind of pairs. Models `ceiling` and `distance-mean` are drawn as
        references. NaN leaves a gap.
    metric : str
    ax : Axes, optional
    by : str
        What makes a line: model (with its decoder), or another column, such as sample.

    Returns
    -------
    Axes
    """
    ax = ax or plt.subplots(figsize=(3.4, 2.6))[1]
    table = table[(table["metric"] == metric) & (table["stratum"] != "all")]
    known = table["value"].notna().groupby(table["stratum"], sort=False).any()
    strata = list(known.index[known])  # none of pairs that no chromosome or no model has
    if not strata:
        return say_empty(ax, "No pairs at these distances have a prediction.")
    lines = _lines(table, by)
    for number, (label, style, part) in enumerate(lines):
        part = part.set_index("stratum").reindex(strata)
        x = np.arange(len(strata)) + min(0.12, 0.8 / len(lines)) * (number - (len(lines) - 1) / 2)
        value = part["value"].to_numpy()
        errors = np.abs([value - part["ci_low"], part["ci_high"] - value])
        ax.errorbar(x, value, errors, **style, label=label, ms=4, lw=1.2, capsize=0)
    names = [f"≥ {name[:-1]}" if name.endswith("-") else name for name in strata]
    ax.set_xticks(range(len(strata)), names)
    ax.tick_params(axis="x", rotation=30)
    ax.set(xlabel="Distance (bins)", ylabel=METRIC_NAMES.get(metric, metric))
    _clip(ax, -1, 1.02)
    ax.axhline(0, color="0.85", lw=0.6, zorder=0)
    ax.legend(loc="best")
    return ax


def plot_by_distance(
    distances: pd.DataFrame,
    column: str,
    ax: Axes | None = None,
    *,
    by: str = "model",
    window_bins: int = 10,
) -> Axes:
    """One quantity by genomic distance.

    Parameters
    ----------
    distances : DataFrame
        model, resolution (bp), distance (bins), n (pairs), `column` and, with several decoders,
        decoder: of one map scored on, one kind of pairs.
    column : str
        pearson_cp, r2_cp, mse, …
    ax : Axes, optional
    by : str
        As in `plot_strata`.
    window_bins : int
        Distances that are averaged, weighted by their pairs.

    Returns
    -------
    Axes
    """
    ax = ax or plt.subplots(figsize=(3.4, 2.6))[1]
    for label, style, part in _lines(distances.dropna(subset=column), by):
        window = part["distance"] // window_bins
        weight = part["n"].groupby(window).sum()
        value = (part[column] * part["n"]).groupby(window).sum() / weight
        x = (value.index + 0.5) * window_bins * part["resolution"].iloc[0] / 1e6
        ax.plot(x, value, **(style | {"marker": ""}), label=label, lw=1.2)
    ax.set(xlabel="Distance (Mb)", ylabel=METRIC_NAMES.get(column, column))
    if column != "mse":
        _clip(ax, -0.5, 1.02)
    ax.legend(loc="best")
    return ax


def plot_agreement(
    metrics: pd.DataFrame,
    distances: pd.DataFrame,
    *,
    by: str = "model",
    reliable_distance: float = np.nan,
) -> Figure:
    """Correlation and R2 by distance: strata with intervals above, single distances below.

    Parameters
    ----------
    metrics : DataFrame
        As for `plot_strata`, with sample, resolution (bp) and against.
    distances : DataFrame
        As for `plot_by_distance`; its `r2_cp` of one distance is around the mean of that distance.
    by : str
        As in `plot_strata`.
    reliable_distance : float
        bp; a line at single distances, if they reach so far, says that pairs farther apart are
        mostly noise one by one in the map scored on. NaN for none.

    Returns
    -------
    Figure
    """
    figure, axes = plt.subplots(2, 2, figsize=(9, 6), layout="constrained")
    for column, (stratum, single) in enumerate(
        (("pearson_cp", "pearson_cp"), ("r2_distance", "r2_cp"))
    ):
        plot_strata(metrics, stratum, axes[0, column], by=by)
        plot_by_distance(distances, single, axes[1, column], by=by)
    axes[1, 1].set_ylabel(METRIC_NAMES["r2_distance"])
    reached = [ax for ax in axes[1] if reliable_distance / 1e6 <= ax.get_xlim()[1]]
    style: dict[str, Any] = {"color": "0.7", "ls": (0, (4, 3)), "lw": 0.8}
    for ax in reached:
        ax.axvline(reliable_distance / 1e6, **style, zorder=0)
    if reached:
        name = f"single pairs mostly noise\nbeyond {reliable_distance / 1e6:.3g} Mb"
        axes[0, 0].plot([], [], **style, label=name)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    for ax in axes.flat:
        if ax.get_legend():
            ax.get_legend().remove()
    figure.legend(handles, labels, loc="outside right upper")
    if by == "model":
        figure.suptitle(_maps_shown(metrics), fontsize=9)
    return figure


def _clip(ax: Axes, low: float, high: float) -> None:
    """Keep the vertical axis within limits, and mark where lines leave it below by triangles."""
    bottom, top = ax.get_ylim()
    ax.set_ylim(max(bottom, low), min(top, high))
    for line in list(ax.lines):
        x, y = np.asarray(line.get_xdata()), np.asarray(line.get_ydata(), float)
        below = x[y < low]
        below = below[:: 1 + len(below) // 25]  # a row of triangles, no bar
        if bottom < low and len(x) > 1 and len(below):
            edge = np.full(len(below), low)
            colour = line.get_color()
            ax.plot(below, edge, "v", ms=4, color=colour, clip_on=False, label="_clipped")


def _maps_shown(metrics: pd.DataFrame) -> str:
    """Maps that models were trained on, their bin size, and what else they were scored on."""
    samples, scored = list(pd.unique(metrics["sample"])), list(pd.unique(metrics["against"]))
    bins = " and ".join(f"{r / 1000:g} kb" for r in pd.unique(metrics["resolution"]))
    other = f", scored on {', '.join(scored)}" if scored != samples else ""
    return f"{', '.join(samples)} at {bins}{other}"


def plot_resolutions(scores: pd.DataFrame, value: str, ax: Axes | None = None) -> Axes:
    """One score by bin size, one line per task (Fig. 5d).

    Parameters
    ----------
    scores : DataFrame
        resolution (bp), task, `value`, ci_low, ci_high: one row per task and resolution.
    value : str
        Name of the score, for the axis.
    ax : Axes, optional

    Returns
    -------
    Axes
    """
    ax = ax or plt.subplots(figsize=(4.4, 3))[1]
    resolutions = sorted(scores["resolution"].unique())
    tasks = list(pd.unique(scores["task"]))
    for number, task in enumerate(tasks):
        part = scores[scores["task"] == task].set_index("resolution").reindex(resolutions)
        x = np.arange(len(resolutions)) + 0.6 * ((number + 0.5) / len(tasks) - 0.5)
        errors = np.abs([part["value"] - part["ci_low"], part["ci_high"] - part["value"]])
        style: dict[str, Any] = {"marker": "osD^v"[number // len(PALETTE) % 5], "ms": 3, "lw": 1}
        ax.errorbar(
            x, part["value"], errors, color=f"C{number % len(PALETTE)}", **style, label=task
        )
    ax.set_xticks(range(len(resolutions)), [f"{r / 1000:g}" for r in resolutions])
    ax.set(xlabel="Bin size (kb)", ylabel=value)
    ax.legend(loc="upper left", bbox_to_anchor=(1, 1))
    return ax


def plot_sizes(table: pd.DataFrame, ax: Axes | None = None, *, ylabel: str = "") -> Axes:
    """A score by size of the representation, one line per variant of the model (Suppl. Fig. 13).

    Parameters
    ----------
    table : DataFrame
        variant, size, value.
    ax : Axes, optional
    ylabel : str

    Returns
    -------
    Axes
    """
    ax = ax or plt.subplots(figsize=(3.4, 2.6))[1]
    for variant, part in table.groupby("variant", sort=False):
        part = part.sort_values("size")
        ax.plot(part["size"], part["value"], marker="o", ms=3, lw=1.2, label=variant)
    sizes = sorted(table["size"].unique())
    ax.set_xscale("log", base=2)
    ax.set_xticks(sizes, [f"{size:g}" for size in sizes])
    ax.set(xlabel="Size of the representation", ylabel=ylabel)
    ax.legend(loc="best")
    return ax


def plot_costs(table: pd.DataFrame, axes: np.ndarray | None = None) -> np.ndarray:
    """Run time and memory of every method (Suppl. Table 3).

    Parameters
    ----------
    table : DataFrame
        method, step, run_s, cpu_s (seconds), memory_mb.
    axes : ndarray of two Axes, optional

    Returns
    -------
    ndarray of Axes
        Wall clock and CPU time on the left, memory on the right, one row per method and step.
    """
    height = 0.9 + 0.22 * len(table)
    if axes is None:
        axes = plt.subplots(1, 2, figsize=(7, height), sharey=True, layout="constrained")[1]
    y = np.arange(len(table))[::-1]
    steps = list(pd.unique(table["step"]))
    colours = [PALETTE[steps.index(step) % len(PALETTE)] for step in table["step"]]
    axes[0].scatter(table["cpu_s"], y, color=colours, s=30, label="CPU time, all cores")
    axes[0].plot(table["run_s"], y, "|", color="0.2", ms=9, mew=1.5, label="run time")
    axes[0].set(xscale="log", xlabel="Time (s)")
    axes[0].set_xlim(0.5 * table["cpu_s"].clip(lower=0.1).min(), None)
    axes[0].xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes[0].xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes[0].xaxis.set_minor_formatter(NullFormatter())
    axes[0].grid(axis="y", color="0.92")
    axes[0].set_axisbelow(True)
    axes[0].set_yticks(y, table["method"] + ", " + table["step"])
    axes[0].legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2)
    axes[1].barh(y, table["memory_mb"], color=colours, height=0.7)
    axes[1].set(xlabel="Memory (MB)")
    return axes


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
        bp of the first bin; bin size in bp.
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
    corner: dict[str, Any] = {"transform": ax.transAxes, "fontsize": 7, "fontweight": "bold"}
    ax.text(0.98, 0.97, "observed", ha="right", va="top", **corner)
    ax.text(0.02, 0.03, "predicted", ha="left", va="bottom", **corner)
    ax.spines[["top", "right"]].set_visible(True)
    add_strength_bar(image, ax)
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
    colours = _own_colours(positions)
    for model, part in positions.groupby("model", sort=False):
        if column == "mse_ratio" and model == "distance-mean":
            continue
        part = part.sort_values("position")
        style = _line_style(model, colours) | {"marker": ""}
        ax.plot(part["position"], part[column], **style, label=model, lw=1.2)
    name = "Squared error / that of the distance mean"
    ax.set(
        xlabel="Position in the frame (bins)",
        ylabel=name if column == "mse_ratio" else "Squared error of contact probability",
    )
    ax.set_ylim(bottom=0)
    ax.legend(loc="best")
    return ax


def _own_colours(table: pd.DataFrame) -> dict[str, str]:
    """Colours of the models of a table, references apart."""
    return model_colours(model for model in table["model"] if model not in _REFERENCE)


def _line_style(model: str, colours: dict[str, str], decoder: str = "own") -> dict:
    if model in _REFERENCE:
        return _REFERENCE[model]
    return {"color": colours[model], "linestyle": _DECODERS[decoder], "marker": "o"}


def _lines(table: pd.DataFrame, by: str) -> list[tuple[str, dict, pd.DataFrame]]:
    """Label, style and rows of every line; unlabelled references where `by` is not the model."""
    if by == "model":
        keys, colours = (
            ["model", "decoder"] if "decoder" in table else ["model"],
            _own_colours(table),
        )
        return [
            (
                "-".join(key for key in (model, *decoder) if key != "own"),
                _line_style(model, colours, *decoder),
                part,
            )
            for (model, *decoder), part in table.groupby(keys, sort=False)
        ]
    values = list(pd.unique(table[by]))
    lines = []
    for (value, model), part in table.groupby([by, "model"], sort=False):
        style = {"linestyle": "-", "marker": "o"} | _REFERENCE.get(model, {})
        style["color"] = PALETTE[values.index(value) % len(PALETTE)]
        label = f"{value / 1000:g} kb" if by == "resolution" else str(value)
        ratio = part["depth_ratio"].iloc[0] if "depth_ratio" in part else 1.0
        if not 0.8 <= ratio <= 1.25:
            label += f"\n(scored map {ratio:.2g} times as deep)"
        lines.append((f"_{label}" if model in _REFERENCE else label, style, part))
    return lines
