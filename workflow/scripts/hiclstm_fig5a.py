import json
from pathlib import Path

import cooler
import matplotlib.pyplot as plt
import pandas as pd

from chromloom.logs import job_log
from chromloom.plotting.reconstruction import plot_split_map
from chromloom.plotting.style import apply_style, save_figure
from chromloom.prediction.windows import choose_region, read_split, split_table

with job_log(snakemake.log[0]):
    apply_style()
    files = snakemake.input
    runs = sorted(
        zip(files.observed, files.predicted, files.settings),
        key=lambda run: cooler.Cooler(run[0]).binsize,
    )
    shape = {"figsize": (4.2 * len(runs), 3.6), "squeeze": False, "layout": "constrained"}
    figure, axes = plt.subplots(1, len(runs), **shape)
    tables = []
    for ax, (observed, predicted, settings) in zip(axes.flat, runs):
        clr = cooler.Cooler(observed)
        chrom, start, end = choose_region(clr, snakemake.params.region)
        maps = read_split(observed, predicted, chrom, start, end)
        frame = json.loads(Path(settings).read_text())["settings"].get("frame")
        plot_split_map(*maps, start, clr.binsize, ax, frame=frame, label=chrom)
        ax.set_title(f"{clr.binsize / 1000:g} kb")
        tables.append(split_table(*maps).assign(resolution=clr.binsize, chrom=chrom, start=start))
    save_figure(figure, pd.concat(tables), Path(snakemake.output.png).with_suffix(""))
