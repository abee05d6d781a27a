import json
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd

from chromloom.files import read_tsv
from chromloom.logs import job_log
from chromloom.plotting.expression import plot_strata, plot_windows
from chromloom.plotting.style import apply_style, save_figure

source = snakemake.input
with job_log(snakemake.log[0]):
    apply_style()
    scores = read_tsv(source.scores)
    scores = scores[scores["chrom"] == "all"]
    parts = []
    for name, folder in zip(snakemake.params.models, source.models):
        config = json.loads(next(Path(folder).glob("*/config.json")).read_text())
        if "reach" in config["settings"]:
            window = 2 * config["settings"]["reach"]
            own = scores[scores["model"] == name].assign(model=config["model"], window=window)
            parts.append(own)
    windows = pd.concat(parts) if parts else scores.head(0).assign(window=0)
    windows = windows.drop_duplicates(["model", "window", "metric"])
    strata = read_tsv(source.strata)
    figure, axes = plt.subplots(1, 2, figsize=(8, 2.8), layout="constrained")
    plot_windows(windows, ax=axes[0])
    plot_strata(strata, ax=axes[1])
    figure.suptitle(snakemake.wildcards.cell_type)
    table = pd.concat([strata, windows], ignore_index=True)
    save_figure(figure, table, Path(snakemake.output.png).with_suffix(""))
