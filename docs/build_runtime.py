"""Write docs/runtime.md from a finished run: `python docs/build_runtime.py RUN_FOLDER [OUT]`.

Run time and memory are those of Snakemake's `benchmark:` files, the maps those of the QC tables.
"""

import os
import platform
import sys
from pathlib import Path

import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow"))

from chromloom.runtime import read_benchmarks, summarise_costs

HEAD = """# Run time and memory

Written by `python docs/build_runtime.py RUN_FOLDER` from the `benchmark:` files of a finished run
({machine}).
"Run time" is that of the wall clock, start of Python and imports included, and depends on what else
the machine did; "CPU time" is the work that was done, all cores together; "memory" is the most that
a job held. A job asks for more than that: the `resources` of the rules are meant for human maps.
"""
TAIL = """
What grows with what:

* extraction, normalization and analysis: with the pixels of the map;
* training and prediction: with the pairs of bins, that is with the sum of the squares of the
  chromosomes' lengths in bins. Halving the bin size makes four times as many pairs;
  `reconstruction.max_distance` bounds prediction;
* attribution: as training, times the points of the path integral (16 to 128);
* an edit: with the square of `perturbation.flank`, not with the genome;
* classification: with labelled bins, tasks, classifiers, protocols and folds.

`benchmarks/{rule}/` of your own run has the same numbers, one file per job.
"""


def read_run(folder: Path) -> pd.DataFrame:
    """Costs of every rule of a run, in the order of CPU time."""
    paths = sorted(Path(folder, "benchmarks").rglob("*.tsv"))
    if not paths:
        raise SystemExit(f"{folder} has no benchmarks/*.tsv; give the folder of a finished run")
    costs = summarise_costs(read_benchmarks(paths), "rule")
    return costs.sort_values("cpu_s", ascending=False)


def read_maps(folder: Path) -> pd.DataFrame:
    """Rows `all` of the QC tables: sample, resolution, n_bins, contacts."""
    paths = sorted(Path(folder, "results", "qc").glob("*.tsv"))
    tables = [pd.read_csv(path, sep="\t") for path in paths]
    tables = [table[table["chrom"] == "all"] for table in tables]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()


def document(folder: Path, machine: str) -> str:
    """The whole page."""
    lines = [HEAD.format(machine=machine)]
    maps = read_maps(folder)
    if len(maps):
        lines += ["| map | resolution (bp) | bins | contacts |", "|---|---|---|---|"]
        lines += [
            f"| {m.sample} | {m.resolution:,} | {m.n_bins:,} | {m.contacts:,.0f} |"
            for m in maps.itertuples()
        ]
        lines.append("")
    table = read_run(folder)
    lines += [
        "| rule | jobs | run time, median (s) | longest (s) | CPU time, sum (s) | memory (MB) |",
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| `{rule}` | {row.jobs:.0f} | {row.median_s:.1f} | {row.longest_s:.1f} | {row.cpu_s:.1f} "
        f"| {row.memory_mb:,.0f} |"
        for rule, row in table.iterrows()
    ]
    return "\n".join(lines) + "\n" + TAIL


def describe_machine() -> str:
    """Cores, architecture, system and Python of this machine."""
    return (
        f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()}, "
        f"Python {platform.python_version()}"
    )


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        raise SystemExit("usage: python docs/build_runtime.py RUN_FOLDER [OUT]")
    out = Path(sys.argv[2]) if len(sys.argv) == 3 else Path(__file__).parent / "runtime.md"
    out.write_text(document(Path(sys.argv[1]), describe_machine()))
