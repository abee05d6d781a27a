from pathlib import Path

import pandas as pd

from chromloom.classification.paired import compare_protocols, describe_protocols
from chromloom.files import atomic_path, read_tsv
from chromloom.logs import job_log
from chromloom.plotting.classification import (
    plot_confusions,
    plot_curves,
    plot_task_grid,
)
from chromloom.plotting.style import apply_style, save_figure


def stem(name):
    return Path(snakemake.output[name]).with_suffix("")


def read(paths):
    return pd.concat(map(read_tsv, paths), ignore_index=True)


with job_log(snakemake.log[0]):
    apply_style()
    metrics = read(snakemake.input.tables)
    honest, shuffled, published = (
        metrics[metrics["protocol"] == name] for name in ("honest", "shuffled", "published")
    )
    figure = plot_task_grid(honest, columns="metric", control=shuffled)
    save_figure(figure, metrics, stem("fig4a"))

    both = pd.concat([honest, published]).query("metric == 'mAP'")
    figure = plot_task_grid(both, columns="model", by="protocol", control=shuffled)
    protocols = compare_protocols(metrics)
    save_figure(figure, protocols, stem("fig4e"))
    with atomic_path(snakemake.output.sentence) as path:
        path.write_text(describe_protocols(protocols) + "\n")

    first = metrics["classifier"].iloc[:1].tolist()
    curves, confusion = (
        read(paths) for paths in (snakemake.input.curves, snakemake.input.confusion)
    )
    curves, confusion = (
        table[table["classifier"].isin(first) & (table["protocol"] == "honest")]
        for table in (curves, confusion)
    )
    save_figure(plot_curves(curves), curves, stem("fig4d"))
    save_figure(plot_confusions(confusion), confusion, stem("figS3"))
