"""Regions of maps for pictures: O/E, what is called, which squares are shown."""

import numpy as np
import pandas as pd
import pytest

from chromloom.errors import InputError
from chromloom.evaluation import shown
from chromloom.evaluation.shown import (
    call_boundaries,
    call_pairs,
    choose_submatrices,
    read_change,
    read_regions,
)
from chromloom.normalize.maps import NormalizedMap


@pytest.fixture(scope="module")
def observed(tiny_map_path):
    return NormalizedMap(tiny_map_path)


def test_a_region_is_o_over_e_and_predictions_have_the_observed_mean(observed, monkeypatch):
    n, lo = 40, 30
    own = observed.band("chr1", lo, lo + n, max_dist=n)
    seen = np.full((n, n), np.nan)
    for d in range(n):
        i = np.arange(n - d)
        seen[i, i + d] = seen[i + d, i] = own[d, : n - d]
    told = np.where(np.isfinite(seen), 7.0, np.nan)
    monkeypatch.setattr(shown, "read_split", lambda *_: (seen, told))
    maps = read_regions(observed, {"flat": "x"}, "chr1", lo * 10_000, (lo + n) * 10_000)
    assert list(maps) == ["observed", "flat"]
    expected = observed.expected("chr1").at(lo, lo + 5)
    assert maps["observed"][0, 5] == pytest.approx(seen[0, 5] / expected, nan_ok=True)
    for d in (3, 10):
        means = [np.nanmean(np.diagonal(values, d)) for values in maps.values()]
        assert means[0] == pytest.approx(means[1], rel=0.01)  # the expected is one per arm
    flat, seen_3 = (np.diagonal(maps[name], 3) for name in ("flat", "observed"))
    assert np.nanstd(flat) < 0.2 * np.nanstd(seen_3)


def test_a_change_is_over_the_mean_before_and_in_log2(monkeypatch):
    rng = np.random.default_rng(0)
    before = rng.random((20, 20)) + 1
    before = before + before.T
    after = before.copy()
    after[2, 7] = after[7, 2] = 2 * before[2, 7]
    after[3, 4] = np.nan
    files = {"before": before, "after": after}
    monkeypatch.setattr(shown, "read_predicted", lambda path, *_: files[path])
    maps = read_change("before", "after", 10_000, ("chr1", 0, 200_000))
    assert np.diagonal(maps["before"], 5).mean() == pytest.approx(1)
    assert maps["change"][2, 7] == pytest.approx(1)
    assert np.isnan(maps["change"][3, 4])
    assert np.nansum(np.abs(maps["change"])) == pytest.approx(2)


def test_the_best_and_the_worst_of_full_squares_are_shown():
    table = pd.DataFrame(
        {"chrom": "chr1", "start": range(5), "end": range(1, 6), "model": "weave",
         "signals": ["own"] * 4 + ["K562"], "insulation_r": [0.2, 0.9, 0.5, 0.99, 1.0],
         "n": [100, 100, 90, 10, 100]}
    )  # fmt: skip
    shown = choose_submatrices(table, "weave")
    assert {name: place[1] for name, place in shown.items()} == {
        "best": 1, "typical": 2, "worst": 0,
    }  # fmt: skip
    with pytest.raises(InputError, match="'ridge': insulation varies in no square"):
        choose_submatrices(table, "ridge")


def test_a_boundary_is_where_two_blocks_meet_and_a_pair_is_called_from_two_on():
    ratio = np.full((60, 60), 0.3)
    ratio[:30, :30] = ratio[30:, 30:] = 2.0
    found = call_boundaries(ratio, 10)
    assert len(found) == 1
    assert abs(found[0] - 30) <= 1
    called = call_pairs(np.array([[1.9, 2.0], [np.nan, 3.0]]))
    np.testing.assert_array_equal(called, [[0, 1], [np.nan, 1]])
