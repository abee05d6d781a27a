from pathlib import Path

import matplotlib.pyplot as plt

from chromloom.files import read_parquet, read_tsv
from chromloom.logs import job_log
from chromloom.plotting.attribution import (
    plot_domain_profile,
    plot_ranking,
    plot_violins,
    summarise_values,
)
from chromloom.plotting.style import apply_style, save_figure

files, score = snakemake.input, snakemake.params.column
with job_log(snakemake.log[0]):
    apply_style()
    folder = Path(snakemake.output.fig6e).parent
    ranking, profile = read_tsv(files.ranking[0]), read_tsv(files.profile[0])
    values = read_parquet(files.values[0])

    height = 1.2 + 0.2 * min(len(ranking), 25)
    figure, ax = plt.subplots(figsize=(4.5, height), layout="constrained")
    plot_ranking(ranking, ax, column=score)
    save_figure(figure, ranking, folder / "fig6e")

    width = 1.5 + 0.4 * max(values["name"].nunique(), 4)
    figure, ax = plt.subplots(figsize=(width, 3.5), layout="constrained")
    plot_violins(values, ax, column=score)
    save_figure(figure, summarise_values(values), folder / "fig6c")

    if snakemake.output.fig6a:
        figure, ax = plt.subplots(figsize=(4, 2.6), layout="constrained")
        plot_domain_profile(profile, ax, column=score)
        save_figure(figure, profile, folder / "fig6a")
