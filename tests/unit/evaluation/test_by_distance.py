"""Scores by distance against the same written out over pairs."""

import numpy as np
import pytest

from chromloom.evaluation.by_distance import DistanceSums


@pytest.fixture
def bands():
    rng = np.random.default_rng(0)
    n_dist, n = 6, 200
    expected = np.repeat(8.0 / (1 + np.arange(n_dist))[:, None], n, axis=1)
    log_ratio = rng.normal(0, 0.5, (n_dist, n))
    weights = rng.uniform(0.8, 1.2, (n_dist, n))
    counts = rng.poisson(expected * np.exp(log_ratio) / weights)
    return expected, log_ratio, weights, counts


def test_scores_are_those_of_all_pairs_written_out(bands):
    expected, log_ratio, weights, counts = bands
    predicted = expected * np.exp(log_ratio + 0.3)  # a wrong total changes no score
    predicted[3, :50] = np.nan
    observed = counts * weights
    sums = DistanceSums(5)
    for own in (slice(0, 90), slice(90, 200)):
        sums.add(*(b[:, own] for b in (predicted, observed, expected, expected, counts, weights)))
    (_, r, n), (_, nats, _) = sums.scores()
    rs, gained, contacts = [], 0.0, 0
    for d in range(2, 5):
        ok = np.isfinite(predicted[d])
        x, e = predicted[d, ok], expected[d, ok]
        y, w, k = observed[d, ok], weights[d, ok], counts[d, ok]
        rs.append(np.corrcoef(np.log((x + 0.5) / (e + 0.5)), np.log((y + 0.5) / (e + 0.5)))[0, 1])
        base = e / w * (x / w).sum() / (e / w).sum()
        gained += (k * np.log(x / w) - x / w - k * np.log(base) + base).sum()
        contacts += k.sum()
    assert r == pytest.approx(np.mean(rs))
    assert nats == pytest.approx(gained / contacts)
    assert n == 550
    assert nats > 0.05


def test_the_expected_itself_gains_nothing(bands):
    expected, _, weights, counts = bands
    sums = DistanceSums(6)
    sums.add(expected, counts * weights, expected, expected, counts, weights)
    assert [value for _, value, _ in sums.scores()] == pytest.approx([0, 0], abs=1e-12)
