from pathlib import Path

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
        {task: label.y == 1 for task, label in labels.items()},
        Path(snakemake.output.ranking).parent,
        comparisons={name: tuple(pair) for name, pair in params.comparisons.items()},
        domains=domains,
        column=params.column,
        seed=params.seed,
    )
