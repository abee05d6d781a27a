"""Chains of chromosomes in three dimensions, and the distances between their bins."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

MOST = 6  # chromosomes
POSITION_MAP = "cool"  # along a chromosome
DISTANCE_MAP = "viridis_r"


def plot_chains(chains: pd.DataFrame, scores: pd.DataFrame, *, title: str) -> Figure:
    """Draw the chain of each chromosome, above the distances between its bins.

    A chain has the colours of positions from the start to the end of its chromosome; distances
    have other colours, the same for all chromosomes.

    Parameters
    ----------
    chains : DataFrame
        One row per bin: chrom, start, end (bp), x, y, z; NaN = no coordinates (a gap of the chain,
        grey in the distances). The longest `MOST` chromosomes are drawn.
    scores : DataFrame
        chrom, and `within_distance` of `structure.fit.score_chain`.
    title : str
        Name of the map.
    """
    names = chains.groupby("chrom", sort=False)["end"].max().nlargest(MOST).index
    figure, grid = plt.subplots(
        2, len(names), figsize=(2.4 * len(names) + 1, 5), squeeze=False, layout="constrained"
    )
    figure.suptitle(title)
    within = scores.set_index("chrom")["within_distance"]
    parts = {chrom: chains[chains["chrom"] == chrom] for chrom in names}
    places = {chrom: part[["x", "y", "z"]].to_numpy() for chrom, part in parts.items()}
    distances = {chrom: np.linalg.norm(x[:, None] - x, axis=-1) for chrom, x in places.items()}
    farthest = max(np.nanmax(distance) for distance in distances.values())
    for column, (chrom, chain) in enumerate(parts.items()):
        grid[0, column].remove()
        axes = grid[0, column] = figure.add_subplot(2, len(names), column + 1, projection="3d")
        x, start = places[chrom].T, chain["start"].to_numpy()
        axes.plot(*x, color="0.75", linewidth=0.6)
        style: dict[str, Any] = {"cmap": POSITION_MAP, "vmin": 0, "vmax": chain["end"].iloc[-1]}
        dots = axes.scatter(*x, c=start, **style, s=4, linewidths=0, depthshade=False)
        axes.set_axis_off()
        axes.set_aspect("equal")
        axes.set_title(f"{chrom}, r within distances {within[chrom]:.2f}")

        axes = grid[1, column]
        axes.set_facecolor("0.9")
        ends = (start[0] / 1e6, chain["end"].iloc[-1] / 1e6)
        style = {"cmap": DISTANCE_MAP, "vmin": 0, "vmax": farthest}
        mesh = axes.imshow(distances[chrom], extent=(*ends, *ends[::-1]), **style)
        axes.set_xlabel("position (Mb)")
    bar = figure.colorbar(dots, ax=list(grid[0]), shrink=0.6, label="position")
    bar.set_ticks(dots.get_clim(), labels=["start", "end"])
    label = "distance (1: neighbouring bins)"
    figure.colorbar(mesh, ax=list(grid[1]), shrink=0.8, label=label)
    return figure
