from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd

from chromloom.files import read_tsv
from chromloom.logs import job_log
from chromloom.plotting.predictors import plot_difference, plot_difference_scores
from chromloom.plotting.style import apply_style, save_figure

pairs = snakemake.params.pairs
with job_log(snakemake.log[0]):
    apply_style()
    tables = dict(zip(pairs, map(read_tsv, snakemake.input)))
    columns = 1 + max(table["model"].nunique() for table in tables.values())
    figure, axes = plt.subplots(
        len(tables), columns, figsize=(2.6 * columns, 2.6 * len(tables)), layout="constrained",
        squeeze=False,
    )  # fmt: skip
    for row, (pair, table) in zip(axes, tables.items()):
        plot_difference_scores(table, row[0]).set_title(pair)
        models = list(dict.fromkeys(table["model"]))
        for ax, model in zip(row[1:], models):
            plot_difference(table[table["model"] == model], ax)
        for ax in row[1 + len(models) :]:
            ax.set_axis_off()
    save_figure(figure, pd.concat(tables.values()), Path(snakemake.output.png).with_suffix(""))
