from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from chromloom.expression.explain import attend_gene
from chromloom.expression.fit import fold_dirs
from chromloom.logs import job_log
from chromloom.plotting.expression import plot_attention_map
from chromloom.plotting.style import apply_style, save_figure

source, wildcards = snakemake.input, snakemake.wildcards
with job_log(snakemake.log[0]):
    apply_style()
    found = attend_gene(source.table, source.marks, fold_dirs(source.model), wildcards.gene)
    n_heads = len(next(iter(found.maps.values())))
    n_tracks = len(found.signals)
    tracks_height = 0.8 + 0.4 * n_tracks
    figure = plt.figure(
        figsize=(2.3 * max(len(found.maps), 2), 2.3 * n_heads + tracks_height),
        layout="constrained",
    )
    upper, lower = figure.subfigures(2, 1, height_ratios=[2.3 * n_heads, tracks_height])
    axes = upper.subplots(n_heads, len(found.maps), squeeze=False)
    for column, (size, maps) in zip(axes.T, found.maps.items()):
        for head, (ax, values) in enumerate(zip(column, maps), start=1):
            plot_attention_map(values, size, ax)
            ax.set_title(f"{size:,} bp, head {head}")
    n = found.tracks.shape[1]
    position = (np.arange(n) - n // 2) * found.bin_size
    rows = lower.subplots(n_tracks, 1, sharex=True, squeeze=False)[:, 0]
    for ax, signal, track in zip(rows, found.signals, found.tracks):
        ax.fill_between(position / 1000, track, step="post", lw=0)
        ax.set_ylabel(signal, rotation=0, ha="right", va="center")
    rows[-1].set_xlabel("From the TSS, downstream positive (kb)")
    figure.suptitle(f"{found.gene['name']}: log2(value + 1) = {found.gene['level']:.2f}")
    table = pd.DataFrame(found.tracks.T, columns=found.signals)
    table.insert(0, "position", position)
    save_figure(figure, table, Path(snakemake.output.png).with_suffix(""))
