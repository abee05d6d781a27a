from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd

from chromloom.files import read_parquet, read_tsv
from chromloom.logs import job_log
from chromloom.plotting.akita import plot_square
from chromloom.plotting.style import apply_style, save_figure

with job_log(snakemake.log[0]):
    apply_style()
    titles, source = snakemake.params.titles, snakemake.input
    maps, tables = (list(map(read, paths)) for read, paths in
                    ((read_parquet, source.maps), (read_tsv, source.tables)))  # fmt: skip
    n = max(map(len, tables))
    figure, axes = plt.subplots(
        len(titles), n, figsize=(2 * n, 2.3 * len(titles)), layout="constrained", squeeze=False
    )
    for row, title, own, table in zip(axes, titles, maps, tables):
        for ax, deleted, change in zip(row, table["deleted"], table["crossing_change"]):
            shown = own[own["deleted"].astype(str) == str(deleted)]
            plot_square(shown, ax, title=f"{deleted}: {change:+.2f}")
        for ax in row[len(table) :]:
            ax.set_axis_off()
        row[0].set_ylabel(title)
    figure.colorbar(axes[0, 0].images[0], ax=axes, shrink=0.8, label="Log O/E")
    shown = pd.concat([t.assign(title=name) for name, t in zip(titles, tables)], ignore_index=True)
    save_figure(figure, shown, Path(snakemake.output.png).with_suffix(""))
