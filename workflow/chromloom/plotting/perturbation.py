"""Pictures of edits: wild type, edited and difference maps; average effects; screens."""

from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import MaxNLocator

from chromloom.plotting.style import (
    CONTACT_MAP,
    DIFFERENCE_MAP,
    PALETTE,
    add_strength_bar,
    say_empty,
)

PSEUDOCOUNT = 0.5
PAIRS = ("own", "spanning")  # the site is one end; an end on either side


def plot_map(
    values: np.ndarray, start: np.ndarray, axes: Axes, *, title: str, difference: bool = False
) -> Axes:
    """Draw a window of a map as a symmetric square, or, of a map that ends at a distance, its band.

    Where less than half of the window's distances are known, position is drawn against distance:
    a square would be mostly grey.

    Parameters
    ----------
    values : ndarray, (k, k), float
        Upper triangle. Contact strength (logarithmic colours), or a log2 change.
    start : ndarray, (k,), int
        Left edges of the bins, bp; of several chromosomes one after another, in any order.
    axes : Axes
    title : str
    difference : bool
        Diverging colours around 0.
    """
    steps = np.diff(start)
    size = steps[steps > 0].min(initial=np.iinfo(np.int64).max)  # backwards to the next chromosome
    gaps = np.flatnonzero(steps != size) + 1
    square = np.where(np.isnan(values), values.T, values)
    known = square[np.isfinite(square)]
    if difference:
        limit = max(float(np.percentile(np.abs(known), 99)), 1e-3) if len(known) else 1.0
        style: dict[str, Any] = {"cmap": DIFFERENCE_MAP, "vmin": -limit, "vmax": limit}
    else:
        positive = known[known > 0]
        low, high = np.percentile(positive, [5, 99.5]) if len(positive) else (0.1, 1.0)
        style = {"cmap": CONTACT_MAP, "norm": LogNorm(low, max(high, 1.01 * low), clip=True)}
        square = np.where(square <= 0, low, square)
    axes.set_facecolor("#d9d9d9")
    ticks, labels = _ticks_of_bins(start, size)
    axes.set_xticks(ticks, labels)
    i, j = np.nonzero(np.isfinite(square))
    n_dist = int((j - i).max()) + 1 if len(i) else len(start)
    if 2 * n_dist < len(start):
        picture = _draw_band(square, n_dist, axes, style)
        far = n_dist * size / 1e6
        ticks, labels = _multiples(_round_step(far), 0, far)
        axes.set_yticks(ticks * 1e6 / size, labels)
        axes.set_ylabel("distance (Mb)")
    else:
        picture = axes.imshow(square, interpolation="nearest", **style)
        axes.set_yticks(ticks, labels)
    for gap in gaps:
        if 2 * n_dist < len(start):  # a bin is met on both diagonals
            axes.plot(
                [gap - 0.5 + s * n_dist / 2 for s in (-1, 0, 1)], [n_dist, 0, n_dist], "k", lw=0.5
            )
        else:
            axes.axvline(gap - 0.5, color="black", lw=0.5)
            axes.axhline(gap - 0.5, color="black", lw=0.5)
    axes.set_title(title)
    if difference:
        axes.figure.colorbar(picture, ax=axes, label="log2 change", shrink=0.75)
    else:
        add_strength_bar(picture, axes, shrink=0.75)
    return axes


def _ticks_of_bins(start: np.ndarray, size: int) -> tuple[np.ndarray, list[str]]:
    """Round positions (Mb) in runs of bins: where they lie, counted in bins, and their names."""
    step = _round_step(len(start) * size / 1e6)
    places: list[float] = []
    labels: list[str] = []
    for run in np.split(np.arange(len(start)), np.flatnonzero(np.diff(start) != size) + 1):
        low = start[run[0]] / 1e6
        ticks, names = _multiples(step, low, low + len(run) * size / 1e6)
        for place, name in zip(run[0] - 0.5 + (ticks - low) * 1e6 / size, names):
            if run[-1] == len(start) - 1 or place < run[-1] - 0.08 * len(start):  # room for next
                places.append(place)
                labels.append(name)
    return np.array(places), labels


def _round_step(length: float) -> float:
    """A round number that fits up to five times into a length."""
    ticks = MaxNLocator(5, steps=(1, 2, 2.5, 5, 10)).tick_values(0, length)
    return float(ticks[1] - ticks[0])


