from pathlib import Path

import matplotlib.pyplot as plt

from chromloom.evaluation.regulation import compare_impact
from chromloom.files import read_tsv
from chromloom.logs import job_log
from chromloom.plotting.expression import plot_impact_change
from chromloom.plotting.style import apply_style, save_figure

with job_log(snakemake.log[0]):
    apply_style()
    table = compare_impact(*map(read_tsv, snakemake.input))
    figure, ax = plt.subplots(figsize=(2.8, 2.8), layout="constrained")
    plot_impact_change(table, ax)
    figure.suptitle(snakemake.wildcards.pair)
    save_figure(figure, table, Path(snakemake.output.png).with_suffix(""))
