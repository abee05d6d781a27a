from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd

from chromloom.evaluation.shown import (
    OBSERVED,
    call_boundaries,
    call_pairs,
    choose_submatrices,
    read_regions,
)
from chromloom.files import read_tsv
from chromloom.genome.regions import parse_region
from chromloom.logs import job_log
from chromloom.normalize.maps import NormalizedMap
from chromloom.plotting.predictors import plot_region
from chromloom.plotting.style import apply_style, save_figure
from chromloom.prediction.windows import split_table

source, params, panel = snakemake.input, snakemake.params, snakemake.wildcards.panel
WINDOW = 50  # bins, of the diamond of figure 2d
with job_log(snakemake.log[0]):
    apply_style()
    observed = NormalizedMap(source.cool[0])
    predicted = dict(zip(params.predictors, source.predicted))
    squares = choose_submatrices(read_tsv(source.submatrices), params.predictors[0])
    shown = ["best", "worst"] if panel == "fig3b" else ["typical"]
    if params.region and panel != "fig3b":
        squares, shown = {"": parse_region(params.region, observed.bins.chromsizes)}, [""]
    regions = {name: read_regions(observed, predicted, *squares[name]) for name in shown}
    names = [OBSERVED, *predicted]
    columns = len(shown) if panel != "figS2" else 3
    figure, axes = plt.subplots(
        len(names), columns, figsize=(4.2 * columns, 1.7 * len(names)), layout="constrained",
        squeeze=False, sharex="col",
    )  # fmt: skip
    tables = []
    for column, (name, maps) in zip(axes.T, regions.items()):
        chrom, start, end = squares[name]
        place = {"start": start, "resolution": observed.resolution, "reach": params.reach}
        window = min(WINDOW, params.reach // observed.resolution // 2)
        seen = call_boundaries(maps[OBSERVED], window)
        for k, (label, ratio) in enumerate(maps.items()):
            lines = [seen, call_boundaries(ratio, window)] if panel == "fig2d" else []
            plot_region(ratio, ax=column[k], boundaries=lines[: k + 1], **place)
            column[k].set_ylabel(label)
            tables.append(split_table(maps[OBSERVED], ratio).assign(model=label, region=name))
            tables[-1] = tables[-1].assign(chrom=chrom, start=start)
            if panel == "figS2":
                called = call_pairs(ratio)
                plot_region(called, ax=axes[k, 1], kind="called", **place)
                missed = call_pairs(maps[OBSERVED]) - called
                plot_region(missed, ax=axes[k, 2], kind="called", **place)
        column[0].set_title(f"{name} {chrom}:{start:,}-{end:,}".strip())
    if panel == "figS2":
        axes[0, 1].set_title("O/E of 2 or more")
        axes[0, 2].set_title("missed (1), called in vain (-1)")
    for ax in axes[:-1].flat:
        ax.set_xlabel("")
    table = pd.concat(tables, ignore_index=True).query("bin1 <= bin2")
    near = (table["bin2"] - table["bin1"]) * observed.resolution <= params.reach
    save_figure(figure, table[near], Path(snakemake.output.png).with_suffix(""))
