"""Attributions summed over elements and drawn: the panels of the article's Fig. 6."""

import logging
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from chromloom.attribution.aggregate import (
    bins_overlapping,
    compare_sets,
    profile_domains,
    rank_sets,
)
from chromloom.errors import InputError
from chromloom.files import read_parquet, write_tsv
from chromloom.genome.intervals import read_intervals
from chromloom.signals.tracks import read_track

logger = logging.getLogger(__name__)


def explain_elements(
    attribution: str | Path,
    elements: Mapping[str, str | Path],
    out_dir: str | Path,
    *,
    formats: Mapping[str, str] | None = None,
    comparisons: Mapping[str, tuple[str, str]] | None = None,
    domains: str | None = None,
    column: str = "z",
    n_permutations: int = 1000,
    seed: int = 0,
) -> None:
    """Aggregate an attribution over elements: ranking, comparisons, violins, domain profile.

    Parameters
    ----------
    attribution : str or Path
        Parquet of `attribute`.
    elements : mapping of str to path
        Name -> label file. For transcription factors: `peak_files(folder)`.
    out_dir : str or Path
        Gets `ranking.tsv` (see `rank_sets`), `comparisons.tsv` (see `compare_sets`),
        `profile.tsv` (see `profile_domains`), and `ranking`, `violins`, `profile` as .pdf and .png
        with the numbers drawn.
    formats : mapping of str to str, optional
        Format of a file (of `classification.intervals`); bed where none is given.
    comparisons : mapping of str to (str, str), optional
        Comparison -> two names of `elements`. A name `a&b` is the bins of both, `a-b` those of a
        without b (`CTCF&RAD21&loops` against `CTCF&RAD21-loops`).
    domains : str, optional
        Which of `elements` are domains, for the profile.
    column : str
        z, normalised, score, row, column or contrast.
    n_permutations, seed : int

    Raises
    ------
    InputError
        An unknown column or name, or a file that cannot be read.
    """
    scores = _read_scores(attribution, column)
    chromsizes = scores.groupby("chrom", sort=False)["end"].max()
    formats = formats or {}
    regions = {
        name: read_intervals(path, formats.get(name, "bed"), chromsizes)
        for name, path in elements.items()
    }
    sets = {name: bins_overlapping(_both_ends(table), scores) for name, table in regions.items()}
    explain_sets(
        attribution,
        sets,
        out_dir,
        comparisons=comparisons,
        domains=None if domains is None else regions[domains],
        column=column,
        n_permutations=n_permutations,
        seed=seed,
    )


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
    """The same for sets of bins that are known already, such as labels.

    Parameters
    ----------
    attribution, out_dir, comparisons, column, n_permutations, seed
        As for `explain_elements`.
    sets : mapping of str to ndarray, (n_bins,), bool
        Name -> bins.
    domains : DataFrame, optional
        chrom, start, end of the domains of the profile.
    """
    from matplotlib import pyplot as plt

    from chromloom.plotting.attribution import plot_domain_profile, plot_ranking, plot_violins
    from chromloom.plotting.style import save_figure

    scores = _read_scores(attribution, column)
    pairs = {
        name: (_combine(first, sets), _combine(second, sets))
        for name, (first, second) in (comparisons or {}).items()
    }
    settings = {"column": column, "n_permutations": n_permutations, "seed": seed}
    ranking, out_dir = rank_sets(scores, sets, **settings), Path(out_dir)
    height = 0.8 + 0.2 * min(len(ranking), 25)
    figure, axes = plt.subplots(figsize=(4.5, height), layout="constrained")
    plot_ranking(ranking, axes, label=column)
    save_figure(figure, ranking, out_dir / "ranking")
    if pairs:
        write_tsv(compare_sets(scores, pairs, **settings), out_dir / "comparisons.tsv")
    shown = dict(sets)
    for name, (first, second) in pairs.items():
        shown[f"{name}: 1"], shown[f"{name}: 2"] = first, second & ~first
    values = {name: scores.loc[members, column].to_numpy() for name, members in shown.items()}
    figure, axes = plt.subplots(figsize=(1.5 + 0.4 * len(values), 3.5), layout="constrained")
    plot_violins(values, axes, label=column)
    quartiles = pd.DataFrame(
        [
            (name, np.isfinite(v).sum(), *np.nanpercentile(v, [25, 50, 75]))
            for name, v in values.items()
            if np.isfinite(v).any()
        ],
        columns=["name", "n_bins", "q25", "median", "q75"],
    )
    save_figure(figure, quartiles, out_dir / "violins")
    if domains is not None:
        profile = profile_domains(scores, domains, column=column)
        figure, axes = plt.subplots(figsize=(4, 2.6), layout="constrained")
        plot_domain_profile(profile, axes, label=column)
        save_figure(figure, profile, out_dir / "profile")


