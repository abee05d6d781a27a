"""Diamond insulation: of a cooler with boundaries, by cooltools, and of a band in memory."""

import warnings
from collections.abc import Sequence

import cooler
import numpy as np
import pandas as pd
from scipy.signal import find_peaks

PROMINENCE = 0.1  # log2; lower dips of insulation are no boundaries
WINDOW_BINS = 10
"""Side of the diamond where bands are scored."""


def compute_insulation(
    clr: cooler.Cooler, windows_bp: Sequence[int], *, ignore_diags: int = 2
) -> pd.DataFrame:
    """Insulation score and boundaries of each chromosome with unmasked bins.

    `cooltools.insulation`, with Li's threshold on the boundaries' strength taken only where two or
    more minima differ in strength; otherwise all minima are boundaries.

    Parameters
    ----------
    clr : cooler.Cooler
        Balanced map.
    windows_bp : sequence of int
        Widths of the diamond, multiples of the resolution.
    ignore_diags : int
        Pairs nearer than this many bins take no part.

    Returns
    -------
    DataFrame
        chrom, start, end, region, is_bad_bin (bool), and for each window W in bp:
        log2_insulation_score_W (float64, NaN where too few pairs), n_valid_pixels_W,
        boundary_strength_W (float64, prominence; NaN where no minimum), is_boundary_W (bool).
    """
    from cooltools.api.insulation import calculate_insulation_score, find_boundaries
    from skimage.filters import threshold_li

    from chromloom.normalize.expected import align_view, quiet_cooltools

    bins = clr.bins()[["chrom", "start", "end", "weight"]][:]
    with quiet_cooltools(), warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore", RuntimeWarning)  # means of empty diamonds
        table = calculate_insulation_score(
            clr,
            list(windows_bp),
            view_df=align_view(None, bins),
            ignore_diags=ignore_diags,
            nproc=1,
        )
        table = find_boundaries(table)
    for window in windows_bp:
        strength = table[f"boundary_strength_{window}"].to_numpy()
        finite = strength[np.isfinite(strength)]
        threshold = threshold_li(finite) if len(np.unique(finite)) > 1 else -np.inf
        table[f"is_boundary_{window}"] = strength >= threshold
    return table


def boundaries_bed(insulation: pd.DataFrame, window_bp: int) -> pd.DataFrame:
    """Boundaries of one window as BED.

    Returns
    -------
    DataFrame
        chrom, start, end, name, score (0 to 1000, of the strongest), strand ("."), strength.
    """
    table = insulation[insulation[f"is_boundary_{window_bp}"]]
    strength = table[f"boundary_strength_{window_bp}"]
    return pd.DataFrame(
        {
            "chrom": table["chrom"].astype(str),
            "start": table["start"],
            "end": table["end"],
            "name": [f"boundary_{k + 1}" for k in range(len(table))],
            "score": (1000 * strength / strength.max()).round().astype(int),
            "strand": ".",
            "strength": strength.round(4),
        }
    )


def score_diamonds(
    near: np.ndarray, window: int = WINDOW_BINS, *, ignore_diags: int = 2
) -> np.ndarray:
    """Diamond insulation score of each bin, log2 of its ratio to the chromosome's median.

    Parameters
    ----------
    near, window, ignore_diags
        See `mean_diamonds`.

    Returns
    -------
    ndarray, (n,), float64
        NaN where the diamond holds no pair, or no contact.
    """
    means = mean_diamonds(near, window, ignore_diags=ignore_diags)
    return log2_over_median(means, means)


def mean_diamonds(
    near: np.ndarray, window: int = WINDOW_BINS, *, ignore_diags: int = 2
) -> np.ndarray:
    """Mean contact strength in the diamond of each bin.

    The diamond of bin b holds rows b - window + 1 … b and columns b … b + window - 1, as in
    cooltools.

    Parameters
    ----------
    near : ndarray, (n_dist, n), float32
        At least 2 * window - 1 distances; NaN where there is no pair.
    window : int
        Bins.
    ignore_diags : int
        Nearer pairs are left out.

    Returns
    -------
    ndarray, (n,), float64
        NaN where the diamond holds no pair.
    """
    n = near.shape[1]
    values, valid = np.nan_to_num(near).astype(np.float64), (~np.isnan(near)).astype(np.float64)
    total, count = np.zeros(n), np.zeros(n)
    for d in range(ignore_diags, min(2 * window - 1, len(near))):
        # Pair (i, i + d) lies in the diamonds of b with i <= b <= i + d, b < i + window,
        # b > i + d - window.
        first, last = max(0, d - window + 1), min(d, window - 1)
        for shift in range(first, min(last + 1, n)):
            total[shift:] += values[d, : n - shift]
            count[shift:] += valid[d, : n - shift]
    with np.errstate(invalid="ignore"):
        return total / count


def log2_over_median(means: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """log2 of the ratio of each mean to the median of `reference`; NaN where there is none.

    Two maps are held to one median where their difference is to be that of each bin: what an edit
    does to the median of its map would else move the scores of all bins.
    """
    if not np.isfinite(reference).any():
        return np.full(len(means), np.nan)
    with np.errstate(invalid="ignore", divide="ignore"):
        score = np.log2(means / np.nanmedian(reference))
    return np.where(np.isfinite(score), score, np.nan)


def depths(insulation: np.ndarray) -> np.ndarray:
    """How far each bin's insulation score lies below the lower of the peaks beside it.

    Parameters
    ----------
    insulation : ndarray, (n,), float
        log2; NaN = unknown.

    Returns
    -------
    ndarray, (n,), float64
        Peaks are the highest scores within ten bins on each side; NaN where one side has none.
    """
    padded = np.pad(insulation, WINDOW_BINS, constant_values=np.nan)
    windows = np.lib.stride_tricks.sliding_window_view(padded, WINDOW_BINS)
    n = len(insulation)
    left, right = (np.fmax.reduce(windows[k : k + n], axis=1) for k in (0, WINDOW_BINS + 1))
    return np.minimum(left, right) - insulation


def is_boundary(insulation: np.ndarray) -> np.ndarray:
    """Bins of local minima, the lowest of five, whose depth is `PROMINENCE` or more, (n,), bool."""
    padded = np.pad(np.where(np.isfinite(insulation), insulation, np.inf), 2,
                    constant_values=np.inf)  # fmt: skip
    lowest = np.lib.stride_tricks.sliding_window_view(padded, 5).min(axis=1)
    return (insulation == lowest) & (depths(insulation) >= PROMINENCE)


def find_minima(score: np.ndarray, prominence: float) -> tuple[np.ndarray, np.ndarray]:
    """Minima of an insulation score that are deeper than what is around them.

    Parameters
    ----------
    score : ndarray, (n,)
        NaN = not known, which is no minimum.
    prominence : float
        Least depth, as `scipy.signal.find_peaks` has it; of 0 every minimum counts.

    Returns
    -------
    places : ndarray, int
    prominences : ndarray, float
    """
    if not np.isfinite(score).any():
        return np.empty(0, int), np.empty(0)
    depth = -np.where(np.isfinite(score), score, np.nanmax(score))
    places, properties = find_peaks(depth, prominence=max(prominence, 1e-9))
    return places, properties["prominences"]
