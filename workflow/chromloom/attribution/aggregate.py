"""Attribution over elements: domains, classes of elements, transcription factors (article, Fig. 6).

Every comparison is made against *matched random bins*: the same set of bins rotated along each
chromosome's unmasked bins, which keeps number, chromosome and spacing of the elements and the
autocorrelation of the scores. A shuffle of single bins would keep none of these and give p-values
that are far too small.
"""

from collections.abc import Mapping

import bioframe
import numpy as np
import pandas as pd
from scipy.stats import false_discovery_control


def bins_overlapping(regions: pd.DataFrame, bins: pd.DataFrame) -> np.ndarray:
    """Which bins a set of regions (chrom, start, end; half-open) touches, (n_bins,), bool."""
    if regions.empty:  # which bioframe cannot count
        return np.zeros(len(bins), bool)
    place = ["chrom", "start", "end"]
    return bioframe.count_overlaps(bins[place], regions[place])["count"].to_numpy() > 0


def rank_sets(
    scores: pd.DataFrame,
    sets: Mapping[str, np.ndarray],
    *,
    column: str = "z",
    n_permutations: int = 1000,
    seed: int = 0,
) -> pd.DataFrame:
    """Rank sets of bins by mean score, each against matched random bins.

    Parameters
    ----------
    scores : DataFrame
        chrom and `column` for every bin; NaN = masked.
    sets : mapping of str to ndarray, (n_bins,), bool
        Bins of every element class or factor.
    column : str
        Score.
    n_permutations, seed : int
        Random rotations.

    Returns
    -------
    DataFrame
        name, n_bins, mean, median, random_mean, random_sd, effect (mean - random_mean), p_value
        (two-sided, (1 + exceeding) / (1 + permutations)), q_value (Benjamini-Hochberg); sorted by
        mean, highest first. A set without unmasked bins has n_bins 0 and NaN.
    """
    values = scores[column].to_numpy(float)
    rotations = _Rotations(scores, values, n_permutations, seed)
    rows = []
    for name, members in sets.items():
        kept = members & np.isfinite(values)
        if not kept.any():
            rows.append((name, 0, *[np.nan] * 6))
            continue
        mean, null = values[kept].mean(), rotations.means(kept)
        p = (1 + (np.abs(null - null.mean()) >= abs(mean - null.mean())).sum()) / (1 + len(null))
        rows.append(
            (
                name,
                kept.sum(),
                mean,
                np.median(values[kept]),
                null.mean(),
                null.std(),
                mean - null.mean(),
                p,
            )
        )
    table = pd.DataFrame(
        rows,
        columns=[
            "name",
            "n_bins",
            "mean",
            "median",
            "random_mean",
            "random_sd",
            "effect",
            "p_value",
        ],
    )
    return _with_q(table).sort_values("mean", ascending=False, ignore_index=True)


def compare_sets(
    scores: pd.DataFrame,
    pairs: Mapping[str, tuple[np.ndarray, np.ndarray]],
    *,
    column: str = "z",
    n_permutations: int = 1000,
    seed: int = 0,
) -> pd.DataFrame:
    """Compare two sets of bins each (loop against non-loop sites, boundaries with, without CTCF).

    Bins in both sets count for the first. The null rotates both sets together.

    Parameters
    ----------
    scores, column, n_permutations, seed
        See `rank_sets`.
    pairs : mapping of str to (ndarray, ndarray)
        Comparison -> (first set, second set), (n_bins,), bool.

    Returns
    -------
    DataFrame
        name, n_first, n_second, mean_first, mean_second, difference, p_value (two-sided), q_value.
    """
    values = scores[column].to_numpy(float)
    rotations = _Rotations(scores, values, n_permutations, seed)
    rows = []
    for name, (first, second) in pairs.items():
        first = first & np.isfinite(values)
        second = second & np.isfinite(values) & ~first
        if not first.any() or not second.any():
            rows.append((name, first.sum(), second.sum(), *[np.nan] * 4))
            continue
        means = values[first].mean(), values[second].mean()
        difference = means[0] - means[1]
        null = rotations.means(first) - rotations.means(second)
        p = (1 + (np.abs(null) >= abs(difference)).sum()) / (1 + len(null))
        rows.append((name, first.sum(), second.sum(), *means, difference, p))
    return _with_q(
        pd.DataFrame(
            rows,
            columns=[
                "name",
                "n_first",
                "n_second",
                "mean_first",
                "mean_second",
                "difference",
                "p_value",
            ],
        )
    )


