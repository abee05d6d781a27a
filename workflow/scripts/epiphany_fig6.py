from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd

from chromloom.evaluation.shown import read_change
from chromloom.files import read_tsv
from chromloom.logs import job_log
from chromloom.plotting.predictors import plot_region
from chromloom.plotting.style import apply_style, save_figure
from chromloom.prediction.windows import split_table

source, params = snakemake.input, snakemake.params
with job_log(snakemake.log[0]):
    apply_style()
    n = len(params.runs)
    figure, axes = plt.subplots(
        3, n, figsize=(4.2 * n, 5), layout="constrained", squeeze=False, sharex="col"
    )
    tables = []
    for column, run, reach, before, after, edits in zip(
        axes.T, params.runs, params.reach, source.before, source.after, source.edits
    ):
        resolution, edit = int(run.split(".")[1]), read_tsv(edits).iloc[0]
        chrom, first, last = str(edit["chrom"]), int(edit["start"]), int(edit["end"])
        start, end = max(first - reach, 0) // resolution * resolution, last + reach
        maps = read_change(before, after, resolution, (chrom, start, end))
        for ax, (name, values) in zip(column, maps.items()):
            kind = "change" if name == "change" else "ratio"
            plot_region(values, start, resolution, ax, reach=reach, kind=kind)
            ax.set_ylabel("log2 change" if name == "change" else name)
            for edge in (first, last):
                ax.axvline(edge / 1e6, color="0", lw=0.6, ls=":")
        column[0].set_title(f"{run}\n{chrom}:{first:,}-{last:,}")
        own = split_table(maps["before"], maps["after"]).set_axis(
            ["bin1", "bin2", "before", "after"], axis=1
        )
        tables.append(own.assign(run=run, chrom=chrom, start=start))
    table = pd.concat(tables, ignore_index=True).query("bin1 <= bin2").dropna()
    save_figure(figure, table, Path(snakemake.output.png).with_suffix(""))
