"""Targets by block, and sums over distance."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chromloom.genome.bins import pairs_by_distance
from chromloom.models.hiclstm.settings import HiCLSTMSettings
from chromloom.normalize.maps import NormalizedMap
from chromloom.training.targets import (
    MapTargets,
    encode,
    smooth_by_distance,
    transform,
)

PAPER = HiCLSTMSettings.from_preset("paper")
COUNTS = HiCLSTMSettings.from_preset("refined")
REFINED = HiCLSTMSettings.from_preset("refined", start="eig", loss="mse")


@settings(deadline=None)
@given(st.lists(st.booleans(), min_size=1, max_size=40), st.data(), st.integers(0, 3))
def test_pairs_are_counted_as_one_by_one(unmasked, data, ignore_diags):
    unmasked = np.array(unmasked)
    lo = data.draw(st.integers(0, len(unmasked) - 1))
    hi = data.draw(st.integers(lo + 1, len(unmasked)))
    wanted = np.zeros(len(unmasked) - lo, dtype=int)
    for i in range(lo, hi):
        for j in range(i + ignore_diags, len(unmasked)):
            wanted[j - i] += unmasked[i] and unmasked[j]
    np.testing.assert_array_equal(
        pairs_by_distance(unmasked, lo, hi, ignore_diags=ignore_diags), wanted
    )


def test_smoothing_returns_a_constant_ratio_and_spans_five_percent():
    count = np.random.default_rng(0).integers(1, 50, 200).astype(float)
    np.testing.assert_allclose(smooth_by_distance(3 * count, count), 3)
    spike = np.zeros(200)
    spike[100] = 11.0
    smoothed = smooth_by_distance(spike, np.ones(200))
    assert smoothed[100] == pytest.approx(1.0)  # 11 distances
    assert smoothed[96:105].min() > 0
    assert smoothed[:94].max() == 0
    count[:2] = count[150:] = 0
    assert np.isfinite(smooth_by_distance(count, count)).all()
    np.testing.assert_array_equal(smooth_by_distance(np.zeros(5), np.zeros(5)), 1)


def test_sixteen_bits_keep_targets_and_what_has_none():
    cp = np.append(np.linspace(0, 1, 1000), np.nan).astype(np.float32)
    code = encode(cp, PAPER.objective)
    assert code.dtype == np.uint16
    assert code[-1] == 0xFFFF
    np.testing.assert_allclose(code[:-1] / 65534, cp[:-1], atol=0.8e-5)
    log_oe = np.append(np.linspace(-6, 6, 1000), np.nan).astype(np.float32)
    half = encode(log_oe, REFINED.objective)
    assert half.dtype == np.float16
    np.testing.assert_allclose(half, log_oe, rtol=5e-4)


def test_ratios_at_distances_without_contacts_are_no_targets():
    ratio = transform(np.array([[4.0], [0.0]]), np.array([[2.0], [0.0]]), COUNTS.objective)
    np.testing.assert_array_equal(ratio, [[2.0], [np.nan]])


def test_block_is_the_transformed_band(tiny_map_path):
    normalized = NormalizedMap(tiny_map_path)
    value = normalized.band("chr1", 10, 60).astype(float)
    expected = normalized.expected("chr1").band(10, 60)
    cp = MapTargets(normalized, PAPER).block("chr1", 10, 60)
    np.testing.assert_allclose(cp, np.exp(-8 / (value + 1e-10)), atol=1e-6)
    log_oe = MapTargets(normalized, REFINED).block("chr1", 10, 60)
    np.testing.assert_allclose(log_oe, np.log((value + 0.5) / (expected + 0.5)), atol=1e-5)


def test_ratio_times_exposure_is_the_count(tiny_map_path):
    normalized = NormalizedMap(tiny_map_path)
    source = MapTargets(normalized, COUNTS)
    ratio, exposure = source.block("chr1", 10, 60), source.exposure("chr1", 10, 60)
    count = normalized.band("chr1", 10, 60, "count")
    known = ~np.isnan(count)
    assert (exposure[~known] == 0).all()
    assert count[known].max() > 10
    np.testing.assert_allclose((ratio * exposure)[known], count[known], rtol=1e-4)


def test_region_leaves_only_its_own_pairs(tiny_map_path):
    normalized = NormalizedMap(tiny_map_path)
    source = MapTargets(normalized, REFINED, region=("chr1", 205_000, 500_000))
    assert source.chromnames == ["chr1"]
    block = source.block("chr1", 0, 120)
    d, i = np.nonzero(~np.isnan(block))
    assert i.min() == 21  # the first bin that lies wholly inside
    assert (i + d).max() == 49
    whole = MapTargets(normalized, REFINED).block("chr1", 0, 120)
    inside = ~np.isnan(block)
    np.testing.assert_array_equal(block[inside], whole[inside])
    assert inside.sum() == pairs_by_distance(~source.mask("chr1"), ignore_diags=2).sum()
