"""Pictures of what predictors of bases make of single windows (figures of Akita's article)."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.font_manager import FontProperties
from matplotlib.patches import PathPatch
from matplotlib.textpath import TextPath
from matplotlib.transforms import Affine2D

from chromloom.plotting.style import DIFFERENCE_MAP, say_empty

LIMIT = 1.5
"""Log O/E at the ends of the colour scale."""
LETTER_COLOURS = {"A": "#009E73", "C": "#0072B2", "G": "#E69F00", "T": "#D55E00"}


def plot_distribution(regions: pd.DataFrame, ax: Axes) -> Axes:
    """How many regions have which correlation (Fig. 1c).

    Parameters
    ----------
    regions : DataFrame
        pearson, spearman; one row per region.
    ax : Axes
    """
    known = regions["pearson"].dropna()
    if known.empty:
        return say_empty(ax, "no region has a correlation")
    bins = np.linspace(-1, 1, 41).tolist()
    for name in ("pearson", "spearman"):
        own = regions[name].dropna()
        ax.hist(own, bins, histtype="step", label=f"{name}, median {own.median():.2f}")
    ax.set_xlabel("Correlation in a region")
    ax.set_ylabel("Regions")
    ax.legend(loc="upper left")
    return ax


def plot_pairs(table: pd.DataFrame, x: str, y: str, ax: Axes) -> Axes:
    """Two columns of regions against one another, with their rank correlation in the title."""
    own = table[[x, y]].dropna()
    if len(own) < 3:
        return say_empty(ax, f"less than three regions have {x} and {y}")
    ax.plot(own[x], own[y], ".", ms=3, alpha=0.6)
    ax.set_xlabel(x.replace("_", " "))
    ax.set_ylabel(y.replace("_", " "))
    ax.set_title(f"rank correlation {own[x].rank().corr(own[y].rank()):.2f}, n {len(own)}")
    return ax


def plot_square(table: pd.DataFrame, ax: Axes, *, title: str = "") -> Axes:
    """A map of log O/E.

    Parameters
    ----------
    table : DataFrame
        size (one number), i, j (i <= j), value; and start, resolution (bp) where they are known.
    ax : Axes
    title : str
    """
    size = int(table["size"].iloc[0])
    values = np.full((size, size), np.nan)
    i, j = table["i"].to_numpy(), table["j"].to_numpy()
    values[i, j] = values[j, i] = table["value"]
    extent, label = (0.0, float(size), float(size), 0.0), "Bin"
    if "start" in table:
        lo, step = table["start"].iloc[0] / 1e6, table["resolution"].iloc[0] / 1e6
        extent, label = (lo, lo + size * step, lo + size * step, lo), "Position (Mb)"
    ax.imshow(values, cmap=DIFFERENCE_MAP, vmin=-LIMIT, vmax=LIMIT, extent=extent)
    ax.set_xlabel(label)
    ax.set_title(title)
    return ax


def plot_motifs(ranked: pd.DataFrame, ax: Axes, *, named: int = 5) -> Axes:
    """Motifs by what their mutation does: disruption against change of signal (Fig. 3a).

    Parameters
    ----------
    ranked : DataFrame
        name, disruption, signal_change; strongest first.
    ax : Axes
    named : int
        How many have their name beside them.
    """
    ax.plot(ranked["signal_change"], ranked["disruption"], ".", ms=4)
    for row in ranked.head(named).itertuples():
        ax.annotate(row.name, (row.signal_change, row.disruption), fontsize=6)
    ax.axvline(0, color="0.8", lw=0.5, zorder=0)
    ax.set_ylim(bottom=0)
    ax.set_xlabel("Change of signal, mean(p²) - mean(p'²)")
    ax.set_ylabel("Disruption, mean((p - p')²)")
    return ax


def plot_insertions(table: pd.DataFrame, ax: Axes, *, title: str = "") -> Axes:
    """What copies of a segment make of background sequence, by their orientation.

    Parameters
    ----------
    table : DataFrame
        orientation, copies, disruption; a row per background.
    ax : Axes
    title : str
    """
    for name, own in table.groupby("orientation", sort=False):
        mean = own.groupby("copies")["disruption"].mean()
        ax.plot(mean.index, mean, "o-", ms=3, label=name)
    ax.set_xlabel("Copies")
    ax.set_ylabel("Disruption of background")
    ax.set_title(title)
    ax.legend()
    return ax


def plot_logo(table: pd.DataFrame, ax: Axes, *, title: str = "") -> Axes:
    """Bases of a region as high as changing them disrupts the map, on the mean over changes.

    Parameters
    ----------
    table : DataFrame
        start, reference, disruption; a row per base and change.
    ax : Axes
    title : str
    """
    grouped = table.groupby("start")
    heights, letters = grouped["disruption"].mean(), grouped["reference"].first()
    font, top = FontProperties(family="monospace", weight="bold"), heights.max() or 1.0
    for start, height in heights.items():
        path = TextPath((0, 0), letters[start], size=1, prop=font)
        box = path.get_extents()
        place = (
            Affine2D()
            .translate(-box.x0, -box.y0)
            .scale(0.9 / box.width, height / box.height)
            .translate(start + 0.05, 0)
        )
        colour = LETTER_COLOURS[letters[start]]
        ax.add_patch(PathPatch(path, transform=place + ax.transData, color=colour, lw=0))
    ax.set_xlim(heights.index.min(), heights.index.max() + 1)
    ax.set_ylim(0, 1.05 * top)
    ax.ticklabel_format(axis="x", style="plain", useOffset=False)
    ax.set_xlabel("Position (bp)")
    ax.set_ylabel("Mean disruption")
    ax.set_title(title)
    return ax