def profile_domains(
    scores: pd.DataFrame,
    domains: pd.DataFrame,
    *,
    column: str = "z",
    inside: int = 10,
    flank: int = 50_000,
) -> pd.DataFrame:
    """Average a score over domains of varying size (article, Fig. 6a).

    Parameters
    ----------
    scores : DataFrame
        chrom, start, end, `column`; NaN = masked.
    domains : DataFrame
        chrom, start, end.
    column : str
    inside : int
        Equal parts that every domain's inside is cut into.
    flank : int
        bp shown each side, in the map's bins.

    Returns
    -------
    DataFrame
        position ("-50" … kb upstream, "1/10" … inside, "+50" kb downstream), part (upstream,
        inside, downstream), mean, sem, n (domains with an unmasked bin there). Domains smaller
        than `inside` bins repeat bins; parts beyond the chromosome are left out.
    """
    resolution = int(scores["end"].iloc[0] - scores["start"].iloc[0])
    steps = max(1, flank // resolution)
    columns = [np.full(len(domains), np.nan) for _ in range(2 * steps + inside)]
    by_chrom = {
        chrom: part[column].to_numpy(float)
        for chrom, part in scores.groupby(scores["chrom"].astype(str), sort=False)
    }
    for k, domain in enumerate(domains.itertuples()):
        values = by_chrom.get(str(domain.chrom))
        if values is None:
            continue
        lo, hi = domain.start // resolution, -(-domain.end // resolution)
        edges = np.linspace(lo, hi, inside + 1)
        first = np.minimum(edges[:-1].astype(int), hi - 1)
        last = np.maximum(np.ceil(edges[1:]).astype(int), first + 1)
        starts = [*range(lo - steps, lo), *first, *range(hi, hi + steps)]
        ends = [*range(lo - steps + 1, lo + 1), *last, *range(hi + 1, hi + steps + 1)]
        for position, (a, b) in enumerate(zip(starts, ends)):
            part = values[max(a, 0) : max(b, 0)]
            part = part[np.isfinite(part)]
            if len(part):
                columns[position][k] = part.mean()
    kb = resolution / 1000
    labels = [f"-{(steps - k) * kb:g}" for k in range(steps)]
    labels += [f"{k + 1}/{inside}" for k in range(inside)]
    labels += [f"+{(k + 1) * kb:g}" for k in range(steps)]
    table = pd.DataFrame(
        {
            "position": labels,
            "part": ["upstream"] * steps + ["inside"] * inside + ["downstream"] * steps,
            "n": [np.isfinite(c).sum() for c in columns],
        }
    )
    table["mean"] = [c[np.isfinite(c)].mean() if np.isfinite(c).any() else np.nan for c in columns]
    table["sem"] = [
        c[np.isfinite(c)].std(ddof=1) / np.isfinite(c).sum() ** 0.5
        if np.isfinite(c).sum() > 1
        else np.nan
        for c in columns
    ]
    return table


class _Rotations:
    """Mean score of sets of bins under random rotations along each chromosome's unmasked bins."""

    def __init__(self, scores, values, n_permutations, seed):
        generator = np.random.default_rng(seed)
        self.chroms = []
        for _, index in scores.groupby(scores["chrom"].astype(str), sort=False).indices.items():
            unmasked = index[np.isfinite(values[index])]
            if len(unmasked) > 1:
                shifts = generator.integers(1, len(unmasked), n_permutations)
                self.chroms.append((unmasked, values[unmasked], shifts))

    def means(self, members):
        """(n_permutations,) float64."""
        total, count = 0.0, 0
        for unmasked, values, shifts in self.chroms:
            own = np.flatnonzero(members[unmasked])
            total = total + _rotated_sums(values, own)[shifts]
            count += len(own)
        return total / count


def _rotated_sums(values, members):
    """sums[s] = values[(members + s) % n].sum() for every s, by FFT, (n,)."""
    indicator = np.bincount(members, minlength=len(values)).astype(float)
    spectrum = np.fft.rfft(values) * np.conj(np.fft.rfft(indicator))
    return np.fft.irfft(spectrum, len(values))


def _with_q(table):
    table["q_value"] = np.nan
    known = table["p_value"].notna()
    if known.any():
        table.loc[known, "q_value"] = false_discovery_control(table.loc[known, "p_value"])
    return table
