"""From attributions to scores that compare across maps."""

import numpy as np


def min_max_signed(score: np.ndarray) -> np.ndarray:
    """Min-max normalise positive and negative values separately (article, eq. 5).

    Parameters
    ----------
    score : ndarray, float
        NaN = masked.

    Returns
    -------
    ndarray, float64
        Positive values in [0, 1] and negative ones in [-1, 0]: (x - min) / (max - min) of the
        magnitudes of each sign, with 0 as the smallest magnitude (the equation's minimum would
        send the smallest positive value to 0 and tie it with true zeros). A sign that does not
        occur stays out; zeros stay 0.
    """
    score = np.asarray(score, np.float64)
    highest, lowest = np.nanmax(score, initial=0), np.nanmin(score, initial=0)
    scaled = score.copy()
    # Only where it is due: a tiny magnitude of one sign makes the other sign's quotients overflow.
    np.divide(score, highest, out=scaled, where=score > 0)
    np.divide(score, -lowest, out=scaled, where=score < 0)
    return scaled


def z_score(score: np.ndarray) -> np.ndarray:
    """(x - mean) / standard deviation over unmasked bins, float64; 0 where all are equal."""
    score = np.asarray(score, np.float64)
    if np.isnan(score).all():
        return score
    return (score - np.nanmean(score)) / (np.nanstd(score) or 1)


def contrast_directions(row: np.ndarray, column: np.ndarray, *, width: int = 2) -> np.ndarray:
    """How sharply attribution turns from leftward to rightward contacts at a bin.

    A bin at a domain's left end owes its attribution to contacts on its right (it is their row), a
    bin at a right end to contacts on its left (it is their column). So row part minus column part
    jumps upwards across a boundary, and with it across the anchors of loops, where the plain
    attribution of the two directions cancels. The idea is that of the directionality index
    (Dixon et al. 2012).

    Parameters
    ----------
    row, column : ndarray, (n,), float
        Parts of the attribution of one chromosome; NaN = masked.
    width : int
        Bins each side that are averaged.

    Returns
    -------
    ndarray, (n,), float64
        Mean of (row - column) over the unmasked ones of the next `width` bins, minus that of the
        last; NaN at masked bins and where a side has none.
    """
    direction = np.asarray(row, np.float64) - np.asarray(column, np.float64)
    known = np.isfinite(direction)
    padded = np.pad(np.where(known, direction, 0), width)
    counted = np.pad(known.astype(float), width)
    n, window = len(direction), np.ones(width)
    sums, counts = (np.convolve(x, window, "valid") for x in (padded, counted))
    with np.errstate(invalid="ignore"):
        means = sums / counts  # means[k]: bins k - width … k - 1
    return np.where(known, means[width + 1 : width + 1 + n] - means[:n], np.nan)
