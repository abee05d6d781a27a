"""How much a variant changes a predicted map, in numbers that mean the same for every model.

All are taken from two windows of contact strength in reference coordinates, wild type and edited
(`perturbation.predict.Prediction`). Changes of pairs are log2((edited + 0.5) / (wild type + 0.5)).
"""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from scipy.ndimage import maximum_filter, uniform_filter

from chromloom.analysis.insulation import depths, is_boundary, log2_over_median, mean_diamonds
from chromloom.evaluation import scc
from chromloom.normalize.probability import PSEUDOCOUNT
from chromloom.perturbation.perturb import contiguous_bands
from chromloom.perturbation.predict import Prediction
from chromloom.prediction.source import MapSource

NO_CHANGE = {
    "mean_square_change": 0.0,
    "mean_abs_change": 0.0,
    "correlation": 1.0,
    "scc": 1.0,
    "insulation": 0.0,
    "boundary": 0.0,
    "directionality": 0.0,
    "E1": 1.0,
    "loops_lost": 0.0,
    "loops_gained": 0.0,
    "virtual_4c": 0.0,
    "expression": 0.0,
}
"""Scores, and their value where a variant changes nothing; distance from it is the effect."""
BESIDE = 200_000  # bp; bins beside a variant, of which insulation and directionality are told
DIRECTION = 500_000  # bp, contacts of a bin with each side
KNOWN = 1 / 3  # of the pairs that a variant alters, at the least, for it to be scored
PEAK, KEPT = 1.5, 1.25  # enrichment of a loop over its surroundings, and what still counts as one
COLUMNS = ["score", "item", "value", "reason"]


