from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd

from chromloom.files import read_tsv
from chromloom.logs import job_log
from chromloom.plotting.akita import plot_distribution, plot_pairs
from chromloom.plotting.style import apply_style, save_figure

runs = snakemake.params.runs
with job_log(snakemake.log[0]):
    apply_style()
    tables = dict(zip(runs, map(read_tsv, snakemake.input.regions)))
    first = next(iter(tables.values()))
    pairs = [("signal_observed", "signal_predicted"), ("signal_observed", "pearson")]
    pairs += [(name, "signal_observed") for name in first if name.startswith("mean_")]
    pairs += [("spearman", "spearman_masked")] if "spearman_masked" in first else []
    n = 1 + len(pairs)
    figure, axes = plt.subplots(
        len(runs), n, figsize=(2.8 * n, 2.6 * len(runs)), layout="constrained", squeeze=False
    )
    for row, (run, table) in zip(axes, tables.items()):
        plot_distribution(table, row[0]).set_title(run)
        for ax, (x, y) in zip(row[1:], pairs):
            plot_pairs(table, x, y, ax)
    table = pd.concat([own.assign(run=run) for run, own in tables.items()], ignore_index=True)
    save_figure(figure, table, Path(snakemake.output.png).with_suffix(""))
