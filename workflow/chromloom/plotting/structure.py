"""Chains of chromosomes in three dimensions, and the distances between their bins."""

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

MOST = 6  # chromosomes


def plot_chains(chains: pd.DataFrame, scores: pd.DataFrame, *, title: str) -> Figure:
    """Draw the chain of each chromosome, above the distances between its bins.

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
    figure = plt.figure(figsize=(2.4 * len(names) + 0.6, 5), layout="constrained")
    figure.suptitle(title)
    within = scores.set_index("chrom")["within_distance"]
    for column, chrom in enumerate(names):
        chain = chains[chains["chrom"] == chrom]
        x = chain[["x", "y", "z"]].to_numpy()
        megabases = chain["start"].to_numpy() / 1e6
        axes = figure.add_subplot(2, len(names), column + 1, projection="3d")
        axes.plot(*x.T, color="0.75", linewidth=0.6)
        axes.scatter(*x.T, c=megabases, cmap="viridis", s=4, linewidths=0, depthshade=False)
        axes.set_axis_off()
        axes.set_aspect("equal")
        axes.set_title(f"{chrom}, r within distances {within[chrom]:.2f}")

        axes = figure.add_subplot(2, len(names), len(names) + column + 1)
        distance = np.linalg.norm(x[:, None] - x, axis=-1)
        axes.set_facecolor("0.9")
        ends = (megabases[0], chain["end"].iloc[-1] / 1e6)
        mesh = axes.imshow(distance, cmap="viridis_r", extent=(*ends, *ends[::-1]))
        axes.set_xlabel("position (Mb)")
    figure.colorbar(mesh, ax=figure.axes, shrink=0.5, label="distance (1: neighbouring bins)")
    return figure