def _multiples(step: float, low: float, high: float) -> tuple[np.ndarray, list[str]]:
    """Multiples of a step within limits, and their names with as many decimals as the step has."""
    whole = np.arange(int(np.ceil(low / step - 1e-6)), int(np.floor(high / step + 1e-6)) + 1)
    decimals = -int(Decimal(f"{step:.3g}").normalize().as_tuple().exponent)
    return whole * step, [f"{tick:.{max(decimals, 0)}f}" for tick in whole * step]


def _draw_band(square: np.ndarray, n_dist: int, axes: Axes, style: dict[str, Any]):
    """Pairs nearer than `n_dist` at the middle of their bins and their distance, both in bins."""
    n = len(square)
    band = np.full((n_dist, n), np.nan)
    for k in range(n_dist):
        band[k, : n - k] = np.diagonal(square, k)
    d = np.arange(n_dist + 1)[:, None]
    middle = np.arange(n + 1) - 0.5 + (d - 0.5) / 2  # (n_dist + 1, n + 1), edges
    picture = axes.pcolormesh(middle, np.broadcast_to(d - 0.5, middle.shape), band, **style)
    axes.set(xlim=(-0.5, n - 0.5), ylim=(-0.5, n_dist - 0.5))
    return picture


def plot_edit(table: pd.DataFrame, *, title: str) -> Figure:
    """Draw an edit: wild type, edited chromosome, and the change on the reference.

    Parameters
    ----------
    table : DataFrame
        map (a panel each, in order; `difference` in diverging colours), chrom1, start1, chrom2,
        start2, value: of each map every pair of its bins once, the diagonal too, row by row, as
        `perturbation.perturb.map_table` has it.
    title : str
    """
    maps = list(table.groupby("map", sort=False))
    layout = ConstrainedLayoutEngine(wspace=0.05)  # a bar's label is not that of the next panel
    figure, axes = plt.subplots(1, len(maps), figsize=(3.9 * len(maps), 3.6), layout=layout)
    for (name, part), ax in zip(maps, np.atleast_1d(axes)):
        values = _square(part["value"])
        bins = part.iloc[: len(values)]  # the first with each
        plot_map(values, bins["start2"].to_numpy(), ax, title=name, difference=name == "difference")
        chroms = " and ".join(bins["chrom2"].unique())
        label = f"{chroms} (Mb)" if name != "edited" else f"{chroms}\n(Mb, edited coordinates)"
        ax.set_xlabel(label)
        if not ax.get_ylabel():
            ax.set_ylabel(label)
    figure.suptitle(title)
    return figure


def plot_distance_effect(table: pd.DataFrame) -> Figure:
    """Average change of contacts against distance, one line per group (article, Fig. 8b).

    Parameters
    ----------
    table : DataFrame
        group, pairs (`own` and `spanning` are a panel each), dist_kb, change (relative), sem. The
        first seven groups are drawn, and `random`.
    """
    names = [name for name in table["group"].unique() if name != "random"]
    colours = {**dict(zip(PALETTE[:7], names)), PALETTE[7]: "random"}
    layout = ConstrainedLayoutEngine(wspace=0.08)  # the last tick of a panel, the first of the next
    figure, axes = plt.subplots(1, 2, figsize=(6.5, 2.8), layout=layout, sharex=True, sharey=True)
    parts = dict(list(table.groupby(["group", "pairs"])))
    for pairs, ax in zip(PAIRS, axes):
        for colour, name in colours.items():
            part = parts[name, pairs]
            change, sem = 100 * part["change"], 100 * part["sem"]
            ax.plot(part["dist_kb"], change, color=colour, label=name, lw=1.2)
            ax.fill_between(
                part["dist_kb"], change - sem, change + sem, color=colour, alpha=0.2, lw=0
            )
        ax.axhline(0, color="#999999", lw=0.6)
        ax.set(title=f"{pairs} pairs", xlabel="distance (kb)")
    moved = table["change"].abs() > 1e-3 * table["change"].abs().max()  # nothing to see beyond
    axes[0].set_xlim(0, table["dist_kb"][moved].max() if moved.any() else None)
    axes[0].set_ylabel("change of contact strength (%)")
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right center")
    return figure


def plot_pileups(table: pd.DataFrame) -> Figure:
    """`plot_pileup` of every group.

    Parameters
    ----------
    table : DataFrame
        group, offset1, offset2 (bp from the site), log2_change: of each group every pair of offsets
        once, offset1 <= offset2, row by row.
    """
    groups = list(table.groupby("group", sort=False))
    figure, axes = plt.subplots(
        1, len(groups), figsize=(3.2 * len(groups), 2.8), layout="constrained", squeeze=False
    )
    for (name, part), ax in zip(groups, axes[0]):
        plot_pileup(_square(part["log2_change"]), part["offset2"].max() / 1e6, ax, title=name)
    return figure