def score_prediction(
    prediction: Prediction, source: MapSource, genes: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Score a predicted variant.

    Parameters
    ----------
    prediction : Prediction
    source : MapSource
        What predicted it.
    genes : DataFrame, optional
        name, chrom, tss: the virtual 4C of those whose TSS lies in the window is scored.

    Returns
    -------
    DataFrame
        Columns of `COLUMNS`, a row per key of `NO_CHANGE` but `expression`; of `virtual_4c` one per
        gene, named in `item`. value, float64: `mean_square_change` and `mean_abs_change` over pairs
        known in both maps; `correlation`, Pearson's r of log2 contact strength less the mean of the
        wild type at each distance; `scc`, HiCRep's; `insulation`, mean |change| of the log2 diamond
        score within 200 kb of the variant; `boundary`, the largest change (signed; negative =
        weaker) of the depth of a boundary of the wild type; `directionality`, mean |change| within
        200 kb of (downstream - upstream) / (downstream + upstream) contacts to 500 kb; `E1`, |r| of
        the leading eigenvectors of log observed/expected; `loops_lost` and `loops_gained`, pairs
        that stand out of their surroundings in one map only; `virtual_4c`, mean |change| of the
        pairs of the bin of a TSS. NaN where a score cannot be told, with the reason: all are where
        most pairs that the variant alters are farther apart than the model predicts, before or
        after it, since what is left is what the variant leaves alone.
    """
    unseen = _unseen(prediction, source)
    rows = [
        (name, item, np.nan, unseen)
        if unseen
        else (name, item, float(value), "" if np.isfinite(value) else _reason(name, source))
        for name, item, value in _scores(prediction, source, genes)
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def _unseen(prediction: Prediction, source: MapSource) -> str:
    """Why a variant is not seen in the pairs that are predicted; "" where it is."""
    before, after = (np.isfinite(x) for x in (prediction.wild_type, prediction.on_reference))
    altered = (before & after & (prediction.wild_type != prediction.on_reference)).sum()
    either = altered + ((before != after) & prediction.together).sum()
    if altered >= KNOWN * either:
        return ""
    reach = "" if source.max_distance is None else f", up to {source.max_distance:,} bp"
    return (
        f"of {either:,} pairs that the variant alters, {altered:,} are predicted both before and "
        f"after it{reach}"
    )


def _reason(name: str, source: MapSource) -> str:
    if name == "E1" and source.max_distance is not None:
        return f"the model predicts pairs up to {source.max_distance:,} bp only"
    return "too few pairs around the variant are known in both maps"


def _scores(prediction, source, genes) -> Iterator[tuple[str, str, float]]:
    wild_type, edited = (
        np.log2(values + PSEUDOCOUNT) for values in (prediction.wild_type, prediction.on_reference)
    )
    change = edited - wild_type
    known = np.isfinite(change)
    yield "mean_square_change", "", _mean(change[known] ** 2)
    yield "mean_abs_change", "", _mean(np.abs(change[known]))
    run, bands = contiguous_bands(prediction, source)
    logs = [np.log2(band + PSEUDOCOUNT) for band in bands]
    known = np.isfinite(logs[0]) & np.isfinite(logs[1])
    mean = _mean_by_distance(np.where(known, logs[0], np.nan))
    yield "correlation", "", _correlation(*((values - mean)[known] for values in logs))
    yield "scc", "", fast_scc(bands[0], bands[1], source.bins.resolution)
    edit, table = prediction.edited.edit, source.bins.table.iloc[run]
    beside = (table["end"] > edit.start - BESIDE) & (table["start"] < edit.end + BESIDE)
    diamonds = [mean_diamonds(band, ignore_diags=source.ignore_diags) for band in bands]
    insulation = [log2_over_median(values, diamonds[0]) for values in diamonds]
    yield "insulation", "", _mean_change(insulation, beside.to_numpy())
    yield "boundary", "", _boundary_change(*insulation)
    directions = [directionality(band, source.bins.resolution) for band in bands]
    yield "directionality", "", _mean_change(directions, beside.to_numpy())
    oe = [values - mean for values in logs]
    yield "E1", "", np.nan if source.max_distance is not None else _eigenvectors(*oe)
    lost, gained = count_peaks(*(_square(2**values) for values in oe))
    yield "loops_lost", "", lost
    yield "loops_gained", "", gained
    for gene, at in _gene_bins(genes, prediction, source):
        profile = np.concatenate([change[at, at:], change[:at, at]])
        yield "virtual_4c", gene, _mean(np.abs(profile[np.isfinite(profile)]))


def fast_scc(wild_type: np.ndarray, edited: np.ndarray, resolution: int) -> float:
    """HiCRep's stratum-adjusted correlation of two predicted maps.

    Parameters
    ----------
    wild_type, edited : ndarray, (n_dist, n), float
        Band layout.
    resolution : int

    Returns
    -------
    float
        As `evaluation.scc.scc_terms` gives it, with the variance of ranks, (N^2 - 1) / 12, taken
        from their number: predicted values are not tied. NaN where there is nothing to compare.
    """
    h = min(scc.smoothing_half_width(resolution), (len(wild_type) - 1) // 4)
    known = np.isfinite(wild_type) & np.isfinite(edited)
    x, y = (scc.smooth(np.where(known, band, np.nan), h) for band in (wild_type, edited))
    used = np.isfinite(x) & np.isfinite(y) & ((x > 0) | (y > 0))
    n = used.sum(axis=1)
    x, y = (
        np.where(used, v - (np.where(used, v, 0).sum(axis=1) / np.maximum(n, 1))[:, None], 0)
        for v in (x, y)
    )
    xx, yy, xy = (np.einsum("dn,dn->d", a, b) for a, b in ((x, x), (y, y), (x, y)))
    told = (n >= 3) & (xx > 0) & (yy > 0)
    if not told.any():
        return np.nan
    weight = (n * (1 - 1 / np.maximum(n, 1) ** 2))[told]
    return float((weight * xy[told] / np.sqrt(xx[told] * yy[told])).sum() / weight.sum())


def directionality(band: np.ndarray, resolution: int) -> np.ndarray:
    """Bias of each bin's contacts, (downstream - upstream) / (downstream + upstream).

    Parameters
    ----------
    band : ndarray, (n_dist, n), float
        Contact strength in band layout.
    resolution : int

    Returns
    -------
    ndarray, (n,), float64
        Over the distances to 500 kb that are known on both sides; NaN where there is none.
    """
    n = band.shape[1]
    totals = np.zeros((2, n))
    for d in range(1, min(DIRECTION // resolution + 1, len(band))):
        down, up = band[d].copy(), np.full(n, np.nan)
        up[d:] = band[d, : n - d]
        both = np.isfinite(down) & np.isfinite(up)
        totals += np.where(both, [down, up], 0)
    with np.errstate(invalid="ignore"):
        return (totals[0] - totals[1]) / totals.sum(axis=0)


def _boundary_change(wild_type: np.ndarray, edited: np.ndarray) -> float:
    """The largest change, signed, of the depth of a boundary of the wild type."""
    after = depths(edited)
    change = (after - depths(wild_type))[is_boundary(wild_type) & np.isfinite(after)]
    if not len(change):
        return np.nan if not np.isfinite(after).any() else 0.0
    return float(change[np.argmax(np.abs(change))])


def count_peaks(wild_type: np.ndarray, edited: np.ndarray) -> tuple[float, float]:
    """Pairs that stand out of their surroundings in one of two maps and not in the other.

    Parameters
    ----------
    wild_type, edited : ndarray, (k, k), float
        Observed/expected, symmetric; NaN = unknown.

    Returns
    -------
    lost, gained : float
        Local maxima of 5 x 5 bins that are 1.5 times the mean of the ring around them (11 x 11
        without the inner 3 x 3) in one map, and less than 1.25 times in the other. NaN where no
        pair is known in both.
    """
    known = np.isfinite(wild_type) & np.isfinite(edited)
    if not known.any():
        return np.nan, np.nan
    k = len(known)
    far = np.subtract.outer(np.arange(k), np.arange(k)) <= -5  # upper triangle, off the diagonal
    maps, enriched = [], []
    for values in (wild_type, edited):
        filled = np.where(known, values, 0.0)
        sums, counts = (
            121 * uniform_filter(m, 11, mode="constant") - 9 * uniform_filter(m, 3, mode="constant")
            for m in (filled, known.astype(float))
        )
        with np.errstate(invalid="ignore", divide="ignore"):
            ratio = np.where(counts > 60, filled / (sums / counts), np.nan)
        enriched.append(np.where(known & far, ratio, np.nan))
        maps.append(filled)
    peaks = [
        (values == maximum_filter(values, 5)) & (ratio >= PEAK)
        for values, ratio in zip(maps, enriched)
    ]
    lost = (peaks[0] & (enriched[1] < KEPT)).sum()
    gained = (peaks[1] & (enriched[0] < KEPT)).sum()
    return float(lost), float(gained)


def _gene_bins(genes, prediction, source) -> Iterator[tuple[str, int]]:
    """Genes whose TSS lies in the window, and its row there."""
    if genes is None:
        return
    for chrom, own in genes.groupby("chrom", sort=False):
        if chrom not in source.bins.extents:
            continue
        first, _ = source.bins.extent(chrom)
        bins = first + own["tss"].to_numpy() // source.bins.resolution
        at = np.searchsorted(prediction.bins, bins)
        inside = at < len(prediction.bins)
        inside[inside] = prediction.bins[at[inside]] == bins[inside]
        yield from zip(own["name"].to_numpy()[inside], at[inside])


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else np.nan


def _mean_change(profiles, chosen) -> float:
    change = np.abs(profiles[1] - profiles[0])[chosen]
    return _mean(change[np.isfinite(change)])


def _mean_by_distance(band: np.ndarray) -> np.ndarray:
    """Mean of each row of a band, (n_dist, 1); NaN where there is nothing."""
    known = np.isfinite(band)
    with np.errstate(invalid="ignore"):
        return (np.where(known, band, 0).sum(axis=1) / known.sum(axis=1))[:, None]


def _correlation(x: np.ndarray, y: np.ndarray) -> float:
    if len(x) < 3 or x.std() == 0 or y.std() == 0:
        return np.nan
    return float(np.corrcoef(x, y)[0, 1])


def _eigenvectors(wild_type: np.ndarray, edited: np.ndarray) -> float:
    """|r| of the leading eigenvectors of two bands of log observed/expected."""
    squares = [_square(values) for values in (wild_type, edited)]
    known = np.isfinite(squares[0]) & np.isfinite(squares[1])
    used = known.mean(axis=1) > 0.5
    if used.sum() < 10:
        return np.nan
    inside = np.ix_(used, used)
    vectors = [np.linalg.eigh(np.where(known, values, 0)[inside])[1][:, -1] for values in squares]
    return abs(_correlation(*vectors))


def _square(band: np.ndarray) -> np.ndarray:
    """The symmetric matrix of a band (n, n) of n bins; NaN where there is no pair."""
    n = band.shape[1]
    square = np.full((n, n), np.nan)
    for d in range(len(band)):
        rows = np.arange(n - d)
        square[rows, rows + d] = square[rows + d, rows] = band[d, : n - d]
    return square
