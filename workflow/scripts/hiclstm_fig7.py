from pathlib import Path

from chromloom.files import read_tsv
from chromloom.logs import job_log
from chromloom.plotting.perturbation import plot_edit, plot_observed_edit
from chromloom.plotting.style import apply_style, save_figure

files, edit = snakemake.input, snakemake.params.edit
with job_log(snakemake.log[0]):
    apply_style()
    maps = read_tsv(files.maps[0])
    folder = Path(snakemake.output.fig7).parent
    save_figure(plot_edit(maps, title=edit), maps, folder / "fig7")
    if files.pairs:
        pairs, scores = read_tsv(files.pairs[0]), read_tsv(files.scores[0])
        save_figure(plot_observed_edit(pairs, scores, title=edit), pairs, folder / "fig7d")
