from pathlib import Path

import cooler

from chromloom.attribution.explain import read_locus
from chromloom.classification.labels import read_label_sheet, read_task
from chromloom.logs import job_log
from chromloom.plotting.attribution import plot_locus
from chromloom.plotting.style import apply_style, save_figure
from chromloom.prediction.windows import choose_region

files, params = snakemake.input, snakemake.params
with job_log(snakemake.log[0]):
    apply_style()
    observed = cooler.Cooler(files.observed[0])
    chrom, start, end = choose_region(observed, params.region)
    tracks = {"E1": files.E1[0], "insulation": files.insulation[0]}
    table = read_locus(files.attribution[0], (chrom, start, end), tracks=tracks)
    elements = {}
    if files.labels:
        sheet = read_label_sheet(files.sheet, cell_type=params.cell_type)
        for task in sheet["task"][sheet["kind"].isin(["binary", "boundaries", "anchors"])]:
            own = read_task(files.sheet, task, observed.chromsizes, cell_type=params.cell_type)
            elements[task] = own[
                (own["chrom"] == chrom) & (own["end"] > start) & (own["start"] < end)
            ]
    figure = plot_locus(table, column="normalised", tracks=list(tracks), elements=elements)
    save_figure(figure, table, Path(snakemake.output.fig6b).with_suffix(""))
