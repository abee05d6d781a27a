"""Features of pairs of bins: those of both, the mean of what lies between, and their distance."""

import numpy as np

MIDDLE = 3.0
"""Log distance (20 bins) at which a product with it is 0."""


def pair_features(features: np.ndarray, i: np.ndarray, dist: np.ndarray) -> np.ndarray:
    """Features of the pairs (i, i + dist) of a chromosome.

    Parameters
    ----------
    features : ndarray, (n_features, n), float32
    i, dist : ndarray, (n_pairs,), int
        i + dist < n.

    Returns
    -------
    ndarray, (n_pairs, 3 * n_features + 1), float32
        Of bin i, of bin i + dist, mean of the bins between (0 where there is none), log distance.
    """
    j = i + dist
    sums = np.zeros((features.shape[1] + 1, len(features)))
    np.cumsum(features.T, axis=0, out=sums[1:])
    after = np.minimum(i + 1, j)
    between = (sums[j] - sums[after]) / np.maximum(j - after, 1)[:, None]
    log_distance = np.log(np.maximum(dist, 1))[:, None]
    parts = [features.T[i], features.T[j], between, log_distance]
    return np.concatenate(parts, axis=1, dtype=np.float32)


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
