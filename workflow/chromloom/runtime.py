"""Run time and memory of jobs, from the `benchmark:` files of Snakemake."""

from collections.abc import Iterable
from pathlib import Path

import pandas as pd


def read_benchmarks(paths: Iterable[str | Path]) -> pd.DataFrame:
    """Benchmark files under one another.

    Parameters
    ----------
    paths : iterable of path
        `…/benchmarks/{rule}/{job}.tsv` or `…/benchmarks/{rule}.tsv`.

    Returns
    -------
    DataFrame
        rule, job ("" where the rule has one) and Snakemake's columns (s, cpu_time in seconds,
        max_rss in MB, …; NaN where it took no sample), one row per repetition.
    """
    parts = []
    for path in map(Path, paths):
        inside = path.with_suffix("").parts
        inside = inside[len(inside) - inside[::-1].index("benchmarks") :]
        table = pd.read_csv(path, sep="\t", na_values="-")
        parts.append(table.assign(rule=inside[0], job="/".join(inside[1:])))
    return pd.concat(parts, ignore_index=True)


def summarise_costs(benchmarks: pd.DataFrame, by: list[str] | str) -> pd.DataFrame:
    """Jobs, seconds and memory of groups of jobs.

    Parameters
    ----------
    benchmarks : DataFrame
        As `read_benchmarks` gives it.
    by : str or list of str
        Columns that make a group.

    Returns
    -------
    DataFrame
        Index `by`, in the order of first mention: jobs, median_s, longest_s, cpu_s (sum),
        memory_mb (largest).
    """
    groups = benchmarks.groupby(by, sort=False)
    return pd.DataFrame(
        {
            "jobs": groups.size(),
            "median_s": groups["s"].median(),
            "longest_s": groups["s"].max(),
            "cpu_s": groups["cpu_time"].sum(),
            "memory_mb": groups["max_rss"].max(),
        }
    )
