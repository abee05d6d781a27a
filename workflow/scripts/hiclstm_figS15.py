from pathlib import Path

import matplotlib.pyplot as plt

from chromloom.classification.classifiers import ClassifierSettings
from chromloom.classification.classify import ClassificationSettings
from chromloom.classification.search import search_xgboost
from chromloom.logs import job_log
from chromloom.plotting.classification import plot_grid
from chromloom.plotting.style import apply_style, save_figure

params = snakemake.params
with job_log(snakemake.log[0]):
    apply_style()
    table = search_xgboost(
        snakemake.input.parquet[0],
        snakemake.input.sheet,
        cell_type=params.cell_type,
        settings=ClassificationSettings(
            n_folds=params.folds,
            seed=params.seed,
            classifier=ClassifierSettings(nthread=snakemake.threads),
        ),
    )
    groups = {"All tasks": table, "Not circular": table[table["circular"] == "no"]}
    figure, axes = plt.subplots(1, 2, figsize=(7.5, 2.9), layout="constrained")
    for ax, (title, part) in zip(axes, groups.items()):
        mean = part.groupby(["max_depth", "n_trees"], as_index=False)["value"].mean()
        plot_grid(mean, ax, title=title)
    save_figure(figure, table, Path(snakemake.output.figS15).with_suffix(""))
