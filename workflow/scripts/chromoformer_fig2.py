from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd

from chromloom.files import read_tsv
from chromloom.logs import job_log
from chromloom.plotting.expression import plot_scores
from chromloom.plotting.style import apply_style, save_figure

cell_types = snakemake.params.cell_types
with job_log(snakemake.log[0]):
    apply_style()
    table = pd.concat([read_tsv(path) for path in snakemake.input], ignore_index=True)
    table = table[table["chrom"] == "all"].drop(columns="chrom")
    height = 0.9 + 0.22 * table["model"].nunique()
    figure, axes = plt.subplots(
        len(cell_types),
        2,
        figsize=(6.5, height * len(cell_types)),
        layout="constrained",
        squeeze=False,
    )
    for row, cell_type in zip(axes, cell_types):
        part = table[table["cell_type"] == cell_type]
        for ax, metric in zip(row, ("auc", "r")):
            plot_scores(part, metric, ax)
            ax.set_title(cell_type)
    save_figure(figure, table, Path(snakemake.output.png).with_suffix(""))
