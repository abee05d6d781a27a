"""Expected by distance against its generator, dense means and cooltools' smoothing."""

import cooler
import numpy as np
import pandas as pd
import pytest
from cooltools.sandbox.expected_smoothing import _log_smooth_numba

from chromloom.normalize.expected import align_view, compute_expected, smooth_by_distance
from chromloom.normalize.maps import Expected


def write_map(path, matrix, weight, resolution=10_000):
    """One-chromosome cooler of a symmetric matrix (upper triangle), float counts."""
    n = len(matrix)
    bins = cooler.util.binnify(pd.Series({"chr1": n * resolution}), resolution)
    i, j = np.nonzero(np.triu(matrix))
    pixels = pd.DataFrame({"bin1_id": i, "bin2_id": j, "count": matrix[i, j]})
    cooler.create_cooler(str(path), bins.assign(weight=weight), pixels, dtypes={"count": float})
    return cooler.Cooler(str(path))


def frame(*rows):
    return pd.DataFrame(rows, columns=["chrom", "start", "end", "name"])


def test_toeplitz_map_returns_its_generator(tmp_path):
    n = 80
    i, j = np.indices((n, n))
    generator = 100 / (1.0 + np.arange(n)) ** 0.8
    weight = np.ones(n)
    weight[[7, 8, 40]] = np.nan
    clr = write_map(tmp_path / "x.cool", generator[abs(i - j)], weight)
    view_df = frame(("chr1", 0, 300_000, "p"), ("chr1", 300_000, 800_000, "q"))
    table = compute_expected(clr, view_df)
    valid = table[table["n_valid"] > 0]
    np.testing.assert_allclose(valid["value_mean"], generator[valid["dist"]], rtol=1e-12)
    # a 5 % window hardly bends a power law, but at the far end of an arm it is one-sided
    np.testing.assert_allclose(table["expected"], generator[table["dist"]], rtol=0.05)
    near = table[table["dist"] < 20]
    np.testing.assert_allclose(near["expected"], generator[near["dist"]], rtol=0.005)
    assert table["dist"].min() == 2


def test_obs_over_expected_of_the_expected_is_one(tmp_path):
    n = 50
    i, j = np.indices((n, n))
    clr = write_map(tmp_path / "x.cool", 1 + 500.0 / (1 + abs(i - j)), np.ones(n))
    view_df = frame(("chr1", 0, n * 10_000, "chr1"))
    curve = compute_expected(clr, view_df).set_index("dist")["expected"]
    flat = np.where(abs(i - j) >= 2, curve.reindex(range(n)).to_numpy()[abs(i - j)], 0)
    again = compute_expected(write_map(tmp_path / "y.cool", flat, np.ones(n)), view_df)
    np.testing.assert_allclose(again["value_mean"] / curve.to_numpy(), 1, rtol=1e-12)


@pytest.mark.parametrize("border", [20, 33])
def test_means_count_zeros_and_keep_arms_apart(tmp_path, border):
    n, rng = 60, np.random.default_rng(2)
    counts = rng.poisson(0.8, (n, n))
    counts = np.triu(counts) + np.triu(counts, 1).T
    weight = rng.uniform(0.5, 2, n)
    weight[rng.choice(n, 7, replace=False)] = np.nan
    clr = write_map(tmp_path / "x.cool", counts.astype(float), weight)
    view_df = frame(("chr1", 0, border * 10_000, "p"), ("chr1", border * 10_000, 600_000, "q"))
    table = compute_expected(clr, view_df).set_index(["region1", "region2", "dist"])
    value = counts * np.outer(weight, weight)
    arm = np.where(np.arange(n) < border, "p", "q")
    for (region1, region2, dist), row in table.iterrows():
        i = np.arange(n - dist)
        pairs = i[(arm[i] == region1) & (arm[i + dist] == region2)]
        diagonal = value[pairs, pairs + dist]
        good = diagonal[~np.isnan(diagonal)]
        assert row["n_valid"] == len(good)
        if len(good):
            np.testing.assert_allclose(row["value_mean"], good.mean(), rtol=1e-9)
    assert table["expected"].notna().all()


