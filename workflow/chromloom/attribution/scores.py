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
    return np.where(score > 0, score / (highest or 1), score / (-lowest or 1))


def z_score(score: np.ndarray) -> np.ndarray:
    """(x - mean) / standard deviation over unmasked bins, float64; 0 where all are equal."""
    score = np.asarray(score, np.float64)
    if np.isnan(score).all():
        return score
    return (score - np.nanmean(score)) / (np.nanstd(score) or 1)
