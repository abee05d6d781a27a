"""HiCRep's stratum-adjusted correlation, from the distances near the diagonal.

It looks at neighbouring pairs at once, so it works on the near distances of one whole chromosome:
an array (n_dist, n), linear in the chromosome's length. Zeros of unmasked pairs take part; masked
bins do not.
"""

import numpy as np
from scipy.stats import rankdata

from chromloom.evaluation.statistics import pearson

MAX_DISTANCE = 5_000_000  # bp; the article compares contacts up to 5 Mb
MAX_DISTANCE_BINS = 500
# Half-widths of the smoothing window in bins by resolution in bp, as the article trained them.
_SMOOTHING = {10_000: 20, 25_000: 11, 40_000: 5, 100_000: 3, 500_000: 1, 1_000_000: 0}


def max_distance_bins(resolution: int) -> int:
    """Distances below this many bins take part: 5 Mb, and at most 500 bins."""
    return int(min(MAX_DISTANCE // resolution, MAX_DISTANCE_BINS))


def smoothing_half_width(resolution: int) -> int:
    """Half-width h of the smoothing window in bins, interpolated in log resolution."""
    known = np.array(list(_SMOOTHING))
    return round(np.interp(np.log(resolution), np.log(known), list(_SMOOTHING.values())))


def smooth(near: np.ndarray, h: int) -> np.ndarray:
    """Mean over the (2h + 1) x (2h + 1) pairs around each pair of a symmetric map.

    Parameters
    ----------
    near : ndarray, (n_dist, n), float32
        Pair (i, i + d) at [d, i]; NaN where there is no pair. Pairs beyond are taken for absent.
    h : int
        Half-width in bins; 0 smooths nothing.

    Returns
    -------
    ndarray, (n_dist - 2h, n), float64
        Mean over those pairs in the window that exist; NaN where the centre does not.
    """
    total = _window_sum(np.nan_to_num(near).astype(np.float64), h)
    count = _window_sum((~np.isnan(near)).astype(np.float64), h)
    keep = len(near) - 2 * h
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(np.isnan(near[:keep]), np.nan, total / count)


def _window_sum(near: np.ndarray, h: int) -> np.ndarray:
    """Sum over a square window; `near` has 0 where there is no pair."""
    n_dist, n = near.shape
    keep = n_dist - 2 * h
    # Pairs (i, i - e) lie at [e, i - e]: by symmetry they continue the band below the diagonal.
    below = np.zeros((2 * h, n))
    for e in range(1, 2 * h + 1):
        below[2 * h - e, e:] = near[e, : n - e] if e < n else 0
    full = np.concatenate([below, near])  # row q is distance q - 2h
    sums = np.concatenate([np.zeros((1, n)), np.cumsum(full, axis=0)])
    columns = sums[2 * h + 1 :] - sums[: -2 * h - 1]  # row q is distance q - h, columns j-h … j+h
    out = np.zeros((keep, n))
    for a in range(-h, h + 1):  # the row i + a sees the same columns at distance d - a
        rows = slice(max(0, -a), min(n, n - a))
        source = slice(max(0, a), min(n, n + a))
        out[:, rows] += columns[h - a : h - a + keep, source]
    return out


def scc_terms(x: np.ndarray, y: np.ndarray, blocks: np.ndarray, multiplicity: np.ndarray):
    """Numerator and denominator of the stratum-adjusted correlation, by distance.

    SCC = sum_k N_k r_k rho_k / sum_k N_k r_k over distances k: rho_k is the Pearson correlation of
    the smoothed maps, r_k = sqrt(var(ranks of x / N_k) var(ranks of y / N_k)), N_k the number of
    pairs; pairs that are 0 in both maps are left out (Yang et al. 2017, Eqs. 4-7 and the released
    hicrep). In resamplings N_k and rho_k vary, r_k is that of all pairs.

    Parameters
    ----------
    x, y : ndarray, (n_dist, n)
        Smoothed maps, NaN where there is no pair.
    blocks : ndarray, (n,), int
        Block of each row, in [0, n_blocks).
    multiplicity : ndarray, (n_samples, n_blocks)

    Returns
    -------
    numerator, denominator : ndarray, (n_samples, n_dist)
    n : ndarray, (n_dist,), int64
        Pairs.
    """
    n_dist, n_blocks = len(x), multiplicity.shape[1]
    numerator = np.zeros((len(multiplicity), n_dist))
    denominator, n = np.zeros_like(numerator), np.zeros(n_dist, dtype=np.int64)
    for d in range(n_dist):
        chosen = np.flatnonzero(np.isfinite(x[d]) & np.isfinite(y[d]) & ((x[d] > 0) | (y[d] > 0)))
        if len(chosen) < 3:
            continue
        xd, yd = x[d, chosen], y[d, chosen]
        sums = np.stack(
            [
                np.bincount(blocks[chosen], weights, minlength=n_blocks)
                for weights in (np.ones(len(xd)), xd, yd, xd * xd, yd * yd, xd * yd)
            ],
            axis=1,
        )
        sums = multiplicity @ sums
        rho = pearson(sums)
        n[d] = len(chosen)
        spread = np.sqrt(np.var(rankdata(xd)) * np.var(rankdata(yd))) / n[d] ** 2
        weight = np.where(np.isnan(rho), 0, sums[:, 0] * spread)
        numerator[:, d] = weight * np.nan_to_num(rho)
        denominator[:, d] = weight
    return numerator, denominator, n
