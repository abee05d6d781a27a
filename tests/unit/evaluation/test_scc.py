"""HiCRep against dense re-implementations."""

import numpy as np
import pytest
from scipy.stats import rankdata

from chromloom.evaluation import scc

N = 60


def random_map(seed):
    """Symmetric (N, N) map with zeros, masked bins 9 and 30 and no pairs nearer than 2."""
    rng = np.random.default_rng(seed)
    distance = np.abs(np.subtract.outer(np.arange(N), np.arange(N)))
    upper = np.triu(rng.poisson(12 / (1 + distance)).astype(float))
    matrix = upper + np.triu(upper, 1).T
    matrix[distance < 2] = np.nan
    matrix[[9, 30]] = matrix[:, [9, 30]] = np.nan
    return matrix


def near_of(matrix, n_dist):
    near = np.full((n_dist, N), np.nan, dtype=np.float32)
    for d in range(min(n_dist, N)):
        near[d, : N - d] = np.diagonal(matrix, d)
    return near


@pytest.mark.parametrize("h", [0, 1, 3])
def test_smoothing_is_the_mean_of_the_pairs_that_exist_in_a_square(h):
    matrix, n_dist = random_map(0), 20
    smoothed = scc.smooth(near_of(matrix, n_dist + 2 * h), h)
    assert smoothed.shape == (n_dist, N)
    for d in range(n_dist):
        for i in range(N - d):
            j = i + d
            if np.isnan(matrix[i, j]):
                assert np.isnan(smoothed[d, i])
                continue
            window = matrix[max(i - h, 0) : i + h + 1, max(j - h, 0) : j + h + 1]
            assert smoothed[d, i] == pytest.approx(np.nanmean(window), abs=1e-6)


def test_scc_is_the_articles_weighted_mean():
    x, y = near_of(random_map(1), 25), near_of(random_map(2), 25)
    numerator, denominator, n = scc.scc_terms(x, y, np.zeros(N, dtype=int), np.ones((1, 1)))
    top = bottom = 0.0
    for d in range(2, 25):
        good = ~np.isnan(x[d]) & ~np.isnan(y[d]) & ((x[d] != 0) | (y[d] != 0))
        a, b = x[d, good], y[d, good]
        weight = len(a) * np.sqrt(np.var(rankdata(a) / len(a)) * np.var(rankdata(b) / len(b)))
        top += weight * np.corrcoef(a, b)[0, 1]
        bottom += weight
        assert n[d] == good.sum()
    assert numerator.sum() / denominator.sum() == pytest.approx(top / bottom)


def test_scc_of_a_map_with_itself_is_one_also_in_resamplings():
    x = near_of(random_map(1), 25)
    multiplicity = np.array([[1.0, 1, 1], [2, 0, 1], [0, 3, 0]])
    terms = scc.scc_terms(x, x, np.arange(N) // 20, multiplicity)
    np.testing.assert_allclose(terms[0].sum(axis=1) / terms[1].sum(axis=1), 1)


@pytest.mark.parametrize(
    ("resolution", "h"),
    [
        *[(10_000, 20), (25_000, 11), (40_000, 5), (100_000, 3), (500_000, 1), (1_000_000, 0)],
        *[(5_000, 20), (2_000_000, 0), (200_000, 2)],  # beyond the ends, and in between
    ],
)
def test_smoothing_widths_are_those_of_the_article(resolution, h):
    assert scc.smoothing_half_width(resolution) == h
