from pathlib import Path

import cooler
import pandas as pd

from chromloom.attribution.explain import read_locus
from chromloom.classification.labels import load_labels, read_label_sheet
from chromloom.files import read_parquet
from chromloom.logs import job_log
from chromloom.plotting.attribution import plot_locus
from chromloom.plotting.style import apply_style, save_figure
from chromloom.prediction.windows import choose_region

files, params = snakemake.input, snakemake.params
with job_log(snakemake.log[0]):
    apply_style()
    chrom, start, end = choose_region(cooler.Cooler(files.observed[0]), params.region)
    tracks = {"E1": files.E1[0], "insulation": files.insulation[0]}
    table = read_locus(files.attribution[0], (chrom, start, end), tracks=tracks)
    elements = {}
    if files.labels:
        sheet = read_label_sheet(files.sheet, cell_type=params.cell_type)
        sheet = sheet[sheet["kind"] != "pairs"]
        bins = read_parquet(files.attribution[0])[["chrom", "start", "end", "masked"]]
        inside = (bins["chrom"] == chrom) & (bins["end"] > start) & (bins["start"] < end)
        for task, label in load_labels(sheet, bins).items():
            if label.kind == "multiclass":
                classes = pd.Categorical.from_codes(label.y, label.classes)
                elements[task] = bins.assign(**{"class": classes})[inside & (label.y >= 0)]
            else:
                elements[task] = bins[inside & (label.y == 1)]
    figure = plot_locus(table, column="normalised", tracks=list(tracks), elements=elements)
    save_figure(figure, table, Path(snakemake.output.fig6b).with_suffix(""))
