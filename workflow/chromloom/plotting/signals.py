"""Pictures of binned signals: tracks of a region, and their distributions over the genome."""

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from chromloom.plotting.style import PALETTE

MOST = 24  # tracks in a picture
STEPS = 800  # of a track, more than which no screen shows


def plot_signals(tracks: pd.DataFrame, qc: pd.DataFrame, *, title: str) -> Figure:
    """Tracks of a region, and beside each the quantiles of its values.

    Parameters
    ----------
    tracks : DataFrame
        chrom, start, end and one column per signal (of `signals.qc.region_values`); NaN is left
        blank and shaded. Of many bins, the highest of each step is drawn.
    qc : DataFrame
        Of `signals.qc.signals_qc`; the rows over all are drawn.
    title : str
    """
    signals = list(tracks.columns[3:])[:MOST]
    everything = qc[qc["chrom"] == "all"].set_index("signal")
    figure, axes = plt.subplots(
        len(signals),
        2,
        figsize=(7.5, 0.6 + 0.7 * len(signals)),
        width_ratios=[4, 1],
        squeeze=False,
        layout="constrained",
    )
    first = np.arange(0, len(tracks), -(-len(tracks) // STEPS))  # bin of each step
    edges = np.append(tracks["start"].to_numpy()[first], tracks["end"].iloc[-1]) / 1e6
    columns = [name for name in everything if name.startswith("q")]
    shares = [float(name[1:]) / 100 for name in columns]
    for number, (signal, (left, right)) in enumerate(zip(signals, axes)):
        values = np.fmax.reduceat(tracks[signal].to_numpy(float), first)
        colour = PALETTE[number % len(PALETTE)]
        left.stairs(values, edges, fill=True, baseline=0, color=colour)
        missing = np.isnan(values)
        left.fill_between(
            edges,
            0,
            1,
            where=np.append(missing, False) | np.append(False, missing),
            color="0.9",
            lw=0,
            transform=left.get_xaxis_transform(),
        )
        left.set_xlim(edges[0], edges[-1])
        left.set_ylabel(signal, rotation=0, ha="right", va="center")
        row = everything.loc[signal]
        right.plot(row[columns].astype(float), shares, color=colour, marker=".", ms=4, lw=1)
        right.set_ylim(-0.05, 1.05)
        right.set_title(
            f"{row['coverage']:.0%} covered, {row['zeros']:.0%} zeros", fontsize=6, pad=2
        )
        if number < len(signals) - 1:
            left.set_xticklabels([])
    axes[-1, 0].set_xlabel(f"{tracks['chrom'].iloc[0]}, Mb")
    axes[-1, 1].set_xlabel("value of a bin")
    axes[len(signals) // 2, 1].set_ylabel("quantile")
    more = len(tracks.columns) - 3 - len(signals)
    figure.suptitle(title + (f" (the first {MOST}, {more} more)" if more else ""))
    return figure