def plot_pileup(values: np.ndarray, half_width: float, axes: Axes, *, title: str) -> Axes:
    """Average log2 change around sites, (k, k) symmetric; `half_width` in Mb (Fig. 8a)."""
    if np.isnan(values).all():
        axes.set_title(title)
        return say_empty(axes, "No site lies on an unmasked bin.")
    limit = max(float(np.nanmax(np.abs(values), initial=0)), 1e-6)
    extent = (-half_width, half_width, half_width, -half_width)
    picture = axes.imshow(
        values, cmap=DIFFERENCE_MAP, vmin=-limit, vmax=limit, extent=extent, interpolation="nearest"
    )
    axes.set_title(title)
    axes.set_xlabel("distance from the site (Mb)")
    axes.figure.colorbar(picture, ax=axes, label="mean log2 change", shrink=0.75)
    return axes


def plot_boundary_pileup(table: pd.DataFrame, axes: Axes) -> Axes:
    """Mean log2 change on domains of one size, with a factor above, without below (Fig. 8c).

    Parameters
    ----------
    table : DataFrame
        group (`with`, `without`), row, column (row <= column), log2_change; NaN, or no such row, is
        unknown. A third of the cells is the inside of the domain, the rest its flanks.
    axes : Axes
    """
    k = 1 + int(table["column"].max())
    square = np.full((k, k), np.nan)
    for group, along in (("without", ["column", "row"]), ("with", ["row", "column"])):
        part = table[table["group"] == group]
        square[tuple(part[along].to_numpy().T)] = part["log2_change"]
    empty = [name for name, part in table.groupby("group") if part["log2_change"].isna().all()]
    if np.isnan(square).all():
        return say_empty(axes, "No domain is large enough, with unmasked boundaries.")
    limit = max(float(np.nanmax(np.abs(square), initial=0)), 1e-6)
    axes.set_facecolor("#d9d9d9")
    picture = axes.imshow(
        square, cmap=DIFFERENCE_MAP, vmin=-limit, vmax=limit, interpolation="nearest"
    )
    edges = [k / 3 - 0.5, 2 * k / 3 - 0.5]
    for edge in edges:
        axes.axvline(edge, color="#444444", lw=0.6, ls="--")
        axes.axhline(edge, color="#444444", lw=0.6, ls="--")
    axes.plot([-0.5, k - 0.5], [-0.5, k - 0.5], color="#444444", lw=0.6)
    axes.set_xticks(edges, ["start", "end"])
    axes.set_yticks(edges, ["start", "end"])
    axes.set_title("boundaries with (above) and without (below)")
    if empty:
        axes.set_xlabel(f"no domain {empty[0]} is large enough, with unmasked boundaries")
    axes.figure.colorbar(picture, ax=axes, label="mean log2 change", shrink=0.75)
    return axes


def plot_knockout_ranking(table: pd.DataFrame) -> Figure:
    """Mean change within some distance by set of sites, first row on top (Fig. 8b).

    Parameters
    ----------
    table : DataFrame
        group, pairs (`own` and `spanning` are a panel each), within_kb, n_sites, change
        (relative), sem, p_random. Filled where the change differs from that of `random`.
    """
    height = 1.2 + 0.22 * table["group"].nunique()
    figure, axes = plt.subplots(
        1, 2, figsize=(6.5, height), layout="constrained", sharex=True, sharey=True
    )
    for pairs, ax in zip(PAIRS, axes):
        shown = table[table["pairs"] == pairs]
        control = shown["group"] == "random"
        differs = shown["p_random"] < 0.05
        for chosen, colour, face, label in (
            (differs, PALETTE[0], PALETTE[0], "p < 0.05 against random bins"),
            (~differs & ~control, PALETTE[0], "white", "p ≥ 0.05"),
            (control, PALETTE[7], PALETTE[7], "random bins"),
        ):
            ax.errorbar(
                100 * shown["change"][chosen],
                np.flatnonzero(chosen),
                xerr=196 * shown["sem"][chosen],
                color=colour,
                mfc=face,
                fmt="o",
                ms=4,
                lw=1,
                label=label,
            )
        ax.axvline(0, color="#999999", lw=0.6, zorder=0)
        ax.set_title(f"{pairs} pairs")
        ax.set_xlabel(f"change of contacts within {table['within_kb'].iloc[0]} kb (%)")
    n_sites = table.groupby("group", sort=False)["n_sites"].max()  # some have no pairs of a kind
    axes[0].set_yticks(range(len(n_sites)), [f"{name} ({n})" for name, n in n_sites.items()])
    axes[0].set_ylim(len(n_sites) - 0.5, -0.5)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(handles))
    return figure


