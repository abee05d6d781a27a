"""Intervals that hold what they say, on maps whose noise is known."""

import cooler
import numpy as np
import pytest

from chromloom.analysis.insulation import depths, is_boundary, score_diamonds
from chromloom.errors import InputError
from chromloom.evaluation.intervals import (
    LEVELS,
    WidthMap,
    _groups,
    _quantiles,
    calibrate,
    calibrate_run,
    calibrate_scores,
    calibrated_level,
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


def pairs_of(observed, chrom, regions=None):
    """dist, observed and predicted contact strength of the pairs of a chromosome, (3, n)."""
    n = len(observed.mask(chrom))
    truth, predicted = observed.band(chrom, 0, n)[:31], Noisy(observed, "noisy").band(chrom, 0, n)
    dist, i = np.nonzero(np.isfinite(truth) & np.isfinite(predicted))
    if regions is not None:
        within = [
            (10_000 * i >= a) & (10_000 * (i + dist) < b) for c, a, b in regions if c == chrom
        ]
        inside = np.any(within, axis=0)
        dist, i = dist[inside], i[inside]
    return np.stack([dist, truth[dist, i], predicted[dist, i]])


def test_a_part_is_covered_by_the_quantiles_of_the_others(table, observed):
    pairs = {chrom: pairs_of(observed, chrom) for chrom in ("chr1", "chr2", "chr3")}
    others = np.hstack([pairs["chr1"], pairs["chr3"]])
    scale = others[1].sum() / others[2].sum()
    assert scale != pytest.approx(1, abs=0.05)
    parts = table[table["level"] == 0.8].set_index(["part", "dist_from"])
    for row in parts.loc["chr2"].reset_index().itertuples():
        both = []
        for values in (others, pairs["chr2"]):
            dist = 10_000 * values[0]
            both.append(values[1:, (dist >= row.dist_from) & (dist < row.dist_to)])
        truth, predicted = both[0]
        ratio = np.log((truth + 0.5) / (scale * predicted + 0.5))
        low, high = _quantiles(ratio, 0.8)
        assert (row.low, row.high, row.scale) == pytest.approx((low, high, scale))
        truth, predicted = both[1]
        ends = interval(predicted, low, high, scale)
        assert row.n_pairs == len(truth)
        assert row.width == pytest.approx((ends[1] - ends[0]).mean())
        ratio = np.log((truth + 0.5) / (scale * predicted + 0.5))
        assert row.coverage == pytest.approx(((ratio >= low) & (ratio <= high)).mean())
        own = [parts.loc[(c, row.dist_from)] for c in pairs if (c, row.dist_from) in parts.index]
        every = parts.loc[("all", row.dist_from)]
        every = every.iloc[0] if every.ndim == 2 else every
        weights = [part["n_pairs"] for part in own]
        assert every["n_pairs"] == sum(weights)
        for name in ("coverage", "width"):
            assert every[name] == pytest.approx(np.average([p[name] for p in own], weights=weights))


def test_pairs_take_part_with_both_ends_in_one_region_that_was_held_out(observed):
    regions = [("chr1", 0, 400_000), ("chr1", 405_000, 900_000), ("chr2", 0, 500_000)]
    table = calibrate(Noisy(observed, "noisy"), observed, held_out=regions)
    assert set(table["part"]) == {"chr1", "chr2", "all"}
    n_pairs = table[table["level"] == 0.8].groupby("part")["n_pairs"].sum()
    for chrom in ("chr1", "chr2"):
        assert n_pairs[chrom] == pairs_of(observed, chrom, regions).shape[1]
    with pytest.raises(InputError, match="1 has pairs that were not trained on"):
        calibrate(Noisy(observed, "noisy"), observed, held_out=regions[:2])


def test_of_many_pairs_some_are_drawn(observed, monkeypatch):
    monkeypatch.setattr("chromloom.evaluation.intervals.PAIRS", 30)
    one, same, other = (
        calibrate(Noisy(observed, "noisy"), observed, seed=seed)["low"].dropna().tolist()
        for seed in (0, 0, 1)
    )
    assert one == same != other


def test_groups_of_distances_hold_each_distance_once():
    groups = _groups(2, 201)
    assert [d for lo, hi in groups for d in range(lo, hi)] == list(range(2, 201))
    assert len(groups) < 20


def test_quantiles_reach_outwards():
    low, high = _quantiles(np.arange(100.0), 0.8)
    assert low <= 10 <= 89 <= high
    for n in range(10, 250):  # of n + 1 values in any order, so many lie between two of the others
        low, high = _quantiles(np.arange(float(n)), 0.8)
        assert (high - low) / (n + 1) >= 0.8 or (low, high) == (0, n - 1)
        assert (high - low - 2) / (n + 1) <= 0.8
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
    assert widths.max_distance == widths.quantiles["dist_to"].max() - 10_000


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
    low, high = _quantiles(others, calibrated_level([differ["chr1"], differ["chr3"]], 0.8))
    row = own.loc[("chr2", 0.8)]
    assert (row["low"], row["high"]) == pytest.approx((low, high))
    covered = (differ["chr2"] >= low) & (differ["chr2"] <= high)
    assert row["coverage"] == covered.mean()
    assert own.loc[("all", 0.8), "n_bins"] == sum(map(len, differ.values())) > 100
    held = calibrate_scores(source, observed, held_out=[("chr1", 0, 600_000), ("chr2", 0, 800_000)])
    bins = held[(held["score"] == "insulation") & (held["part"] == "chr1")]["n_bins"]
    assert bins.tolist() == [40] * len(LEVELS)  # diamonds of bins 10 to 49


class Domains(Noisy):
    """Domains of 20 bins, which the observed map has not."""

    def band(self, chrom, lo, hi, *, max_dist=None, edited=None):
        band = super().band(chrom, lo, hi, max_dist=max_dist)
        dist, i = np.indices(band.shape)
        return np.where((i + lo) // 20 == (i + lo + dist) // 20, 4, 1) * band


def test_depths_are_compared_at_boundaries_of_the_predicted_map(observed):
    source, deeper = Domains(observed, "domains"), []
    for chrom in ("chr1", "chr2", "chr3"):
        n = len(observed.bins.mask(chrom))
        bands = [one.band(chrom, 0, n, max_dist=21) for one in (source, observed)]
        told, seen = (score_diamonds(band, ignore_diags=2) for band in bands)
        change = np.where(is_boundary(told), depths(seen) - depths(told), np.nan)[10 : n - 10]
        deeper += list(change[np.isfinite(change)])
    table = calibrate_scores(source, observed)
    own = table[(table["score"] == "boundary") & (table["part"] == "all")].set_index("level")
    assert (own["n_bins"] == len(deeper)).all()
    assert len(deeper) > 4
    for level in LEVELS:
        found = own.loc[level, ["low", "high"]].tolist()
        assert found == pytest.approx([*_quantiles(np.array(deeper), level)])


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


def coverage_of_new_parts(rng, between, level, adjusted):
    """Share of values of a further part that lie between the quantiles of twelve."""
    covered = []
    for _ in range(200):
        parts = rng.normal(0, between, (13, 1)) + rng.normal(0, 1, (13, 60))
        at = calibrated_level(list(parts[:-1]), level) if adjusted else level
        low, high = _quantiles(parts[:-1].ravel(), at)
        covered.append(((parts[-1] >= low) & (parts[-1] <= high)).mean())
    return np.mean(covered)


@pytest.mark.parametrize("level", LEVELS)
def test_parts_that_err_as_a_whole_are_covered_as_stated(level):
    found = {
        (between, adjusted): coverage_of_new_parts(
            np.random.default_rng(7), between, level, adjusted
        )
        for between in (0, 2)
        for adjusted in (False, True)
    }
    assert found[2, True] == pytest.approx(level, abs=0.015)
    assert found[2, True] > found[2, False] + 0.005
    assert found[0, True] == pytest.approx(level, abs=0.01)
    assert calibrated_level([np.arange(9.0)], level) == level