def peak_files(folder: str | Path) -> dict[str, Path]:
    """Peak files of a folder by name: `GM12878_CTCF.narrowPeak.gz` is `GM12878_CTCF`.

    Raises
    ------
    InputError
        There is none (.bed, .narrowPeak, .broadPeak; gzip too).
    """
    suffixes = (".bed", ".narrowPeak", ".broadPeak")
    found = {}
    for path in sorted(Path(folder).glob("*")):
        plain = path.name.removesuffix(".gz")
        if plain.endswith(suffixes):
            found[plain.rsplit(".", 1)[0]] = path
    if not found:
        raise InputError(f"{folder} holds no peak files; expected {', '.join(suffixes)} (gzip too)")
    return found


def draw_locus(
    attribution: str | Path,
    region: str,
    out: str | Path,
    *,
    tracks: Mapping[str, str | Path] | None = None,
    elements: Mapping[str, str | Path] | None = None,
    column: str = "normalised",
) -> None:
    """Draw an attribution along a region, with tracks and elements below (article, Fig. 6b).

    Parameters
    ----------
    attribution : str or Path
        Parquet of `attribute`.
    region : str
        `chrom:start-end`, 0-based half-open.
    out : str or Path
        Stem of the .pdf, .png and .tsv.
    tracks : mapping of str to path, optional
        bigWig or bedGraph files.
    elements : mapping of str to path, optional
        BED files.
    column : str
    """
    from chromloom.plotting.attribution import plot_locus
    from chromloom.plotting.style import save_figure

    scores = read_parquet(attribution)
    chromsizes = scores.groupby("chrom", sort=False)["end"].max()
    chrom, _, span = region.replace(",", "").partition(":")
    start, _, end = span.partition("-")
    if chrom not in chromsizes or not (start.isdigit() and end.isdigit()):
        raise InputError(
            f"region '{region}' is not chrom:start-end; chromosomes are "
            f"{', '.join(chromsizes.index)}"
        )
    inside = (
        (scores["chrom"] == chrom) & (scores["end"] > int(start)) & (scores["start"] < int(end))
    )
    if not inside.any():
        raise InputError(f"region '{region}' holds no bin of {chrom} (0-{chromsizes[chrom]})")
    scores = scores[inside].reset_index(drop=True)
    values = {name: read_track(path, scores, chromsizes) for name, path in (tracks or {}).items()}
    spans = {}
    for name, path in (elements or {}).items():
        table = read_intervals(path, "bed", chromsizes)
        spans[name] = table[
            (table["chrom"] == chrom) & (table["end"] > int(start)) & (table["start"] < int(end))
        ]
    figure = plot_locus(scores, column=column, tracks=values, elements=spans)
    save_figure(figure, scores.assign(**values), out)


def _read_scores(attribution, column):
    scores = read_parquet(attribution)
    if column not in scores:
        raise InputError(f"{attribution} has no column '{column}'; it has {', '.join(scores)}")
    return scores


def _both_ends(table):
    """chrom, start, end of intervals and of the second ends of pairs."""
    second = table[table["start2"] >= 0]
    ends = second[["chrom", "start2", "end2"]].set_axis(["chrom", "start", "end"], axis=1)
    return pd.concat([table[["chrom", "start", "end"]], ends])


def _combine(expression, sets):
    """Bins of `a&b-c`: of a and b, without c."""
    members, sign = None, "&"
    for part in expression.replace("&", "\0&\0").replace("-", "\0-\0").split("\0"):
        if part in ("&", "-"):
            sign = part
            continue
        if part not in sets:
            raise InputError(f"comparison '{expression}': '{part}' is none of {', '.join(sets)}")
        own = sets[part] if sign == "&" else ~sets[part]
        members = own if members is None else members & own
    return members
