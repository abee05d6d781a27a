"""Pictures of edits: wild type, edited and difference maps; average effects; screens."""

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from chromloom.plotting.style import CONTACT_MAP, DIFFERENCE_MAP, PALETTE

PSEUDOCOUNT = 0.5


def plot_map(
    values: np.ndarray, start: np.ndarray, axes: Axes, *, title: str, difference: bool = False
) -> Axes:
    """Draw a window of a map as a symmetric square.

    Parameters
    ----------
    values : ndarray, (k, k), float
        Upper triangle. Contact strength (logarithmic colours), or a log2 change.
    start : ndarray, (k,), int
        Left edges of the bins, bp.
    axes : Axes
    title : str
    difference : bool
        Diverging colours around 0.
    """
    square = np.where(np.isnan(values), values.T, values)
    known = square[np.isfinite(square)]
    gaps = np.flatnonzero(np.diff(start) != np.diff(start).min()) + 1 if len(start) > 2 else []
    if difference:
        limit = max(float(np.percentile(np.abs(known), 99)), 1e-3) if len(known) else 1.0
        style = {"cmap": DIFFERENCE_MAP, "vmin": -limit, "vmax": limit}
        label = "log2 change"
    else:
        positive = known[known > 0]
        low, high = np.percentile(positive, [5, 99.5]) if len(positive) else (0.1, 1.0)
        style = {"cmap": CONTACT_MAP, "norm": LogNorm(low, max(high, 1.01 * low), clip=True)}
        square = np.where(square <= 0, low, square)
        label = "contact strength"
    axes.set_facecolor("#d9d9d9")
    picture = axes.imshow(square, interpolation="nearest", **style)
    ticks = np.linspace(0, len(start) - 1, 5).astype(int)
    axes.set_xticks(ticks, [f"{start[k] / 1e6:.1f}" for k in ticks])
    axes.set_yticks(ticks, [f"{start[k] / 1e6:.1f}" for k in ticks])
    for gap in gaps:
        axes.axvline(gap - 0.5, color="black", lw=0.5)
        axes.axhline(gap - 0.5, color="black", lw=0.5)
    axes.set_title(title)
    axes.figure.colorbar(picture, ax=axes, label=label, shrink=0.75)
    return axes


def plot_edit(
    wild_type: np.ndarray,
    in_edited: np.ndarray,
    on_reference: np.ndarray,
    bins: pd.DataFrame,
    lift: pd.DataFrame,
    *,
    title: str,
) -> tuple[Figure, pd.DataFrame]:
    """Draw an edit: wild type, edited chromosome, and the change on the reference.

    Parameters
    ----------
    wild_type, on_reference : ndarray, (k, k), float
        Contact strength in reference coordinates, upper triangle.
    in_edited : ndarray, (p, p), float
        Contact strength in edited coordinates.
    bins : DataFrame
        chrom, start of the k reference bins.
    lift : DataFrame
        chrom, start of the p positions.
    title : str

    Returns
    -------
    Figure, DataFrame
        And the numbers drawn: map, chrom1, start1, chrom2, start2, value.
    """
    change = np.log2((on_reference + PSEUDOCOUNT) / (wild_type + PSEUDOCOUNT))
    figure, axes = plt.subplots(1, 3, figsize=(11, 3.4), layout="constrained")
    drawn = [
        ("wild type", wild_type, bins),
        ("edited", in_edited, lift),
        ("difference", change, bins),
    ]
    tables = []
    for (name, values, rows), ax in zip(drawn, axes):
        chrom, start = rows["chrom"].astype(str).to_numpy(), rows["start"].to_numpy()
        plot_map(values, start, ax, title=name, difference=name == "difference")
        ax.set_xlabel(f"{chrom[0]} (Mb{', edited coordinates' if name == 'edited' else ''})")
        i, j = np.nonzero(np.isfinite(values))
        tables.append(
            pd.DataFrame(
                {
                    "map": name,
                    "chrom1": chrom[i],
                    "start1": start[i],
                    "chrom2": chrom[j],
                    "start2": start[j],
                    "value": values[i, j].astype(np.float32),
                }
            )
        )
    figure.suptitle(title)
    return figure, pd.concat(tables)


def plot_distance_effect(table: pd.DataFrame, axes: Axes) -> Axes:
    """Average change of contacts against distance, one line a group (article, Fig. 8b).

    Parameters
    ----------
    table : DataFrame
        group, dist_kb, change (relative), sem.
    axes : Axes
    """
    for colour, (name, part) in zip(PALETTE, table.groupby("group", sort=False)):
        axes.plot(part["dist_kb"], 100 * part["change"], color=colour, label=name, lw=1.2)
        axes.fill_between(
            part["dist_kb"],
            100 * (part["change"] - part["sem"]),
            100 * (part["change"] + part["sem"]),
            color=colour,
            alpha=0.2,
            lw=0,
        )
    axes.axhline(0, color="#999999", lw=0.6)
    axes.set_xlabel("distance (kb)")
    axes.set_ylabel("change of contact strength (%)")
    axes.legend()
    return axes


def plot_pileup(values: np.ndarray, half_width: float, axes: Axes, *, title: str) -> Axes:
    """Average log2 change around sites, (k, k) symmetric; `half_width` in Mb (Fig. 8a)."""
    limit = max(float(np.nanmax(np.abs(values), initial=0)), 1e-6)
    extent = (-half_width, half_width, half_width, -half_width)
    picture = axes.imshow(
        values, cmap=DIFFERENCE_MAP, vmin=-limit, vmax=limit, extent=extent, interpolation="nearest"
    )
    axes.set_title(title)
    axes.set_xlabel("distance from the site (Mb)")
    axes.figure.colorbar(picture, ax=axes, label="mean log2 change", shrink=0.75)
    return axes


def plot_change_scatter(
    observed: np.ndarray, predicted: np.ndarray, axes: Axes, *, title: str
) -> Axes:
    """Predicted against observed (or simulated) log2 change of pairs, with Pearson's r (Fig. 9)."""
    r = float(np.corrcoef(observed, predicted)[0, 1])
    axes.hexbin(observed, predicted, gridsize=50, bins="log", cmap="Blues", mincnt=1, lw=0)
    axes.axhline(0, color="#999999", lw=0.5)
    axes.axvline(0, color="#999999", lw=0.5)
    axes.set_xlabel("log2 change, truth")
    axes.set_ylabel("log2 change, predicted")
    axes.set_title(f"{title}, r = {r:.2f}")
    return axes
