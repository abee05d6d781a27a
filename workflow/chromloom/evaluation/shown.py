"""Regions of observed and predicted maps as pictures show them, with what is called in them."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from chromloom.analysis.insulation import find_minima, score_diamonds
from chromloom.errors import InputError
from chromloom.evaluation.predictors import OWN, PROMINENCE
from chromloom.normalize.maps import NormalizedMap
from chromloom.prediction.windows import read_predicted, read_split

Region = tuple[str, int, int]
OBSERVED = "observed"
SIGNIFICANT = 2.0
"""O/E from which a pair is called (Epiphany, Fig. S2)."""


def read_regions(
    observed: NormalizedMap, predicted: Mapping[str, str | Path], chrom: str, start: int, end: int
) -> dict[str, np.ndarray]:
    """O/E of a region, by map.

    Parameters
    ----------
    observed : NormalizedMap
    predicted : mapping
        Model -> predicted `.mcool` of the same bins.
    chrom, start, end : str, int, int
        bp.

    Returns
    -------
    dict of str to ndarray, (m, m), float64
        `observed` first. Contact strength over the observed expected; each prediction is first
        brought to the observed mean of the region at each distance, since it was learnt on maps of
        another depth. Symmetric; NaN where a pair is masked or not predicted.
    """
    lo, hi = start // observed.resolution, -(-end // observed.resolution)
    bins = np.arange(lo, min(hi, len(observed.mask(chrom))))
    i, j = np.meshgrid(bins, bins, indexing="ij")
    expected = observed.expected(chrom).at(np.minimum(i, j), np.maximum(i, j)).astype(float)
    maps: dict[str, np.ndarray] = {}
    for name, path in predicted.items():
        seen, told = read_split(observed.path, path, chrom, start, end)
        maps.setdefault(OBSERVED, seen / expected)
        maps[name] = _at_mean(told, seen) / expected
    return maps


def read_change(
    before: str | Path, after: str | Path, resolution: int, region: Region
) -> dict[str, np.ndarray]:
    """A region of two predicted maps of the same bins, over the means of the first by distance.

    Parameters
    ----------
    before, after : path
        Predicted `.mcool`.
    resolution : int
        bp.
    region : (chrom, start, end)
        bp.

    Returns
    -------
    dict of str to ndarray, (m, m)
        `before` and `after` over the mean of `before` at each distance of the region; `change`,
        log2 of after over before. NaN where nothing is predicted.
    """
    one, other = (read_predicted(path, resolution, *region) for path in (before, after))
    known = np.isfinite(one)
    dist = _distances(len(one))
    sums = np.bincount(dist[known], one[known], minlength=len(one))
    n = np.bincount(dist[known], minlength=len(one))
    mean = (sums / np.maximum(n, 1))[dist]
    with np.errstate(invalid="ignore", divide="ignore"):
        return {"before": one / mean, "after": other / mean, "change": np.log2(other / one)}


def choose_submatrices(submatrices: pd.DataFrame, model: str) -> dict[str, Region]:
    """The 2-Mb squares where a predictor's insulation agrees best, as in the middle, and least.

    Parameters
    ----------
    submatrices : DataFrame
        chrom, start, end, model, signals, insulation_r, n.
    model : str

    Returns
    -------
    dict
        `best`, `typical`, `worst` -> chrom, start, end (bp). Squares with less than half of the
        pairs of the fullest one are left out.

    Raises
    ------
    InputError
        Insulation varies in no square.
    """
    own = submatrices[(submatrices["model"] == model) & (submatrices["signals"] == OWN)]
    own = own[own["insulation_r"].notna() & (own["n"] >= own["n"].max() / 2)]
    if own.empty:
        raise InputError(
            f"predictor {model!r}: insulation varies in no square of 2 Mb; nothing to show"
        )
    own = own.sort_values("insulation_r", ascending=False, kind="stable")
    rows = {"best": 0, "typical": len(own) // 2, "worst": -1}
    columns = ["chrom", "start", "end"]
    return {
        name: (str(chrom), int(start), int(end))
        for name, row in rows.items()
        for chrom, start, end in [own.iloc[row][columns]]
    }


def call_boundaries(ratio: np.ndarray, window: int) -> np.ndarray:
    """Minima of insulation of a square map (m, m): bins of prominence 0.1 or more."""
    m = len(ratio)
    band = np.full((min(2 * window, m), m), np.nan)
    for d in range(len(band)):
        band[d, : m - d] = np.diagonal(ratio, d)
    return find_minima(score_diamonds(band, window), PROMINENCE)[0]


def call_pairs(ratio: np.ndarray, level: float = SIGNIFICANT) -> np.ndarray:
    """1 where O/E is `level` or more, 0 where it is less, NaN where it is not known."""
    return np.where(np.isfinite(ratio), (ratio >= level).astype(float), np.nan)


def _at_mean(told: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """A prediction with the observed mean of the pairs that both have at each distance."""
    m, dist = len(told), _distances(len(told))
    both = np.isfinite(told) & np.isfinite(seen)
    sums = [np.bincount(dist[both], v[both], minlength=m) for v in (seen, told)]
    with np.errstate(invalid="ignore", divide="ignore"):
        factor = np.where(sums[1] > 0, sums[0] / sums[1], np.nan)
    return told * factor[dist]


def _distances(m: int) -> np.ndarray:
    return np.abs(np.subtract.outer(np.arange(m), np.arange(m)))
