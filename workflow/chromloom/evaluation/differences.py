"""Differences between the maps of two cell types, observed and predicted.

The difference of a pair is log O/E in one map minus that in the other. What is the same in both
cell types, distance and region among it, is no difference: a predictor that knows only the region
predicts 0 and is not correlated with what was observed.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from chromloom.errors import InputError
from chromloom.evaluation.maps import rows_in
from chromloom.evaluation.predictors import BLOCK, FIRST, read_band
from chromloom.evaluation.statistics import PSEUDOCOUNT, interval, pearson, resample_blocks
from chromloom.normalize.maps import NormalizedMap
from chromloom.prediction.observed import ObservedMap
from chromloom.prediction.open import open_source
from chromloom.prediction.source import MapSource, distance_bins

REGION = 500_000
"""bp; side of the squares along the diagonal whose mean difference is compared."""
COLUMNS = [
    "model",
    "over",
    "chrom",
    "start",
    "end",
    "observed",
    "predicted",
    "r",
    "low",
    "high",
    "n",
]


def score_differences(
    maps: tuple[NormalizedMap, NormalizedMap],
    sources: Mapping[str, tuple[MapSource, MapSource]],
    *,
    n_boot: int = 1000,
    seed: int = 0,
    block: int = BLOCK,
    region: int = REGION,
) -> pd.DataFrame:
    """Predicted against observed difference of two maps, by predictor and region.

    Parameters
    ----------
    maps : pair of NormalizedMap
        Of the same bins.
    sources : mapping
        Model -> its prediction of either map.
    n_boot, seed : int
    block : int
        bp of rows that are resampled together.
    region : int
        bp.

    Returns
    -------
    DataFrame
        model, over, chrom, start, end, observed, predicted, r, low, high, n. By what r is over:
        `pairs`, the mean over distances from 2 bins of the correlation at one distance, 0 where
        nothing varies; `regions`, correlation of the means of regions, NaN where none varies, both
        with 95 % intervals; `region`, pairs of one square (chrom, start, end), of which `observed`
        and `predicted` are the means (natural log). n are pairs, of `regions` regions.

    Raises
    ------
    InputError
        The maps have other bins, or no pair is held out from all predictors and predicted by all.
    """
    one, other = maps
    if not one.bins.match(other.bins):
        raise InputError(
            f"{one.path} and {other.path} have other bins; compare maps of one assembly and bin "
            "size"
        )
    resolution, every = one.resolution, [s for pair in sources.values() for s in pair]
    limits = [s.max_distance for s in every if s.max_distance is not None]
    n_distances = distance_bins(min(limits), resolution) if limits else 101
    moments: dict[str, list[np.ndarray]] = {model: [] for model in sources}
    regions, has_data = [], []
    for chrom in one.chromnames:
        rows = np.all([rows_in(one, chrom, s.held_out) for s in every], axis=0)
        if not rows.any() or chrom not in other.chromnames:
            continue
        n, depth = len(rows), min(n_distances, len(rows))
        seen = [read_band(ObservedMap(m, m.sample), chrom, n, depth) for m in maps]
        bands = {m: [read_band(s, chrom, n, depth) for s in own] for m, own in sources.items()}
        j = np.minimum(np.arange(depth)[:, None] + np.arange(n), n - 1)
        scored = np.all(np.isfinite(seen), axis=0) & rows & rows[j]
        scored[:FIRST] = False
        for pair in bands.values():
            scored &= np.all([np.isfinite(band) & (band > 0) for band in pair], axis=0)
        if not scored.any():
            continue
        size = max(block // resolution, 1)
        starts = np.arange(0, n, size)
        has_data.append(np.add.reduceat(scored.any(axis=0), starts) > 0)
        # The same share of the expected is added to both maps: the same number of contacts would
        # draw the shallower one more towards its expected, which is a difference by region.
        shallow = np.min([_mean(band, scored) for band in seen], axis=0)
        with np.errstate(divide="ignore"):
            truth = _difference(seen, scored, PSEUDOCOUNT / shallow)
        for model, pair in bands.items():
            told = _difference(pair, scored, np.zeros(depth))
            terms = (scored, told, truth, told**2, truth**2, told * truth)
            sums = [np.add.reduceat(t.astype(float), starts, axis=1).T for t in terms]
            padded = np.zeros((len(starts), n_distances, len(terms)))
            padded[:, :depth] = np.stack(sums, axis=-1)
            moments[model].append(padded)
            table = _by_region(truth, told, scored, max(region // resolution, FIRST + 1))
            table = table.assign(start=table["start"] * resolution, end=table["end"] * resolution)
            regions.append(table.assign(model=model, chrom=chrom))
    if not has_data:
        raise InputError(
            f"{one.path}, {other.path}: no pair is held out from all of {', '.join(sources)} and "
            "predicted by all in both cell types; give predictors of the same test chromosomes"
        )
    by_region = pd.concat(regions, ignore_index=True)
    multiplicity = resample_blocks(np.concatenate(has_data), n_boot, seed)
    wholes = []
    for model in sources:
        drawn = np.tensordot(multiplicity, np.concatenate(moments[model]), axes=1)[:, FIRST:]
        varies = drawn[0, :, 0] > FIRST
        r = np.nan_to_num(pearson(drawn))[:, varies].mean(axis=1)
        low, high = interval(r[:, None])
        n = int(drawn[0, :, 0].sum())
        wholes.append((model, "pairs", r[0], low[0], high[0], n))
        own = by_region[by_region["model"] == model]
        means = own["predicted"].to_numpy(), own["observed"].to_numpy()
        r = pearson(resample_blocks(np.ones(len(own), bool), n_boot, seed) @ _terms(*means))
        low, high = interval(r[:, None])
        wholes.append((model, "regions", r[0], low[0], high[0], len(own)))
    whole = pd.DataFrame(wholes, columns=["model", "over", "r", "low", "high", "n"])
    return pd.concat(
        [whole.assign(chrom="all", start=0, end=0), by_region.assign(over="region")],
        ignore_index=True,
    ).reindex(columns=COLUMNS)


def compare_cell_types(
    paths: tuple[str | Path, str | Path],
    runs: Mapping[str, tuple[str | Path, str | Path]],
    *,
    n_boot: int = 1000,
    seed: int = 0,
) -> pd.DataFrame:
    """`score_differences` of two normalised maps and the folders of runs, by predictor."""
    maps = NormalizedMap(paths[0]), NormalizedMap(paths[1])
    sources = {
        name: (
            open_source(folders[0], paths[0], name=name),
            open_source(folders[1], paths[1], name=name),
        )
        for name, folders in runs.items()
    }
    return score_differences(maps, sources, n_boot=n_boot, seed=seed)


def _mean(band: np.ndarray, scored: np.ndarray) -> np.ndarray:
    """Mean contact strength of scored pairs at each distance, (D,)."""
    return np.where(scored, band, 0).sum(axis=1) / np.maximum(scored.sum(axis=1), 1)


def _difference(pair, scored: np.ndarray, share: np.ndarray) -> np.ndarray:
    """log O/E of the first minus that of the second, (D, n), less its mean at each distance.

    `share` (D,) of the expected is added to both.
    """
    logs = []
    for band in pair:
        with np.errstate(invalid="ignore", divide="ignore"):
            ratio = np.where(scored, band / _mean(band, scored)[:, None], 1.0)
        logs.append(np.where(scored, np.log(np.where(scored, ratio + share[:, None], 1.0)), 0.0))
    difference = logs[0] - logs[1]
    return np.where(scored, difference - _mean(difference, scored)[:, None], 0)


def _by_region(truth, told, scored, size: int) -> pd.DataFrame:
    """start, end (bins), observed, predicted, r, n of the squares of `size` bins."""
    depth, n = truth.shape
    rows = []
    for lo in range(0, n, size):
        hi = min(lo + size, n)
        own = scored[:, lo:hi] & (np.arange(depth)[:, None] < hi - np.arange(lo, hi))
        if own.any():
            a, b = told[:, lo:hi][own], truth[:, lo:hi][own]
            r = pearson(_terms(a, b).sum(axis=0))
            rows.append((lo, hi, b.mean(), a.mean(), r, len(a)))
    return pd.DataFrame(rows, columns=["start", "end", "observed", "predicted", "r", "n"])


def _terms(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """What is summed for a correlation, (n, 6)."""
    return np.stack([np.ones(len(a)), a, b, a * a, b * b, a * b], axis=1)