def test_sparse_and_empty_distances_have_an_expected(tmp_path):
    n = 90
    counts = np.zeros((n, n))
    counts[10, 14] = counts[10, 60] = counts[11, 14] = 1  # far pairs are all zero, or nearly
    weight = np.ones(n)
    weight[70:] = np.nan
    clr = write_map(tmp_path / "x.cool", counts, weight)
    table = compute_expected(clr, frame(("chr1", 0, 900_000, "chr1")))
    assert np.isfinite(table["expected"]).all()
    assert (table["expected"] >= 0).all()
    assert (table.loc[table["dist"] > 69, "n_valid"] == 0).all()
    assert table["expected"][table["dist"] == 50].item() > 0
    total = (table["expected"] * table["n_valid"]).sum()
    np.testing.assert_allclose(total, 3, rtol=0.1)  # smoothing moves contacts, it makes none


def test_a_pair_of_regions_without_pairs_takes_the_chromosomes_expected(tmp_path):
    n = 60
    i, j = np.indices((n, n))
    weight = np.ones(n)
    weight[:30] = np.nan
    clr = write_map(tmp_path / "x.cool", 10.0 / (1 + abs(i - j)), weight)
    view_df = frame(("chr1", 0, 300_000, "p"), ("chr1", 300_000, 600_000, "q"))
    table = compute_expected(clr, view_df).set_index(["region1", "region2"])["expected"]
    np.testing.assert_allclose(table["p", "p"], table["q", "q"])
    assert table.notna().all()


def test_smoothing_is_cooltools_own():
    rng = np.random.default_rng(0)
    dist = np.arange(2, 1500)
    curves = np.stack([rng.poisson(3e4 / dist).astype(float), 1500.0 - dist])
    for sigma in (0.0212, 0.1):
        mine = smooth_by_distance(dist, curves, sigma)
        _, theirs = _log_smooth_numba.py_func(dist, curves, sigma, 5, 0)  # 2 s to compile
        np.testing.assert_allclose(mine, theirs, rtol=0.01)
    few = smooth_by_distance(np.array([2]), np.array([[5.0]]), 0.02)
    np.testing.assert_array_equal(few, [[5.0]])


def bins_of(chrom_masks):
    tables = []
    for chrom, good in chrom_masks.items():
        start = np.arange(len(good)) * 10
        weight = np.where(good, 1.0, np.nan)
        tables.append(
            pd.DataFrame({"chrom": chrom, "start": start, "end": start + 10, "weight": weight})
        )
    return pd.concat(tables, ignore_index=True)


def test_align_view_moves_borders_to_bins_and_merges_small_arms():
    bins = bins_of({"a": np.ones(60, bool), "b": np.arange(60) > 40, "c": np.zeros(30, bool)})
    view_df = frame(
        ("a", 0, 254, "a_p"), ("a", 254, 600, "a_q"), ("b", 0, 300, "b_p"), ("b", 300, 600, "b_q"),
        ("c", 0, 300, "c"),
    )  # fmt: skip
    aligned = align_view(view_df, bins)
    assert aligned.to_numpy().tolist() == [
        ["a", 0, 260, "a_p"],
        ["a", 260, 600, "a_q"],
        ["b", 0, 600, "b"],
    ]
    assert align_view(None, bins)["name"].tolist() == ["a", "b"]
    assert align_view(frame(("b", 0, 600, "B")), bins)["chrom"].tolist() == ["a", "b"]


def test_every_bin_of_an_aligned_view_has_the_region_that_cooltools_gives_it(tmp_path):
    n = 60
    clr = write_map(tmp_path / "x.cool", np.ones((n, n)), np.ones(n))
    bins = clr.bins()[:].assign(chrom="chr1")
    view_df = align_view(frame(("chr1", 0, 244_000, "p"), ("chr1", 244_000, 600_000, "q")), bins)
    table = compute_expected(clr, view_df)
    counted = table.groupby(["region1", "region2"])["n_valid"].sum()
    starts = bins["start"].to_numpy()
    expected = Expected(table, view_df, "chr1", starts, np.zeros(n, bool), 2)
    sizes = np.bincount(expected.region)
    assert counted["p", "q"] == sizes[0] * sizes[1] - 1  # less the one pair of neighbours
