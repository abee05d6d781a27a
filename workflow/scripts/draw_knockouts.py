from pathlib import Path

from chromloom.files import read_tsv
from chromloom.logs import job_log
from chromloom.plotting.perturbation import (
    plot_distance_effect,
    plot_knockout_ranking,
    plot_pileups,
)
from chromloom.plotting.style import apply_style, save_figure

with job_log(snakemake.log[0]):
    apply_style()
    folder = Path(snakemake.output.ranking).parent
    comparison, distance, pileups = (
        read_tsv(snakemake.input[name]) for name in ("comparison", "distance", "pileups")
    )
    save_figure(plot_knockout_ranking(comparison), None, folder / "ranking")
    save_figure(plot_distance_effect(distance), None, folder / "distance")
    save_figure(plot_pileups(pileups), None, folder / "pileups")
