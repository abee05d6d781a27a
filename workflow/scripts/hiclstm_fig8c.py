from pathlib import Path

import matplotlib.pyplot as plt

from chromloom.files import read_tsv
from chromloom.logs import job_log
from chromloom.plotting.perturbation import plot_boundary_pileup
from chromloom.plotting.style import apply_style, save_figure

with job_log(snakemake.log[0]):
    apply_style()
    table = read_tsv(snakemake.input[0])
    figure, ax = plt.subplots(figsize=(4, 3.4), layout="constrained")
    plot_boundary_pileup(table, ax)
    save_figure(figure, table, Path(snakemake.output.fig8c).with_suffix(""))
