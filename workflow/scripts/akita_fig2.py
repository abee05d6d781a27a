from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd

from chromloom.files import read_parquet
from chromloom.logs import job_log
from chromloom.plotting.akita import plot_square
from chromloom.plotting.style import apply_style, save_figure

with job_log(snakemake.log[0]):
    apply_style()
    tables = [
        read_parquet(path).assign(run=run)
        for run, path in zip(snakemake.params.runs, snakemake.input)
    ]
    table = pd.concat(tables, ignore_index=True)
    kinds = list(dict.fromkeys(table["kind"]))
    rows = list(table.groupby(["run", "locus"], sort=False))
    figure, axes = plt.subplots(
        len(rows), len(kinds), figsize=(2.6 * len(kinds), 2.6 * len(rows)), layout="constrained",
        squeeze=False,
    )  # fmt: skip
    for row, ((run, locus), own) in zip(axes, rows):
        for ax, kind in zip(row, kinds):
            plot_square(own[own["kind"] == kind], ax, title=f"{locus}, {kind}")
        row[0].set_ylabel(run)
    figure.colorbar(axes[0, 0].images[0], ax=axes, shrink=0.8, label="Log O/E")
    save_figure(figure, table, Path(snakemake.output.png).with_suffix(""))
