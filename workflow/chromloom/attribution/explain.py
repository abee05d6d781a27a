"""Attributions of sets of bins as tables, and along a region: what the article's Fig. 6 shows."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from chromloom.attribution.aggregate import compare_sets, profile_domains, rank_sets
from chromloom.attribution.sets import parse_expression
from chromloom.errors import InputError
from chromloom.files import atomic_path, read_parquet, write_tsv
from chromloom.signals.tracks import read_track


def explain_sets(
    attribution: str | Path,
    sets: Mapping[str, np.ndarray],
    out_dir: str | Path,
    *,
    comparisons: Mapping[str, tuple[str, str]] | None = None,
    domains: pd.DataFrame | None = None,
    column: str = "z",
    n_permutations: int = 1000,
    seed: int = 0,
) -> None:
    """Rank and compare sets of bins, such as labels, by their attribution.

    Parameters
    ----------
    attribution : str or Path
        Parquet of `attribute`.
    sets : mapping of str to ndarray, (n_bins,), bool
        Name -> bins.
    out_dir : str or Path
        Gets `ranking.tsv` (see `rank_sets`), `comparisons.tsv` (see `compare_sets`), `profile.tsv`
        (see `profile_domains`; no rows without domains) and `values.parquet` (name, value: the
        score of every unmasked bin of each set, and of both sides of each comparison as
        `{comparison}: 1` and `{comparison}: 2`).
    comparisons : mapping of str to (str, str), optional
        Comparison -> two names of `sets`. A name `a&b` is the bins of both, `a-b` those of a
        without b (`CTCF&RAD21&loops` against `CTCF&RAD21-loops`).
    domains : DataFrame, optional
        chrom, start, end of the domains of the profile.
    column : str
        z, normalised, score, row, column or contrast.
    n_permutations, seed : int

    Raises
    ------
    InputError
        An unknown column or name, or a file that cannot be read.
    """
    scores, out_dir = _read_scores(attribution, column), Path(out_dir)
    pairs = {
        name: (_combine(first, sets), _combine(second, sets))
        for name, (first, second) in (comparisons or {}).items()
    }
    settings: dict[str, Any] = {"column": column, "n_permutations": n_permutations, "seed": seed}
    write_tsv(rank_sets(scores, sets, **settings), out_dir / "ranking.tsv")
    write_tsv(compare_sets(scores, pairs, **settings), out_dir / "comparisons.tsv")
    profile = profile_domains(scores, pd.DataFrame() if domains is None else domains, column=column)
    write_tsv(profile.iloc[: 0 if domains is None else None], out_dir / "profile.tsv")
    shown = dict(sets)
    for name, (first, second) in pairs.items():
        shown[f"{name}: 1"], shown[f"{name}: 2"] = first, second & ~first
    values = {name: scores.loc[members, column].dropna() for name, members in shown.items()}
    table = pd.DataFrame(
        {
            "name": np.repeat(list(values), [len(own) for own in values.values()]),
            "value": np.concatenate([[], *values.values()]).astype(np.float32),
        }
    )
    with atomic_path(out_dir / "values.parquet") as path:
        table.to_parquet(path, index=False)


def read_locus(
    attribution: str | Path,
    region: tuple[str, int, int],
    *,
    tracks: Mapping[str, str | Path] | None = None,
) -> pd.DataFrame:
    """An attribution along a region, with tracks beside it.

    Parameters
    ----------
    attribution : str or Path
        Parquet of `attribute`.
    region : (str, int, int)
        Chromosome, start, end.
    tracks : mapping of str to path, optional
        bigWig or bedGraph files.

    Returns
    -------
    DataFrame
        The attribution's rows of the bins that the region touches, and one column per track (mean
        in the bin, NaN where it has no value).

    Raises
    ------
    InputError
        The region holds no bin, or a file cannot be read.
    """
    scores, (chrom, start, end) = read_parquet(attribution), region
    chromsizes = scores.groupby("chrom", sort=False)["end"].max()
    inside = (scores["chrom"] == chrom) & (scores["end"] > start) & (scores["start"] < end)
    if not inside.any():
        raise InputError(f"{attribution}: region {chrom}:{start}-{end} holds no bin; correct it")
    scores = scores[inside].reset_index(drop=True)
    values = {name: read_track(path, scores, chromsizes) for name, path in (tracks or {}).items()}
    return scores.assign(**values)


def _read_scores(attribution, column):
    scores = read_parquet(attribution)
    if column not in scores:
        raise InputError(f"{attribution} has no column '{column}'; it has {', '.join(scores)}")
    return scores


def _combine(expression, sets):
    """Bins of `a&b-c`: of a and b, without c."""
    members = None
    for sign, part in parse_expression(expression):
        if part not in sets:
            raise InputError(f"comparison '{expression}': '{part}' is none of {', '.join(sets)}")
        own = sets[part] if sign == "&" else ~sets[part]
        members = own if members is None else members & own
    return members
