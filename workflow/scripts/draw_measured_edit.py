from pathlib import Path

from chromloom.files import read_tsv
from chromloom.logs import job_log
from chromloom.plotting.perturbation import plot_observed_edit
from chromloom.plotting.style import apply_style, save_figure

with job_log(snakemake.log[0]):
    apply_style()
    tables = map(read_tsv, (snakemake.input.pairs, snakemake.input.scores))
    figure = plot_observed_edit(*tables, title=snakemake.wildcards.edit)
    save_figure(figure, None, Path(snakemake.output.png).with_suffix(""))
