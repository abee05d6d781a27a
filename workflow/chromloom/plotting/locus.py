"""Pictures of a locus: maps as triangles, tracks, genes and loops below one another on one axis."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.patches import Arc

from chromloom.plotting.style import (
    CONTACT_MAP,
    DIFFERENCE_MAP,
    PALETTE,
    add_strength_bar,
    say_empty,
)

MOST_GENES = 40  # named in a picture
ROWS_OF_GENES = 4
MOST_MODELS = 6  # columns
LETTER = 0.021  # width of a letter of the smallest labels, of a column of a picture of a variant


def plot_triangle(
    values: np.ndarray,
    start: np.ndarray,
    resolution: int,
    axes: Axes,
    *,
    limits: tuple[float, float] | None = None,
    difference: bool = False,
    down: bool = False,
) -> Any:
    """Draw a map as a triangle whose base is the genome.

    Parameters
    ----------
    values : ndarray, (k, k), float
        Upper triangle; contact strength (logarithmic colours) or a log2 change. NaN is grey.
    start : ndarray, (k,), int
        bp.
    resolution : int
    axes : Axes
    limits : (float, float), optional
        Of the colours; by default those of `strength_limits` or `change_limit`.
    difference : bool
        Diverging colours around 0.
    down : bool
        The tip points downwards, below the base.

    Returns
    -------
    The drawn mesh, for a colour bar.
    """
    k = len(values)
    if difference:
        low, high = limits or change_limits([values])
        style: dict[str, Any] = {"cmap": mpl.colormaps[DIFFERENCE_MAP], "vmin": low, "vmax": high}
    else:
        low, high = limits or strength_limits([values])
        style = {"cmap": mpl.colormaps[CONTACT_MAP], "norm": LogNorm(low, high, clip=True)}
        values = np.where(values <= 0, low, values)
    edges = (start[0] + np.arange(k + 1) * resolution) / 1e6
    left, right = np.meshgrid(edges, edges, indexing="ij")
    height = (right - left) * (-1 if down else 1)
    outside = ~np.triu(np.ones((k, k), bool))
    middle = (left + right) / 2
    unknown = np.ma.array(np.zeros((k, k)), mask=outside)
    grey = mpl.colors.ListedColormap(["0.85"])
    axes.pcolormesh(middle, height, unknown, cmap=grey, rasterized=True)
    known = np.ma.array(values, mask=outside | np.isnan(values))
    mesh = axes.pcolormesh(middle, height, known, rasterized=True, **style)
    tip = edges[-1] - edges[0]
    axes.set_ylim((-tip, 0) if down else (0, tip))
    axes.set_xlim(edges[0], edges[-1])
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    return mesh


def strength_limits(maps: Sequence[np.ndarray]) -> tuple[float, float]:
    """Lowest and highest contact strength that maps are drawn with: 5th to 99.5th percentile."""
    known = np.concatenate([values[np.isfinite(values) & (values > 0)] for values in maps])
    low, high = np.percentile(known, [5, 99.5]) if len(known) else (0.1, 1.0)
    return float(low), float(max(high, 1.01 * low))


def change_limits(maps: Sequence[np.ndarray]) -> tuple[float, float]:
    """Limits around 0 of log2 changes: the 99th percentile of their size."""
    known = np.concatenate([np.abs(values[np.isfinite(values)]) for values in maps])
    high = max(float(np.percentile(known, 99)), 1e-3) if len(known) else 1.0
    return -high, high


def plot_track(values: np.ndarray, start: np.ndarray, resolution: int, axes: Axes, name: str):
    """Draw a value per bin as a filled line from 0; NaN leaves a gap."""
    edges = np.append(start, start[-1] + resolution) / 1e6
    axes.stairs(values, edges, fill=True, baseline=0, color=PALETTE[2])
    axes.set_ylabel(name, rotation=0, ha="right", va="center")
    axes.locator_params(axis="y", nbins=2)
    axes.tick_params(labelsize=6)


def plot_genes(genes: pd.DataFrame, axes: Axes, limits: tuple[float, float]) -> None:
    """Draw genes as bars in rows, named where there is room; an arrow says the strand.

    Parameters
    ----------
    genes : DataFrame
        name, start, end (bp), strand.
    axes : Axes
    limits : (float, float)
        Mb.
    """
    few = len(genes) <= MOST_GENES
    width = limits[1] - limits[0]
    ends = np.full(ROWS_OF_GENES, -np.inf)
    for gene in genes.sort_values("start").itertuples():
        at = min(max(gene.start / 1e6, limits[0]), limits[1])
        free = ends < at
        row = int(np.argmax(free) if free.any() else np.argmin(ends))
        text = f"{gene.name} {'>' if gene.strand == '+' else '<'}" if few and free.any() else ""
        ends[row] = max(ends[row], gene.end / 1e6, at + LETTER * width * len(text))
        axes.broken_barh([(gene.start / 1e6, (gene.end - gene.start) / 1e6)], (-row - 0.25, 0.5),
                         color="#444444")  # fmt: skip
        if text:
            axes.text(at, -row - 0.3, text, fontsize=4.5, va="top", clip_on=True)
    axes.set_ylim(-ROWS_OF_GENES, 0.6)
    axes.set_yticks([])
    axes.set_ylabel("genes", rotation=0, ha="right", va="center")


def plot_arcs(loops: pd.DataFrame, axes: Axes, name: str) -> None:
    """Draw loops (start, end, start2, end2; bp) as arcs between the middles of their ends."""
    highest = 1e-9
    for loop in loops.itertuples():
        a, b = (loop.start + loop.end) / 2e6, (loop.start2 + loop.end2) / 2e6
        axes.add_patch(Arc(((a + b) / 2, 0), b - a, b - a, theta1=0, theta2=180, lw=0.7,
                           color=PALETTE[0]))  # fmt: skip
        highest = max(highest, (b - a) / 2)
    if not len(loops):
        axes.text(0.5, 0.5, "none in this region", ha="center", va="center", color="0.35",
                  transform=axes.transAxes)  # fmt: skip
    axes.set_ylim(0, 1.05 * highest)
    axes.set_yticks([])
    axes.set_ylabel(name, rotation=0, ha="right", va="center")


def plot_observed_and_predicted(
    observed: np.ndarray,
    predicted: np.ndarray,
    bins: pd.DataFrame,
    *,
    title: str,
    tracks: Sequence[str] = (),
    genes: pd.DataFrame | None = None,
    loops: Mapping[str, pd.DataFrame] | None = None,
) -> Figure:
    """A locus: observed map above, predicted below the same base, then tracks, loops and genes.

    Parameters
    ----------
    observed, predicted : ndarray, (k, k), float
        Contact strength; NaN = unknown.
    bins : DataFrame
        chrom, start, end of the k bins, and the columns of `tracks`.
    title : str
    tracks : sequence of str
    genes : DataFrame, optional
        name, start, end, strand of the region.
    loops : mapping, optional
        Name -> start, end, start2, end2 of loops of the region.
    """
    resolution = int((bins["end"] - bins["start"]).max())
    start = bins["start"].to_numpy()
    loops = loops or {}
    heights = [2.6, 2.6, *[0.5] * len(tracks), *[0.6] * len(loops)]
    heights += [1.0] if genes is not None else []
    figure, axes = plt.subplots(
        len(heights), 1, figsize=(6.4, 1.05 * sum(heights) + 0.5), sharex=True,
        height_ratios=heights, layout="constrained",
    )  # fmt: skip
    upper = np.triu(np.ones(observed.shape, bool))
    limits = strength_limits([np.where(upper, m, np.nan) for m in (observed, predicted)])
    for values, name, ax in zip((observed, predicted), ("observed", "predicted"), axes):
        down = name == "predicted"
        mesh = plot_triangle(values, start, resolution, ax, limits=limits, down=down)
        add_strength_bar(mesh, ax)
        ax.set_ylabel(name)
    rest = iter(axes[2:])
    for name in tracks:
        plot_track(bins[name].to_numpy(float), start, resolution, next(rest), name)
    for name, table in loops.items():
        plot_arcs(table, next(rest), name)
    if genes is not None:
        plot_genes(genes, next(rest), (start[0] / 1e6, (start[-1] + resolution) / 1e6))
    axes[-1].set_xlabel(f"{bins['chrom'].iloc[0]} (Mb)")
    figure.suptitle(title)
    return figure


def plot_variant(
    maps: Mapping[str, tuple[np.ndarray, np.ndarray] | str],
    bins: pd.DataFrame,
    *,
    title: str,
    region: tuple[int, int],
    pieces: Sequence[Sequence[tuple[int, str]]] = (),
    tracks: Sequence[str] = (),
    genes: pd.DataFrame | None = None,
) -> Figure:
    """A variant by every model side by side: wild type, edited, change; tracks and genes below.

    Parameters
    ----------
    maps : mapping
        Model -> wild type and edited on the reference, (k, k) of contact strength; or why there is
        none. The first six are drawn.
    bins : DataFrame
        chrom, start, end of the k bins, and the columns of `tracks`; none where no model has maps.
    title : str
    region : (int, int)
        bp that the variant lies in: marked below the maps, whose colours it leaves as they are, and
        behind the tracks.
    pieces : sequence of sequences of (int, str)
        Of each edited chromosome, length (bp) and label of the pieces around the variant, in order;
        a label ends in "-" where the piece is turned round.
    tracks : sequence of str
    genes : DataFrame, optional
    """
    shown = dict(list(maps.items())[:MOST_MODELS])
    more = len(maps) - len(shown)
    title += f" (the first {MOST_MODELS} models, {more} more)" if more else ""
    if bins.empty:
        size = (3.3 * len(shown) + 0.6, 1.8)
        figure, grid = plt.subplots(
            1, len(shown), figsize=size, squeeze=False, layout="constrained"
        )
        for (model, reason), ax in zip(shown.items(), grid[0]):
            say_empty(ax, str(reason)).set_title(model)
        figure.suptitle(title)
        return figure
    resolution = int((bins["end"] - bins["start"]).max())
    start = bins["start"].to_numpy()
    changes = {
        model: np.log2((pair[1] + 0.5) / (pair[0] + 0.5))
        for model, pair in shown.items()
        if not isinstance(pair, str)
    }
    limits = change_limits(list(changes.values())) if changes else None
    heights = [1.5, 1.5, 1.5, *[0.45] * len(tracks)] + ([0.9] if genes is not None else [])
    heights += [0.5 * len(pieces)] if pieces else []
    figure, grid = plt.subplots(
        len(heights), len(shown), figsize=(3.3 * len(shown) + 0.6, 1.05 * sum(heights) + 0.6),
        squeeze=False, height_ratios=heights, layout="constrained",
    )  # fmt: skip
    last = len(heights) - 1 - bool(pieces)
    span = start[0] / 1e6, (start[-1] + resolution) / 1e6
    ends = region[0] / 1e6, max(region[1], region[0] + resolution / 4) / 1e6
    marked = np.clip(ends, *span)
    for column, (model, pair) in enumerate(shown.items()):
        axes = grid[:, column]
        for ax in axes[1 : last + 1]:
            ax.sharex(axes[0])
        axes[0].set_title(model)
        if isinstance(pair, str):
            for ax, text in zip(axes, (pair, "", "")):
                say_empty(ax, text)
        else:
            colours = strength_limits([pair[0]])
            for ax, values in zip(axes, pair):
                mesh = plot_triangle(values, start, resolution, ax, limits=colours)
                add_strength_bar(mesh, ax)
            mesh = plot_triangle(
                changes[model], start, resolution, axes[2], limits=limits, difference=True
            )
            figure.colorbar(mesh, ax=axes[2], shrink=0.8, label="log2 change")
        rest = iter(axes[3:])
        for name in tracks:
            plot_track(bins[name].to_numpy(float), start, resolution, next(rest), name)
        if genes is not None:
            plot_genes(genes, next(rest), span)
        for row, ax in enumerate(axes[: last + 1]):
            if row >= 3:
                ax.axvspan(*marked, color=PALETTE[4], alpha=0.25, lw=0, zorder=0)
            elif not isinstance(pair, str):
                ax.axvspan(*marked, -0.05, 0, color=PALETTE[4], lw=0, clip_on=False)
            ax.set_xlim(span)
            ax.tick_params(labelbottom=ax is axes[last])
        axes[last].set_xlabel(f"{bins['chrom'].iloc[0]} (Mb)")
        if pieces:
            _plot_pieces(pieces, axes[-1])
    first = next((k for k, pair in enumerate(shown.values()) if not isinstance(pair, str)), 0)
    for ax, name in zip(grid[:, first], ("wild type", "edited,\non reference", "change")):
        ax.set_ylabel(name)
    figure.suptitle(title)
    return figure


def _plot_pieces(chromosomes: Sequence[Sequence[tuple[int, str]]], axes: Axes) -> None:
    """The edited chromosomes around a variant as rows of labelled boxes."""
    total = max(sum(length for length, _ in pieces) for pieces in chromosomes)
    for row, pieces in enumerate(chromosomes):
        at, low = 0.0, -1.15 * row
        for length, label in pieces:
            colour = PALETTE[1] if label.endswith("-") else PALETTE[5]
            box = [(at / 1e6, length / 1e6)]
            axes.broken_barh(box, (low, 1), edgecolor="white", facecolor=colour)
            if length > LETTER * total * max(map(len, label.split("\n"))):  # room for it
                middle = (at + length / 2) / 1e6
                axes.text(middle, low + 0.5, label, ha="center", va="center", fontsize=4.5)
            at += length
    axes.set_xlim(0, total / 1e6)
    axes.set_yticks([])
    several = "s" if len(chromosomes) > 1 else ""
    axes.set_ylabel(f"edited\nchromosome{several}", rotation=0, ha="right", va="center")
    axes.set_xlabel("Mb from the left end of what is shown")
