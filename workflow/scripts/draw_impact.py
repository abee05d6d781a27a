from pathlib import Path

import matplotlib.pyplot as plt

from chromloom.files import read_tsv
from chromloom.logs import job_log
from chromloom.plotting.expression import plot_impact, plot_levels_by_impact, plot_removals
from chromloom.plotting.style import apply_style, save_figure

source = snakemake.input
with job_log(snakemake.log[0]):
    apply_style()
    paths = (source.impact, source.screen, source.signals)
    impact, screen, signals = (read_tsv(path) for path in paths)
    figure, axes = plt.subplots(1, 4, figsize=(10.6, 2.6), layout="constrained")
    plot_impact(impact, ax=axes[0])
    plot_levels_by_impact(impact, ax=axes[1])
    plot_impact(impact, "elements_level", axes[2])
    plot_removals(screen, signals, ax=axes[3])
    figure.suptitle(snakemake.wildcards.cell_type)
    save_figure(figure, impact, Path(snakemake.output.png).with_suffix(""))
