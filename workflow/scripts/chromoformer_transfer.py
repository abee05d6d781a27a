from itertools import product
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd

from chromloom.evaluation.expression import evaluate_expression
from chromloom.files import read_tsv
from chromloom.logs import job_log
from chromloom.plotting.expression import plot_transfer
from chromloom.plotting.style import apply_style, save_figure

params = snakemake.params
with job_log(snakemake.log[0]):
    apply_style()
    pairs = dict(zip(product(params.cell_types, repeat=2), map(read_tsv, snakemake.input)))
    parts = []
    for cell_type in params.cell_types:
        # Those trained on other cell types beside the one of the cell type itself.
        tables = {own: pairs[own, cell_type] for own in params.cell_types}
        scores = evaluate_expression(
            tables, against=cell_type, n_boot=params.bootstraps, seed=params.seed
        )
        scores = scores.rename(columns={"model": "trained_on"})
        parts.append(scores[scores["chrom"] == "all"].assign(cell_type=cell_type))
    table = pd.concat(parts, ignore_index=True)
    side = 1.6 + 0.5 * len(params.cell_types)
    figure, axes = plt.subplots(1, 2, figsize=(2.4 * side, side), layout="constrained")
    for ax, metric in zip(axes, ("auc", "r")):
        plot_transfer(table, metric, ax)
    figure.suptitle(snakemake.wildcards.model)
    save_figure(figure, table, Path(snakemake.output.png).with_suffix(""))
