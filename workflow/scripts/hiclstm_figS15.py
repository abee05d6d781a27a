from pathlib import Path

import matplotlib.pyplot as plt

from chromloom.files import read_tsv
from chromloom.logs import job_log
from chromloom.plotting.classification import plot_grid
from chromloom.plotting.style import apply_style, save_figure

with job_log(snakemake.log[0]):
    apply_style()
    table = read_tsv(snakemake.input[0])
    counted = table[table["few"] == "no"]
    groups = {"All tasks": counted, "Not circular": counted[counted["circular"] == "no"]}
    figure, axes = plt.subplots(1, 2, figsize=(7.5, 2.9), layout="constrained")
    for ax, (title, part) in zip(axes, groups.items()):
        mean = part.groupby(["max_depth", "n_trees"], as_index=False)["value"].mean()
        plot_grid(mean, ax, title=title)
    save_figure(figure, table, Path(snakemake.output.figS15).with_suffix(""))
