"""Balancing: flat marginals, cooler's ICE, scale of counts, masks, and what goes wrong."""

import logging

import cooler
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from chromloom.errors import ConvergenceError, InputError
from chromloom.normalize.balance import (
    NORMS,
    BalanceSettings,
    _Symmetric,
    balance,
    iterative_correction,
    knight_ruiz,
)


@pytest.fixture(scope="module")
def clr(make_counts, tmp_path_factory):
    return make_counts(tmp_path_factory.mktemp("balance") / "counts.cool")


def dense(clr, chrom, ignore_diags=2):
    """Symmetric counts of a chromosome, near diagonals at 0."""
    matrix = clr.matrix(balance=False).fetch(chrom).astype(float)
    i, j = np.indices(matrix.shape)
    return np.where(abs(i - j) >= ignore_diags, matrix, 0)


def write_cool(path, chromsizes, pixels, resolution=10_000):
    """A cooler of bin1_id, bin2_id, count rows."""
    bins = cooler.util.binnify(pd.Series(chromsizes), resolution)
    table = pd.DataFrame(pixels, columns=["bin1_id", "bin2_id", "count"])
    cooler.create_cooler(str(path), bins, table.sort_values(["bin1_id", "bin2_id"]))
    return cooler.Cooler(str(path))


def star(first, n):
    """Contacts of a hub with n - 1 bins that have no other: no scaling makes marginals flat."""
    return [(first, first + k, 10) for k in range(2, n)]


@pytest.mark.parametrize("norm", ["ICE", "KR"])
def test_balanced_marginals_are_flat(clr, norm):
    weights, stats = balance(clr, norm)
    for chrom in clr.chromnames:
        w = np.nan_to_num(weights[slice(*clr.extent(chrom))])
        marginals = (dense(clr, chrom) * np.outer(w, w)).sum(axis=1)[w > 0]
        np.testing.assert_allclose(marginals, marginals.mean(), rtol=2e-5)
    assert stats["converged"].all()
    assert (stats["residual"] < 1e-5).all()


@pytest.mark.parametrize("norm", NORMS)
def test_value_is_on_the_scale_of_counts(clr, norm):
    weights, _ = balance(clr, norm)
    for chrom in clr.chromnames:
        w = weights[slice(*clr.extent(chrom))]
        counts = dense(clr, chrom) * np.outer(~np.isnan(w), ~np.isnan(w))
        value = counts * np.nan_to_num(np.outer(w, w))
        np.testing.assert_allclose(value.sum(), counts.sum())


def test_ice_equals_cooler(clr):
    with np.errstate(all="ignore"):
        expected, _ = cooler.balance_cooler(clr, cis_only=True, max_iters=1000)
    weights, _ = balance(clr, "ICE")
    np.testing.assert_array_equal(np.isnan(weights), np.isnan(expected))
    for chrom in clr.chromnames:
        ratio = (weights / expected)[slice(*clr.extent(chrom))]
        np.testing.assert_allclose(ratio / np.nanmean(ratio), np.where(np.isnan(ratio), np.nan, 1),
                                   rtol=1e-4)  # fmt: skip


@pytest.mark.parametrize(("norm", "power"), [("VC", 1), ("VC_SQRT", 0.5)])
def test_vanilla_coverage_divides_by_marginals(clr, norm, power):
    weights, _ = balance(clr, norm)
    w = weights[slice(*clr.extent("chr1"))]
    good = ~np.isnan(w)
    marginals = dense(clr, "chr1")[good][:, good].sum(axis=1)
    scaled = w[good] * marginals**power
    np.testing.assert_allclose(scaled, scaled[0])


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(5, 40), st.booleans())
def test_kr_recovers_the_biases_of_a_balanced_matrix(seed, n, diagonal):
    rng = np.random.default_rng(seed)
    flat = sum(np.eye(n)[p] + np.eye(n)[p].T for p in (np.roll(np.arange(n), k) for k in (1, 2)))
    flat = (flat + diagonal * np.eye(n)) / (flat + diagonal * np.eye(n)).sum(axis=1)
    bias = rng.lognormal(0, 1, n) * 1000
    matrix = _Symmetric(sparse.csr_matrix(np.triu(flat * np.outer(bias, bias))))
    for method, rtol in [(knight_ruiz, 1e-4), (iterative_correction, None)]:
        x, iterations = method(matrix, 1e-7, 2000)
        marginals = x * ((flat * np.outer(bias, bias)) @ x)
        np.testing.assert_allclose(marginals / marginals.mean(), 1, atol=1e-6)
        assert iterations <= 2000
        if rtol and diagonal:  # with a diagonal the scaling is unique
            np.testing.assert_allclose(x * bias, 1, rtol=rtol)


