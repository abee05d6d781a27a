from pathlib import Path

import pandas as pd

from chromloom.logs import job_log
from chromloom.plotting.perturbation import plot_edit, plot_observed_edit
from chromloom.plotting.style import apply_style, save_figure

files, edit = snakemake.input, snakemake.params.edit
with job_log(snakemake.log[0]):
    apply_style()
    maps = pd.read_table(files.maps[0])
    folder = Path(snakemake.output.fig7).parent
    save_figure(plot_edit(maps, title=edit), maps, folder / "fig7")
    if files.pairs:
        pairs, scores = pd.read_table(files.pairs[0]), pd.read_table(files.scores[0])
        save_figure(plot_observed_edit(pairs, scores, title=edit), pairs, folder / "fig7d")
