import os
import tempfile
from pathlib import Path

from chromloom.attribution.elements import explain_elements
from chromloom.classification.labels import read_label_sheet
from chromloom.logs import job_log

params, output = snakemake.params, snakemake.output
with job_log(snakemake.log[0]):
    sheet = read_label_sheet(params.sheet, cell_type=params.cell_type)
    # Rows whose file is what the task says; those that select names or scores are not.
    whole = (sheet[["select", "with", "without"]] == "").all(axis=1) & sheet["threshold"].isna()
    sheet = sheet[whole & sheet["kind"].isin(["binary", "boundaries", "anchors"])]
    sheet = sheet[sheet["path"].map(len) == 1]
    elements = {task: paths[0] for task, paths in sheet["path"].items()}
    figures = Path(output.fig6a).parent
    with tempfile.TemporaryDirectory(dir=figures) as folder:
        explain_elements(
            snakemake.input.attribution[0],
            elements,
            folder,
            formats=sheet["format"].to_dict(),
            comparisons={name: tuple(pair) for name, pair in params.comparisons.items()},
            domains=params.domains or None,
            seed=params.seed,
        )
        for panel, name in params.panels.items():
            for suffix in ("pdf", "png", "tsv"):
                os.replace(f"{folder}/{name}.{suffix}", figures / f"{panel}.{suffix}")
        os.replace(f"{folder}/comparisons.tsv", output.comparisons)
