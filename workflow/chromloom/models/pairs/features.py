"""Features of pairs of bins: those of both and around, what lies between, and their distance."""

from dataclasses import dataclass
from typing import Self

import numpy as np

CONTEXTS = (0, 2, 8, 25)
"""A bin is described by the means of its features over so many bins on each side."""

MIDDLE = 3.0
"""Log distance (20 bins) at which a product with it is 0."""


@dataclass(frozen=True)
class BinFeatures:
    """What bins of a chromosome are described by.

    Attributes
    ----------
    around : ndarray, (n, len(CONTEXTS) * n_features), float32
        The features of a bin, then their means over 2, 8 and 25 bins on each side; over fewer bins
        at the ends.
    sums : ndarray, (n + 1, n_features), float64
        Sums of the features of the bins before each, and of all.
    """

    around: np.ndarray
    sums: np.ndarray

    @classmethod
    def of(cls, features: np.ndarray) -> Self:
        """Describe bins by their features, (n_features, n), float32."""
        n = features.shape[1]
        sums = np.zeros((n + 1, len(features)))
        np.cumsum(features.T, axis=0, out=sums[1:])
        bins = np.arange(n)
        means = []
        for reach in CONTEXTS:
            first, last = np.maximum(bins - reach, 0), np.minimum(bins + reach + 1, n)
            means.append((sums[last] - sums[first]) / (last - first)[:, None])
        return cls(np.concatenate(means, axis=1, dtype=np.float32), sums)


def pair_features(
    bins: BinFeatures, i: np.ndarray, dist: np.ndarray, *, products: bool = False
) -> np.ndarray:
    """Features of the pairs (i, i + dist) of a chromosome.

    Parameters
    ----------
    bins : BinFeatures
    i, dist : ndarray, (n_pairs,), int
        i + dist is a bin.
    products : bool
        Products of what describes both bins, too.

    Returns
    -------
    ndarray, (n_pairs, n_features of a pair), float32
        What describes bin i, bin i + dist, and the products if asked for; mean of the bins between
        (0 where there is none); log distance.
    """
    j = i + dist
    first, second = bins.around[i], bins.around[j]
    after = np.minimum(i + 1, j)
    between = (bins.sums[j] - bins.sums[after]) / np.maximum(j - after, 1)[:, None]
    log_distance = np.log(np.maximum(dist, 1))[:, None]
    both = [first, second, *([first * second] if products else [])]
    return np.concatenate([*both, between, log_distance], axis=1, dtype=np.float32)


def with_distance(values: np.ndarray) -> np.ndarray:
    """Features of pairs, and each times the log distance: a linear form may change with it.

    Parameters
    ----------
    values : ndarray, (n_pairs, n)
        As `pair_features` gives them, the log distance last.

    Returns
    -------
    ndarray, (n_pairs, 2 * n)
    """
    return np.concatenate([values, values * (values[:, -1:] - MIDDLE)], axis=1)
