from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd

from chromloom.files import read_tsv
from chromloom.logs import job_log
from chromloom.plotting.expression import plot_levels, plot_scores
from chromloom.plotting.style import apply_style, save_figure

cell_types = snakemake.params.cell_types
with job_log(snakemake.log[0]):
    apply_style()
    table = pd.concat([read_tsv(path) for path in snakemake.input.scores], ignore_index=True)
    table = table[table["chrom"] == "all"].drop(columns="chrom")
    height = 0.9 + 0.22 * table["model"].nunique()
    figure, axes = plt.subplots(
        len(cell_types),
        3,
        figsize=(9.5, max(height, 2.4) * len(cell_types)),
        layout="constrained",
        squeeze=False,
    )
    model = snakemake.params.model
    for row, cell_type, path in zip(axes, cell_types, snakemake.input.predictions):
        part = table[table["cell_type"] == cell_type]
        for ax, metric in zip(row, ("auc", "r")):
            plot_scores(part, metric, ax)
            ax.set_title(cell_type)
        plot_levels(read_tsv(path), row[2])
        row[2].set_title(f"{cell_type}, {model}")
    save_figure(figure, table, Path(snakemake.output.png).with_suffix(""))
