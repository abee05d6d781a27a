import pandas as pd
from matplotlib import pyplot as plt

from chromloom.files import read_tsv
from chromloom.logs import job_log
from chromloom.plotting.perturbation import plot_observed_changes
from chromloom.plotting.style import apply_style, save_figure

with job_log(snakemake.log[0]):
    apply_style()
    tables = [read_tsv(path) for path in snakemake.input.pairs]
    scores = [read_tsv(path) for path in snakemake.input.scores]
    figure, axes = plt.subplots(
        1, len(tables), figsize=(3.2 * len(tables), 3), layout="constrained", squeeze=False
    )
    for pairs, score, ax in zip(tables, scores, axes[0]):
        plot_observed_changes(pairs, ax, title=score["against"].iloc[0])
    save_figure(figure, pd.concat(scores), snakemake.output[0].removesuffix(".pdf"))
