import json
from pathlib import Path

import cooler
import matplotlib.pyplot as plt

from chromloom.logs import job_log
from chromloom.plotting.reconstruction import plot_split_map
from chromloom.plotting.style import apply_style, save_figure
from chromloom.prediction.windows import choose_region, read_split, split_table

observed, predicted = snakemake.input.observed[0], snakemake.input.predicted[0]
with job_log(snakemake.log[0]):
    apply_style()
    settings = json.loads(Path(snakemake.input.settings[0]).read_text())["settings"]
    clr = cooler.Cooler(observed)
    chrom, start, end = choose_region(clr, snakemake.params.region)
    maps = read_split(observed, predicted, chrom, start, end)
    figure, ax = plt.subplots(figsize=(4.2, 3.6), layout="constrained")
    plot_split_map(*maps, start, clr.binsize, ax, frame=settings.get("frame"), label=chrom)
    save_figure(figure, split_table(*maps), Path(snakemake.output.fig3g).with_suffix(""))
