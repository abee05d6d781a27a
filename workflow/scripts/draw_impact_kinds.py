from pathlib import Path

import matplotlib.pyplot as plt

from chromloom.files import read_tsv
from chromloom.logs import job_log
from chromloom.plotting.expression import plot_element_marks, plot_impact
from chromloom.plotting.style import apply_style, save_figure

source, kinds = snakemake.input, snakemake.params.kinds
with job_log(snakemake.log[0]):
    apply_style()
    counts, marks = read_tsv(source.counts), read_tsv(source.marks)
    figure, axes = plt.subplots(
        1, 1 + len(kinds), figsize=(3.5 + 2.6 * len(kinds), 2.8), layout="constrained",
        squeeze=False,
    )  # fmt: skip
    plot_element_marks(marks, axes[0, 0])
    known = counts[counts["n_elements"] > 0]
    for ax, kind in zip(axes[0, 1:], kinds):
        plot_impact(known.assign(n_elements=known[kind]), ax=ax, kind=kind)
    figure.suptitle(snakemake.wildcards.cell_type)
    save_figure(figure, marks, Path(snakemake.output.png).with_suffix(""))
