from functools import partial
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd

from chromloom.files import read_tsv
from chromloom.logs import job_log
from chromloom.plotting.predictors import (
    OWN,
    plot_by_distance,
    plot_found,
    plot_insulation,
    plot_submatrices,
)
from chromloom.plotting.style import apply_style, save_figure

panel, shown = snakemake.wildcards.panel, snakemake.params.predictors
with job_log(snakemake.log[0]):
    apply_style()
    tables, drawn = {}, {}
    for path, (name, predictors) in zip(snakemake.input, shown.items()):
        table = read_tsv(path)
        table = table[(table["signals"] == OWN) & table["model"].isin(predictors)]
        if panel != "fig3a" and panel != "fig2e":
            table = table[table["chrom"] == "all"]
        tables[name], resolution = table, int(name.split(".")[1])
        if panel == "fig3a":
            own = {model: table[table["model"] == model] for model in predictors}
            drawn[name] = [(model, partial(plot_submatrices, each)) for model, each in own.items()]
        elif panel == "fig2e":
            drawn[name] = [
                ("", partial(plot_found, table, z, precision=precision))
                for z in ("z2", "z3")
                for precision in (False, True)
            ]
        else:
            plot, values = {
                "fig2c": (plot_insulation, ("r", "found")),
            }.get(panel, (plot_by_distance, ("r", "spearman")))
            drawn[name] = [("", partial(plot, table, resolution, value=v)) for v in values]
    columns = max(map(len, drawn.values()))
    figure, axes = plt.subplots(
        len(drawn), columns, figsize=(2.9 * columns, 2.6 * len(drawn)), layout="constrained",
        squeeze=False,
    )  # fmt: skip
    for row, (name, pictures) in zip(axes, drawn.items()):
        for ax in row[len(pictures) :]:
            ax.set_axis_off()
        for ax, (title, plot) in zip(row, pictures):
            plot(ax=ax)
            ax.set_title(title + ("\n" if title and ax.get_title() else "") + ax.get_title())
        row[0].annotate(
            name.split(".")[0], (0, 0.5), (-42, 0), xycoords="axes fraction", rotation=90,
            textcoords="offset points", va="center", ha="right",
        )  # fmt: skip
    table = pd.concat([t.assign(map=name) for name, t in tables.items()], ignore_index=True)
    save_figure(figure, table, Path(snakemake.output.png).with_suffix(""))
