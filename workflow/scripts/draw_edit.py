from pathlib import Path

from chromloom.files import read_tsv
from chromloom.logs import job_log
from chromloom.plotting.perturbation import plot_edit
from chromloom.plotting.style import apply_style, save_figure

with job_log(snakemake.log[0]):
    apply_style()
    figure = plot_edit(read_tsv(snakemake.input[0]), title=snakemake.wildcards.edit)
    save_figure(figure, None, Path(snakemake.output.png).with_suffix(""))
