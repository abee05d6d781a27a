from pathlib import Path

import matplotlib.pyplot as plt

from chromloom.files import read_tsv
from chromloom.logs import job_log
from chromloom.plotting.expression import plot_classes
from chromloom.plotting.style import apply_style, save_figure

source = snakemake.input
with job_log(snakemake.log[0]):
    apply_style()
    attention, profile = read_tsv(source.attention), read_tsv(source.profile)
    attention = attention[attention["task"] == "clf"]
    maps = list(attention.groupby(["bin_size", "head"]))
    tracks = list(profile.groupby("signal", sort=False))
    columns = 4
    rows = -(-len(maps) // columns) + -(-len(tracks) // columns)
    figure, axes = plt.subplots(
        rows, columns, figsize=(2.2 * columns, 1.6 * rows), layout="constrained", squeeze=False
    )
    upper = axes[: -(-len(maps) // columns)].ravel()
    lower = axes[-(-len(maps) // columns) :].ravel()
    for ax, ((size, head), own) in zip(upper, maps):
        plot_classes(own, ax, label="Attention")
        ax.set_title(f"{size:,} bp, head {head + 1}")
    for ax, (signal, own) in zip(lower, tracks):
        plot_classes(own, ax, label="Mean")
        ax.set_title(signal)
    for ax in [*upper[len(maps) :], *lower[len(tracks) :]]:
        ax.axis("off")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    figure.suptitle(f"{snakemake.wildcards.cell_type}, {snakemake.wildcards.model}")
    save_figure(figure, attention, Path(snakemake.output.png).with_suffix(""))
