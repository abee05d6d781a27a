from pathlib import Path

import pandas as pd

from chromloom.files import read_tsv
from chromloom.logs import job_log
from chromloom.plotting.classification import plot_task_grid
from chromloom.plotting.style import apply_style, save_figure

with job_log(snakemake.log[0]):
    apply_style()
    metrics = pd.concat(map(read_tsv, snakemake.input), ignore_index=True)
    metrics = metrics[metrics["metric"] == "mAP"]
    other = metrics["protocol"].str.startswith("from-")
    metrics["map"] = metrics["sample"] + ", " + (metrics["resolution"] // 1000).astype(str) + " kb"
    metrics.loc[other, "map"] += ", classifier of " + metrics["protocol"].str.removeprefix("from-")
    shown = metrics[other | (metrics["protocol"] == "honest")]
    figure = plot_task_grid(shown, columns="model", by="map")
    save_figure(figure, shown, Path(snakemake.output.fig4c).with_suffix(""))
