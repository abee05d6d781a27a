from pathlib import Path

from chromloom.files import read_tsv
from chromloom.logs import job_log
from chromloom.plotting.perturbation import plot_distance_effect, plot_pileups
from chromloom.plotting.style import apply_style, save_figure

with job_log(snakemake.log[0]):
    apply_style()
    folder = Path(snakemake.output.fig8a).parent
    for panel, path, plot in (
        ("fig8a", snakemake.input.pileups[0], plot_pileups),
        ("fig8b", snakemake.input.distance[0], plot_distance_effect),
    ):
        table = read_tsv(path)
        save_figure(plot(table), table, folder / panel)
