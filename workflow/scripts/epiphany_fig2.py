from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd

from chromloom.files import read_tsv
from chromloom.logs import job_log
from chromloom.plotting.predictors import OWN, plot_by_distance, plot_predictors, plot_submatrices
from chromloom.plotting.style import apply_style, save_figure

source, maps = snakemake.input, snakemake.params.maps
with job_log(snakemake.log[0]):
    apply_style()
    scores, distances, submatrices = (
        {name: read_tsv(path) for name, path in zip(maps, source[kind])}
        for kind in ("scores", "distances", "submatrices")
    )
    figure, axes = plt.subplots(
        len(maps), 4, figsize=(11, 2.6 * len(maps)), layout="constrained", squeeze=False
    )
    for row, name in zip(axes, maps):
        sample, resolution, _ = name.split(".")
        whole = scores[name][scores[name]["chrom"] == "all"]
        near = distances[name][distances[name]["chrom"] == "all"]
        plot_by_distance(near, int(resolution), row[0]).set_title(sample)
        plot_predictors(whole, "r", row[1])
        plot_predictors(whole, "insulation_r", row[2])
        first = whole["model"].iloc[0]
        parts = submatrices[name]
        plot_submatrices(parts[(parts["model"] == first) & (parts["signals"] == OWN)], row[3])
    table = pd.concat(
        [t.assign(kind=kind, map=name) for kind, own in
         (("score", scores), ("distance", distances), ("submatrix", submatrices))
         for name, t in own.items()],
        ignore_index=True,
    )  # fmt: skip
    save_figure(figure, table, Path(snakemake.output.png).with_suffix(""))
