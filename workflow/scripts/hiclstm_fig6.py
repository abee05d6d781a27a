import os
import tempfile
from pathlib import Path

from chromloom.attribution.panels import explain_sets
from chromloom.classification.labels import load_labels, read_label_sheet, read_task
from chromloom.files import read_parquet
from chromloom.logs import job_log
from chromloom.plotting.style import apply_style

params, output = snakemake.params, snakemake.output
with job_log(snakemake.log[0]):
    apply_style()
    bins = read_parquet(snakemake.input.attribution[0])
    sheet = read_label_sheet(snakemake.input.sheet, cell_type=params.cell_type)
    # Classes of elements: tasks of single bins that are present or not.
    sheet = sheet[sheet["kind"].isin(["binary", "boundaries", "anchors"])]
    labels = load_labels(sheet, bins[["chrom", "start", "end", "masked"]])
    sets = {task: label.y == 1 for task, label in labels.items()}
    domains = None
    if params.domains:
        sizes = bins.groupby("chrom", sort=False)["end"].max()
        domains = read_task(
            snakemake.input.sheet, params.domains, sizes, cell_type=params.cell_type
        )
    figures = Path(output.comparisons).parent
    with tempfile.TemporaryDirectory(dir=figures) as folder:
        explain_sets(
            snakemake.input.attribution[0],
            sets,
            folder,
            comparisons={name: tuple(pair) for name, pair in params.comparisons.items()},
            domains=domains,
            column=params.column,
            seed=params.seed,
        )
        for panel, name in params.panels.items():
            for suffix in ("pdf", "png", "tsv"):
                os.replace(f"{folder}/{name}.{suffix}", figures / f"{panel}.{suffix}")
        if params.comparisons:
            os.replace(f"{folder}/comparisons.tsv", output.comparisons)
        else:
            Path(output.comparisons).write_text("name\n")
