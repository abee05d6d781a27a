from pathlib import Path

from chromloom.files import read_parquet, read_tsv
from chromloom.logs import job_log
from chromloom.plotting.structure import plot_chains
from chromloom.plotting.style import apply_style, save_figure

with job_log(snakemake.log[0]):
    apply_style()
    chains = read_parquet(snakemake.input.coordinates)
    figure = plot_chains(chains, read_tsv(snakemake.input.scores), title=snakemake.wildcards.map)
    save_figure(figure, chains, Path(snakemake.output.png).with_suffix(""))
