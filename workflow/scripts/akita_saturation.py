from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd

from chromloom.files import read_tsv
from chromloom.logs import job_log
from chromloom.plotting.akita import plot_logo
from chromloom.plotting.style import apply_style, save_figure

with job_log(snakemake.log[0]):
    apply_style()
    titles, tables = snakemake.params.titles, list(map(read_tsv, snakemake.input))
    figure, axes = plt.subplots(
        len(titles), 1, figsize=(8, 1.8 * len(titles)), layout="constrained", squeeze=False
    )
    for ax, title, table in zip(axes[:, 0], titles, tables):
        plot_logo(table, ax, title=title)
    shown = pd.concat([t.assign(title=name) for name, t in zip(titles, tables)], ignore_index=True)
    save_figure(figure, shown, Path(snakemake.output.png).with_suffix(""))
