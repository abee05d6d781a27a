"""Contact probability, its inverse and the automatic coefficient."""

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from chromloom.errors import InputError
from chromloom.normalize.probability import (
    auto_coefficient,
    contact_probability,
    contact_strength,
    mean_contact_probability,
)


@settings(deadline=None)
@given(st.floats(0.4, 1e5), st.floats(0.5, 10))
def test_round_trip(value, a):
    array = np.array([value])
    back = contact_strength(contact_probability(array, a), a)
    np.testing.assert_allclose(back, np.clip(array, a / 27.631, a * 1e7), rtol=1e-3)


def test_values_at_the_ends():
    cp = contact_probability(np.array([0.0, 8.0, 1e12, np.nan]))
    np.testing.assert_allclose(cp, [0, np.exp(-1), 1, np.nan])
    v = contact_strength(np.array([0.0, np.exp(-1), 1.0, np.nan]))
    np.testing.assert_allclose(v, [8 / (12 * np.log(10)), 8, 8e7, np.nan], rtol=1e-6)


def test_tensors_keep_type_and_gradient():
    value = torch.tensor([2.0, 30.0], dtype=torch.float64, requires_grad=True)
    cp = contact_probability(value)
    np.testing.assert_allclose(cp.detach(), contact_probability(value.detach().numpy()))
    assert torch.autograd.gradcheck(lambda x: contact_strength(contact_probability(x)), value)


def table(mean, n=100):
    dist = np.arange(2, 40)
    value_mean = mean * 10 / dist
    return pd.DataFrame({"dist": dist, "n_valid": n, "value_sum": value_mean * n})


@settings(deadline=None)
@given(st.floats(0.01, 1e4), st.floats(0.1, 100))
def test_auto_keeps_contact_probability_when_depth_changes(mean, depth):
    a, deeper = auto_coefficient(table(mean)), auto_coefficient(table(mean * depth))
    np.testing.assert_allclose(
        contact_probability(mean, a), contact_probability(mean * depth, deeper), rtol=1e-6
    )


def test_auto_is_8_for_the_articles_map():
    near = (10 / np.arange(2, 10)).mean()
    np.testing.assert_allclose(auto_coefficient(table(121 / near)), 8)


def test_auto_without_contacts():
    with pytest.raises(InputError, match="cp_a 'auto': the map has no contacts"):
        auto_coefficient(table(0))


def test_mean_probability_is_the_mean_over_poisson_counts():
    value = np.array([0.0, 1e-3, 0.1, 1.0, 7.3, 60.0, 900.0, np.nan, 5e4])
    got = mean_contact_probability(value, 8.0)
    rng = np.random.default_rng(0)
    for v, cp in zip(value[:7], got):
        k = rng.poisson(v, 400_000).astype(float)
        drawn = np.exp(-8 / np.maximum(k, 1e-9))
        assert cp == pytest.approx(drawn.mean(), abs=4 * drawn.std() / 600 + 2e-5)
    assert np.isnan(got[7])
    assert got[8] == pytest.approx(np.exp(-8 / 5e4), abs=1e-6)
    grid = mean_contact_probability(np.logspace(-5, 6, 500), 20.0)
    assert (np.diff(grid) >= 0).all()
