"""Features of pairs of bins against sums written out."""

import numpy as np
import pytest
import torch

from chromloom.models.pairs.features import CONTEXTS, BinFeatures, pair_features, with_distance
from chromloom.models.pairs.fitted import Ridge
from chromloom.models.pairs.settings import PairSettings
from chromloom.training import pairs
from chromloom.training.pairs import _fit_ridge, _regress

FEATURES = np.random.default_rng(0).normal(size=(2, 70)).astype(np.float32)


@pytest.mark.parametrize(("i", "dist"), [(0, 1), (0, 69), (30, 8), (60, 9)])
def test_a_pair_is_both_bins_and_what_lies_around_and_between(i, dist):
    values = pair_features(BinFeatures.of(FEATURES), np.array([i]), np.array([dist]), products=True)
    j, expected = i + dist, []
    for bin_id in (i, j):
        parts = [FEATURES[:, max(bin_id - k, 0) : bin_id + k + 1].mean(axis=1) for k in CONTEXTS]
        expected.append(np.concatenate(parts))
    between = FEATURES[:, i + 1 : j].mean(axis=1) if dist > 1 else np.zeros(2)
    expected += [expected[0] * expected[1], between, [np.log(dist)]]
    np.testing.assert_allclose(values[0], np.concatenate(expected), atol=1e-5)


def test_a_regression_depends_on_no_bin_beyond_its_context():
    n_values = with_distance(pair_features(BinFeatures.of(FEATURES), np.arange(1), np.arange(1)))
    rng = np.random.default_rng(1)
    tensors = {
        "coefficients": torch.as_tensor(rng.normal(size=n_values.shape[1]), dtype=torch.float32),
        "intercept": torch.tensor(0.0),
    }
    ridge = Ridge(tensors, 5)
    other = FEATURES.copy()
    other[:, 33 + 4 + ridge.context + 1 :] = 9
    before, after = (ridge.log_ratio(f)[:, 33] for f in (FEATURES, other))
    np.testing.assert_allclose(before, after, atol=1e-5)
    other[:, 33 + 4 + ridge.context] = 9
    assert abs(ridge.log_ratio(other)[4, 33] - before[4]) > 1e-3


def test_ridge_finds_the_rate_that_counts_were_drawn_at_and_shrinks_it():
    rng = np.random.default_rng(2)
    features = rng.normal(size=(20_000, 3)).astype(np.float32)
    log_mean = rng.normal(size=20_000)
    rate = 0.4 * features[:, 0] - 0.2 * features[:, 1] * (features[:, 2] - 3) + 0.1
    fitted = _regress(features, rng.poisson(np.exp(log_mean + rate)), log_mean, 1e-6)
    expected = [0.4, 0, 0, 0, -0.2, 0]  # of the features, and of each times the last one
    np.testing.assert_allclose(fitted["coefficients"], expected, atol=0.03)
    assert float(fitted["intercept"]) == pytest.approx(0.1, abs=0.03)
    shrunk = _regress(features, rng.poisson(np.exp(log_mean + rate)), log_mean, 10)
    assert shrunk["coefficients"].abs().sum() < 0.5 * fitted["coefficients"].abs().sum()


def test_many_features_are_fitted_by_gradients_to_the_same_coefficients(monkeypatch):
    rng = np.random.default_rng(3)
    features = rng.normal(size=(2_000, 6)).astype(np.float32)
    log_mean = rng.normal(size=2_000)
    counts = rng.poisson(np.exp(log_mean + 0.3 * features[:, 0]))
    exact = _regress(features, counts, log_mean, 0.1)
    monkeypatch.setattr(pairs, "EXACT", 0)
    found = _regress(features, counts, log_mean, 0.1)
    torch.testing.assert_close(found["coefficients"], exact["coefficients"], atol=3e-3, rtol=0)
    torch.testing.assert_close(found["intercept"], exact["intercept"], atol=3e-3, rtol=0)


@pytest.mark.parametrize(
    ("scores", "tried", "chosen"),
    [
        ([0, -1, -2, 9, 9, 9, 9], 3, 1000),
        ([0, -1, 2, 1, 3, 2, 1], 7, 0.1),
        ([0, 1, 2, 3, 4, 5, 6], 7, 0.001),
    ],
)
def test_penalties_fall_until_validation_has_been_worse_twice(monkeypatch, scores, tried, chosen):
    used, left = [], iter(scores)
    monkeypatch.setattr(pairs, "_draw", lambda *_: (FEATURES.T, None, None))
    monkeypatch.setattr(pairs, "Ridge", lambda *_: None)
    monkeypatch.setattr(pairs, "_regress", lambda *args: used.append(args[-1]) or {})
    monkeypatch.setattr(pairs, "_validate", lambda *_: next(left))

    class Stretch:
        counts = np.zeros((1, 1))

    _, rows = _fit_ridge([Stretch()], PairSettings.of("pairs-ridge"), None, 0)
    assert len(rows) == tried
    assert used[-1] == pytest.approx(chosen)