def plot_observed_edit(table: pd.DataFrame, scores: pd.DataFrame, *, title: str) -> Figure:
    """Maps before and after an edit, changes of pairs, and error by part (Figs. 7a, c, d and 9).

    Parameters
    ----------
    table : DataFrame
        start1, start2, and observed_before, model_before, observed_after, model_after.
    scores : DataFrame
        method, part, mse_cp.
    title : str
    """
    figure, axes = plt.subplots(2, 2, figsize=(8.5, 7), layout="constrained")
    starts = np.union1d(table["start1"], table["start2"])
    i, j = (np.searchsorted(starts, table[f"start{k}"]) for k in (1, 2))
    for ax, when in zip(axes[0], ("before", "after")):
        values = np.full((len(starts),) * 2, np.nan)
        values[i, j] = table[f"observed_{when}"]
        values[j, i] = table[f"model_{when}"]
        plot_map(values, starts, ax, title=f"{when}: observed (above), predicted (below)")
        ax.set_xlabel("Mb")
        if not ax.get_ylabel():
            ax.set_ylabel("Mb")
    plot_observed_changes(table, axes[1, 0], title="sums over 5 x 5 bins")
    wide = scores.pivot_table(index="part", columns="method", values="mse_cp", sort=False)
    methods = [
        name for name in ("model", "article", "no change", "shifted expected") if name in wide
    ]
    x = np.arange(len(wide))
    for k, name in enumerate(methods):
        width = 0.8 / len(methods)
        axes[1, 1].bar(
            x + (k - (len(methods) - 1) / 2) * width,
            wide[name],
            width,
            color=PALETTE[k],
            label=name,
        )
    axes[1, 1].set_xticks(x, wide.index, rotation=40, ha="right")
    axes[1, 1].set_ylabel("mean squared error of contact probability")
    axes[1, 1].legend()
    figure.suptitle(title)
    return figure


def plot_observed_changes(
    table: pd.DataFrame, axes: Axes, *, title: str, square_bins: int = 5
) -> Axes:
    """Predicted against observed log2 change of every square of bins (Fig. 9c, d).

    Parameters
    ----------
    table : DataFrame
        As for `plot_observed_edit`.
    axes : Axes
    title : str
    square_bins : int
        Bins a side; pairs inside a square are summed, as single pairs are mostly noise.
    """
    side = square_bins * np.diff(np.unique(table["start1"])).min()
    squares = table.groupby([table["start1"] // side, table["start2"] // side])
    sums = squares.sum(numeric_only=True) + PSEUDOCOUNT
    observed, predicted = (
        np.log2(sums[f"{name}_after"] / sums[f"{name}_before"]).to_numpy()
        for name in ("observed", "model")
    )
    return plot_change_scatter(observed, predicted, axes, title=title)


def plot_change_scatter(
    observed: np.ndarray, predicted: np.ndarray, axes: Axes, *, title: str
) -> Axes:
    """Predicted against observed (or simulated) log2 change of pairs, with Pearson's r (Fig. 9)."""
    varies = observed.std() > 0 and predicted.std() > 0
    r = float(np.corrcoef(observed, predicted)[0, 1]) if varies else np.nan
    axes.hexbin(observed, predicted, gridsize=50, bins="log", cmap="Blues", mincnt=1, lw=0)
    axes.axhline(0, color="#999999", lw=0.5)
    axes.axvline(0, color="#999999", lw=0.5)
    axes.set_xlabel("log2 change, observed")
    axes.set_ylabel("log2 change, predicted")
    axes.set_title(f"{title}, r = {r:.2f}")
    return axes


def _square(values: pd.Series) -> np.ndarray:
    """Symmetric (k, k) of the k (k + 1) / 2 values of its upper triangle, row by row."""
    k = int((8 * len(values) + 1) ** 0.5 - 1) // 2
    square = np.empty((k, k))
    i, j = np.triu_indices(k)
    square[i, j] = square[j, i] = values
    return square
