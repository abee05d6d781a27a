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
    shown, shuffled = (
        metrics[metrics["protocol"].isin(names)]
        for names in (["honest", "retrained"], ["shuffled"])
    )
    figure = plot_task_grid(shown, columns="model", by="protocol", control=shuffled)
    save_figure(figure, metrics, Path(snakemake.output.fig4g).with_suffix(""))