def test_stored_vector_is_used_as_it_is_up_to_scale(clr, caplog):
    computed, _ = balance(clr, "KR")
    divisive = 7 / computed  # as a .hic stores it, on a scale of its own
    divisive[slice(*clr.extent("chr3"))] = np.nan
    weights, stats = balance(clr, "KR", stored=1 / divisive)
    np.testing.assert_allclose(weights, computed, rtol=1e-4)
    assert stats["source"].tolist() == ["stored", "stored", "computed"]
    assert "chr3: no stored KR, computed instead" in caplog.text
    with pytest.raises(InputError, match="stored KR vector has 10 bins"):
        balance(clr, "KR", stored=np.ones(10))


def test_bins_that_touch_the_blacklist_are_masked(clr):
    rows = [("chr1", 100_000, 110_000), ("chr1", 209_999, 210_001), ("chrX", 0, 10)]
    blacklist = pd.DataFrame(rows, columns=["chrom", "start", "end"])
    without, _ = balance(clr, "KR")
    weights, stats = balance(clr, "KR", blacklist=blacklist)
    lost = np.flatnonzero(np.isnan(weights) & ~np.isnan(without))
    assert lost.tolist() == [10, 20, 21]
    assert stats["n_blacklisted"].tolist() == [3, 0, 0]
    assert np.isnan(balance(clr, "KR", stored=without, blacklist=blacklist)[0][10])


def test_small_and_empty_chromosomes_are_masked_and_listed(make_counts, tmp_path, caplog):
    sizes = {"chr1": 600_000, "tiny": 150_000, "void": 300_000}
    clr = make_counts(tmp_path / "x.cool", chromsizes=sizes, empty=())
    pixels = clr.pixels()[:]
    first = clr.extent("void")[0]
    pixels = pixels[pixels["bin2_id"] < first].to_numpy()
    clr = write_cool(tmp_path / "y.cool", sizes, pixels)
    weights, stats = balance(clr, "ICE", sample="s")
    assert stats["masked_share"].tolist() == [0, 1, 1]
    assert stats["note"].tolist()[1:] == [
        "fewer than 20 unmasked bins",
        "no contacts at distance >= 2 bins",
    ]
    assert np.isnan(weights[60:]).all()
    assert "masked whole, fewer than 20 unmasked bins: tiny" in caplog.text
    with pytest.raises(InputError, match=r"sample 's', void: no contacts .* expected a map with"):
        balance(clr, "ICE", sample="s", chroms=["chr1", "void"])
    weights, stats = balance(clr, "ICE", chroms=["chr1", "void"], required=False)
    assert stats["chrom"].tolist() == ["chr1", "void"]
    assert not np.isnan(weights[:60]).any()
    with pytest.raises(InputError, match="every chromosome: fewer than 20"):
        balance(clr, "ICE", chroms=["tiny"])


def test_a_chromosome_that_does_not_converge(make_counts, tmp_path, caplog):
    caplog.set_level(logging.WARNING)
    sizes = {"chr1": 400_000, "star": 400_000}
    good = make_counts(tmp_path / "x.cool", chromsizes=sizes, empty=()).pixels()[:]
    pixels = [*good[good["bin2_id"] < 40].to_numpy().tolist(), *star(40, 40)]
    clr = write_cool(tmp_path / "y.cool", sizes, pixels)
    limits = BalanceSettings(min_nnz=1, mad_max=0, max_iters=60)
    for norm in ("ICE", "KR"):
        weights, stats = balance(clr, norm, limits, sample="s")
        assert not np.isnan(weights[:40]).any()
        assert np.isnan(weights[40:]).all()
        assert stats["note"].tolist() == ["", "did not converge"]
        assert "did not converge: star" in caplog.text
        with pytest.raises(ConvergenceError, match=f"sample 's', star: {norm} did not converge"):
            balance(clr, norm, limits, sample="s", chroms=["star"])
    with pytest.raises(ConvergenceError, match="every chromosome: ICE did not converge in 2 iter"):
        balance(clr, "ICE", BalanceSettings(max_iters=2))
    kept = BalanceSettings(min_nnz=1, mad_max=0, max_iters=60, allow_unconverged=True)
    weights, stats = balance(clr, "ICE", kept, chroms=["star"])
    assert np.isfinite(weights[42:]).all()
    assert not stats["converged"].item()


def test_sparsest_bins_are_dropped_before_a_chromosome_is(make_counts, tmp_path):
    sizes = {"chr1": 1_000_000}
    counts = make_counts(tmp_path / "x.cool", chromsizes=sizes, empty=(0, 50))
    pixels = [*counts.pixels()[:].to_numpy().tolist(), (0, 10, 5), (10, 50, 5)]
    clr = write_cool(tmp_path / "y.cool", sizes, pixels)  # bins 0 and 50 contact bin 10 alone
    weights, stats = balance(clr, "KR", BalanceSettings(min_nnz=1, mad_max=0))
    assert np.isnan(weights[[0, 50]]).all()
    assert "sparsest bins" in stats["note"].item()
    assert stats["converged"].item()


def test_unknown_names(clr):
    with pytest.raises(InputError, match="norm 'KNIGHT' is not known"):
        balance(clr, "KNIGHT")
    with pytest.raises(InputError, match="'chr9' are not in the assembly"):
        balance(clr, "ICE", chroms=["chr9"])
