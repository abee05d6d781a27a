from pathlib import Path

import pandas as pd

from chromloom.logs import job_log
from chromloom.plotting.perturbation import plot_edit
from chromloom.plotting.style import apply_style, save_figure

with job_log(snakemake.log[0]):
    apply_style()
    figure = plot_edit(pd.read_table(snakemake.input[0]), title=snakemake.wildcards.edit)
    save_figure(figure, None, Path(snakemake.output.png).with_suffix(""))
