"""Intervals that hold what they say, on maps whose noise is known."""

import cooler
import numpy as np
import pytest

from chromloom.analysis.insulation import score_diamonds
from chromloom.errors import InputError
from chromloom.evaluation.intervals import (
    LEVELS,
    WidthMap,
    _groups,
    _quantiles,
    calibrate,
    calibrate_run,
    calibrate_scores,
    interval,
)
from chromloom.files import read_tsv
from chromloom.genome.bins import blank_band
from chromloom.normalize.maps import NormalizedMap
from chromloom.prediction.observed import ObservedMap


class Noisy(ObservedMap):
    """The observed map times gamma noise: a prediction whose error is known."""

    max_distance = 300_000

    def band(self, chrom, lo, hi, *, max_dist=None, edited=None):
        limit = 31 if max_dist is None else min(31, max_dist)
        rng = np.random.default_rng([len(chrom), lo])
        n = len(self.bins.mask(chrom))
        band = np.full((min(limit, n - lo), hi - lo), 5.0)
        band *= rng.gamma(20, 1 / 20, band.shape)
        blank_band(band, self.bins.mask(chrom), lo, hi, self.ignore_diags)
        return band


@pytest.fixture(scope="module")
def observed(tiny_map_path):
    return NormalizedMap(tiny_map_path)


@pytest.fixture(scope="module")
def table(observed):
    return calibrate(Noisy(observed, "noisy"), observed, seed=0)


def test_coverage_over_parts_that_were_left_out_is_as_stated(table):
    every = table[(table["part"] == "all") & (table["dist_from"] == 0)].set_index("level")
    for level in LEVELS:
        assert every["coverage"][level] == pytest.approx(level, abs=0.03)
    assert every["width"][0.95] > every["width"][0.8] > 0
    parts = table[table["part"] != "all"]
    assert set(parts["part"]) == {"chr1", "chr2", "chr3"}
    assert every["n_pairs"][0.8] == parts.loc[parts["level"] == 0.8, "n_pairs"].sum()


def test_quantiles_are_those_of_the_other_parts(table, observed):
    source = Noisy(observed, "noisy")
    row = table[(table["part"] == "chr2") & (table["level"] == 0.8)].iloc[2]
    d = slice(row["dist_from"] // 10_000, row["dist_to"] // 10_000)
    truth, predicted = [], []
    for chrom in ("chr1", "chr3"):
        n = len(observed.mask(chrom))
        own = observed.band(chrom, 0, n)[d], source.band(chrom, 0, n)[d]
        known = np.isfinite(own[0]) & np.isfinite(own[1])
        truth.append(own[0][known])
        predicted.append(own[1][known])
    truth, predicted = np.concatenate(truth), np.concatenate(predicted)
    ratio = np.log((truth + 0.5) / (row["scale"] * predicted + 0.5))
    assert row["low"] == pytest.approx(np.quantile(ratio, 0.1), abs=0.1)
    assert (ratio < row["low"]).mean() <= 0.1
    assert (ratio > row["high"]).mean() <= 0.1


def test_only_what_was_held_out_takes_part(observed):
    regions = [("chr1", 0, 400_000), ("chr1", 600_000, 900_000), ("chr2", 0, 500_000)]
    table = calibrate(Noisy(observed, "noisy"), observed, held_out=regions)
    assert set(table["part"]) == {"chr1", "chr2", "all"}
    with pytest.raises(InputError, match="1 has pairs that were not trained on"):
        calibrate(Noisy(observed, "noisy"), observed, held_out=regions[:2])


def test_groups_of_distances_hold_each_distance_once():
    groups = _groups(2, 201)
    assert [d for lo, hi in groups for d in range(lo, hi)] == list(range(2, 201))
    assert len(groups) < 20


def test_quantiles_reach_outwards():
    low, high = _quantiles(np.arange(100.0), 0.8)
    assert low <= 10 <= 89 <= high
    assert list(_quantiles(np.arange(3.0), 0.95)) == [0.0, 2.0]


def test_intervals_do_not_go_below_nothing():
    lower, upper = interval(np.array([0.0, 10.0]), -1.0, 1.0, 2.0)
    assert lower.tolist() == [0.0, pytest.approx(20.5 / np.e - 0.5)]
    assert upper[1] == pytest.approx(20.5 * np.e - 0.5)


def test_a_map_of_widths_is_that_of_the_intervals(table, observed):
    source = Noisy(observed, "noisy")
    widths = WidthMap(source, table[(table["part"] == "all") & (table["level"] == 0.8)])
    band, predicted = (s.band("chr1", 0, 120) for s in (widths, source))
    row = widths.quantiles.iloc[4]
    d, i = row["dist_from"] // 10_000, 50
    lower, upper = interval(predicted[d, i], row["low"], row["high"], row["scale"])
    assert band[d, i] == pytest.approx(upper - lower)
    np.testing.assert_array_equal(np.isnan(band), np.isnan(predicted[: len(band)]))


def test_scores_of_bins_have_intervals_of_the_other_parts(observed):
    source = Noisy(observed, "noisy")
    table = calibrate_scores(source, observed)
    own = table[table["score"] == "insulation"].set_index(["part", "level"])
    assert own.loc[("all", 0.8), "coverage"] == pytest.approx(0.8, abs=0.15)
    assert own.loc[("all", 0.95), "width"] > own.loc[("all", 0.8), "width"] > 0
    differ = {}
    for chrom in ("chr1", "chr2", "chr3"):
        n = len(observed.bins.mask(chrom))
        bands = [one.band(chrom, 0, n, max_dist=21) for one in (source, observed)]
        scores = [score_diamonds(band, ignore_diags=2) for band in bands]
        inside = np.arange(10, n - 10)  # diamonds that do not reach out
        differ[chrom] = (scores[1] - scores[0])[inside]
        differ[chrom] = differ[chrom][np.isfinite(differ[chrom])]
    others = np.concatenate([differ["chr1"], differ["chr3"]])
    low, high = _quantiles(others, 0.8)
    row = own.loc[("chr2", 0.8)]
    assert (row["low"], row["high"]) == pytest.approx((low, high))
    covered = (differ["chr2"] >= low) & (differ["chr2"] <= high)
    assert row["coverage"] == covered.mean()
    assert own.loc[("all", 0.8), "n_bins"] == sum(map(len, differ.values())) > 100
    held = calibrate_scores(source, observed, held_out=[("chr1", 0, 600_000), ("chr2", 0, 800_000)])
    bins = held[(held["score"] == "insulation") & (held["part"] == "chr1")]["n_bins"]
    assert (bins < len(differ["chr1"])).all()


def test_a_model_fitted_to_the_whole_map_needs_another(tiny_model_dir, tiny_map_path, tmp_path):
    names = ("t.tsv", "s.tsv", "w.mcool")
    run = tiny_model_dir(), tiny_map_path, *(tmp_path / name for name in names)
    with pytest.raises(InputError, match="name it in the column against"):
        calibrate_run(*run)
    table = calibrate_run(*run, against=tiny_map_path)
    assert table["against"].eq("tiny").all()
    assert set(read_tsv(tmp_path / "s.tsv")["score"]) == {"insulation", "boundary"}
    clr = cooler.Cooler(f"{tmp_path / 'w.mcool'}::resolutions/10000")
    assert clr.pixels()["count"][:].gt(0).all()
