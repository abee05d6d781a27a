from pathlib import Path

import numpy as np

from chromloom.attribution.explain import explain_sets
from chromloom.classification.labels import ELEMENTS, load_labels, read_label_sheet, read_task
from chromloom.files import read_parquet
from chromloom.logs import job_log

params = snakemake.params
with job_log(snakemake.log[0]):
    bins = read_parquet(snakemake.input.attribution)
    sheet = read_label_sheet(snakemake.input.sheet, cell_type=params.cell_type)
    sheet = sheet[sheet["kind"].isin(ELEMENTS)]
    labels = load_labels(sheet, bins[["chrom", "start", "end", "masked"]])
    domains = None
    if params.domains:
        sizes = bins.groupby("chrom", sort=False)["end"].max()
        domains = read_task(
            snakemake.input.sheet, params.domains, sizes, cell_type=params.cell_type
        )
    explain_sets(
        snakemake.input.attribution,
        # A task without labels on this map is an empty set.
        {
            task: labels[task].y == 1 if task in labels else np.zeros(len(bins), bool)
            for task in sheet.index
        },
        Path(snakemake.output.ranking).parent,
        comparisons={name: tuple(pair) for name, pair in params.comparisons.items()},
        domains=domains,
        column=params.column,
        seed=params.seed,
    )
