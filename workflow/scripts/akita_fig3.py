from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd

from chromloom.files import read_tsv
from chromloom.logs import job_log
from chromloom.plotting.akita import plot_insertions, plot_motifs
from chromloom.plotting.style import apply_style, save_figure

runs, names = snakemake.params.runs, snakemake.params.insertions
with job_log(snakemake.log[0]):
    apply_style()
    n = 1 + len(names)
    figure, axes = plt.subplots(
        len(runs), n, figsize=(3 * n, 2.6 * len(runs)), layout="constrained", squeeze=False
    )
    insertions = iter(map(read_tsv, snakemake.input.insertions))
    tables = []
    for row, run, path in zip(axes, runs, snakemake.input.ranked):
        ranked = read_tsv(path)
        plot_motifs(ranked, row[0]).set_title(run)
        tables.append(ranked.assign(run=run, kind="motif"))
        for ax, name in zip(row[1:], names):
            own = next(insertions)
            plot_insertions(own, ax, title=name)
            tables.append(own.assign(run=run, kind="insertion", name=name))
    table = pd.concat(tables, ignore_index=True)
    save_figure(figure, table, Path(snakemake.output.png).with_suffix(""))
