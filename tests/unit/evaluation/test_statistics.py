"""Sums and metrics of two small dense maps, against plain scipy on the listed pairs."""

import numpy as np
import pytest
from scipy.stats import pearsonr, spearmanr

from chromloom.evaluation.statistics import (
    PAIRS,
    STRATA,
    PairSums,
    interval,
    pearson,
    resample_blocks,
    stratum_of,
)

N, BLOCK = 90, 30


def band_of(matrix, lo, hi):
    n = len(matrix)
    band = np.full((n - lo, hi - lo), np.nan, dtype=np.float32)
    for i in range(lo, hi):
        band[: n - i, i - lo] = matrix[i, i:]
    band[:2] = np.nan
    return band


@pytest.fixture(scope="module")
def maps():
    """Predicted, observed, training map and expected, (N, N) upper triangles; some bins masked."""
    rng = np.random.default_rng(0)
    distance = np.abs(np.subtract.outer(np.arange(N), np.arange(N)))
    expected = (60 / (1 + distance)).astype(np.float32)
    truth = expected * np.exp(rng.normal(0, 0.5, (N, N)))
    observed, trained = (rng.poisson(truth).astype(np.float32) for _ in range(2))
    predicted = truth.astype(np.float32)
    for m in (observed, trained, predicted):
        m[[7, 40]] = m[:, [7, 40]] = np.nan
    return predicted, observed, trained, expected


def fill(maps, by_counts=None, **options):
    predicted, observed, trained, expected = maps
    sums = PairSums(N // BLOCK, N, 8.0, 2, **options)
    sums.start_chromosome(0, N // BLOCK, N)
    for second in (False, True):
        for block in range(N // BLOCK):
            lo, hi = block * BLOCK, (block + 1) * BLOCK
            bands = [band_of(m, lo, hi) for m in (predicted, observed, trained)]
            if not second:
                given = None if by_counts is None else band_of(by_counts, lo, hi)
                sums.add(
                    block, *bands, band_of(expected, lo, hi), band_of(expected, lo, hi),
                    by_counts=given, at_depth=given, by_counts_at_depth=given,
                )  # fmt: skip
            elif sums.needs_second_pass:
                sums.add_ranks(block, *bands)
        if not second:
            sums.finish_chromosome()
    sums.finish()
    return sums


def pairs_of(maps, pairs, stratum):
    predicted, observed, trained, expected = maps
    i, j = np.triu_indices(N, 2)
    good = ~np.isnan(observed[i, j])
    if pairs == "observed":
        good &= (observed[i, j] > 0) & (trained[i, j] > 0)
    if stratum != "all":
        good &= stratum_of(j - i) == STRATA.index(stratum)
    i, j = i[good], j[good]
    return j - i, *(m[i, j].astype(float) for m in (predicted, observed, expected))


@pytest.mark.parametrize("pairs", PAIRS)
@pytest.mark.parametrize("stratum", ["2-10", "10-40", "40-100", "all"])
def test_metrics_are_those_of_the_listed_pairs(maps, pairs, stratum):
    metrics = fill(maps).metrics(np.ones((1, 3)))
    d, x_value, y_value, expected = pairs_of(maps, pairs, stratum)
    x, y = np.exp(-8 / (x_value + 1e-10)), np.exp(-8 / (y_value + 1e-10))
    k = STRATA.index(stratum)
    assert metrics[pairs, "n"][0, k] == len(d)
    assert metrics[pairs, "pearson_cp"][0, k] == pytest.approx(pearsonr(x, y)[0], abs=1e-9)
    rho = spearmanr(x_value, y_value)[0]
    assert metrics[pairs, "spearman_cp"][0, k] == pytest.approx(rho, abs=1e-4)
    u, v = (np.log((value + 0.5) / (expected + 0.5)) for value in (x_value, y_value))
    assert metrics[pairs, "pearson_logoe"][0, k] == pytest.approx(pearsonr(u, v)[0], abs=1e-6)
    r2 = 1 - np.sum((x - y) ** 2) / np.sum((y - y.mean()) ** 2)
    assert metrics[pairs, "r2_cp"][0, k] == pytest.approx(r2, abs=1e-9)


def test_the_second_readout_has_metrics_of_contact_probability_of_its_own(maps):
    by_counts = (np.exp(-8 / maps[0]) ** 2).astype(np.float32)
    sums = fill(maps, by_counts)
    assert (fill(maps).readouts, sums.readouts) == (("strength",), ("strength", "counts"))
    plain, other = (sums.metrics(np.ones((1, 3)), readout) for readout in sums.readouts)
    _, x_value, y_value, _ = pairs_of(maps, "all", "all")
    x, y = np.exp(-8 / x_value) ** 2, np.exp(-8 / (y_value + 1e-10))
    assert other["all", "pearson_cp"][0, -1] == pytest.approx(pearsonr(x, y)[0], abs=1e-6)
    r2 = 1 - np.sum((x - y) ** 2) / np.sum((y - y.mean()) ** 2)
    for metric in ("r2_cp", "r2_cp_depth"):
        assert other["all", metric][0, -1] == pytest.approx(r2, abs=1e-6)
    n, total, *_ = sums.distance_sums("counts")[0].sum(axis=0)
    assert (n, total) == (len(x), pytest.approx(x.sum(), rel=1e-6))
    np.testing.assert_array_equal(
        plain["all", "pearson_cp"], fill(maps).metrics(np.ones((1, 3)))["all", "pearson_cp"]
    )
    for metric in ("spearman_cp", "pearson_logoe", "n"):
        np.testing.assert_array_equal(plain["all", metric], other["all", metric])


@pytest.mark.parametrize("pairs", PAIRS)
def test_r2_distance_is_around_the_mean_of_each_distance(maps, pairs):
    metrics = fill(maps).metrics(np.ones((1, 3)))
    d, x_value, y_value, _ = pairs_of(maps, pairs, "all")
    x, y = np.exp(-8 / (x_value + 1e-10)), np.exp(-8 / (y_value + 1e-10))
    mean = np.bincount(d, y) / np.maximum(np.bincount(d), 1)
    expected = 1 - np.sum((x - y) ** 2) / np.sum((y - mean[d]) ** 2)
    assert metrics[pairs, "r2_distance"][0, -1] == pytest.approx(expected, abs=1e-9)


def test_ranks_in_a_second_pass_equal_ranks_kept_in_memory(maps):
    kept, passed = fill(maps), fill(maps, keep=10)
    assert passed.ranks.sum() > 0
    np.testing.assert_allclose(passed.ranks, kept.ranks, rtol=1e-12)


def test_counting_a_block_twice_is_having_its_pairs_twice(maps):
    sums = fill(maps)
    twice = sums.metrics(np.array([[1.0, 1, 1], [2.0, 1, 0]]))
    predicted, observed, *_ = maps
    rows = np.concatenate([np.repeat(range(BLOCK), 2), np.arange(BLOCK, 2 * BLOCK)])
    x, y = [], []
    for i in rows:
        for j in range(i + 2, N):
            if not np.isnan(observed[i, j]):
                x.append(np.exp(-8 / (float(predicted[i, j]) + 1e-10)))
                y.append(np.exp(-8 / (float(observed[i, j]) + 1e-10)))
    assert twice["all", "pearson_cp"][1, -1] == pytest.approx(pearsonr(x, y)[0], abs=1e-7)
    assert twice["all", "pearson_cp"][0, -1] != twice["all", "pearson_cp"][1, -1]


def test_r2_published_draws_a_distance_with_its_seed(maps):
    sums = fill(maps)
    d, x_value, y_value, _ = pairs_of(maps, "observed", "all")
    x, y = np.exp(-8 / (x_value + 1e-10)), np.exp(-8 / (y_value + 1e-10))
    distances = np.unique(d)
    means = np.array([y[d == k].mean() for k in distances])
    drawn = np.random.default_rng(5).choice(means, size=len(distances))
    r2 = np.array(
        [
            1 - np.sum((x[d == k] - y[d == k]) ** 2) / np.sum((y[d == k] - m) ** 2)
            for k, m in zip(distances, drawn)
        ]
    )
    windows = np.array([r2[distances // 10 == w].mean() for w in np.unique(distances // 10)])
    windows[windows < -1] = 0
    values = sums.r2_published(5)
    assert values[-1] == pytest.approx(windows.mean())
    assert values[0] == pytest.approx(windows[0])
    assert np.isnan(values[STRATA.index("1000-")])
    assert not np.array_equal(values, sums.r2_published(6), equal_nan=True)


def test_pairs_without_a_prediction_are_counted_and_left_out(maps):
    predicted = maps[0].copy()
    predicted[0, 5:15] = np.nan  # column 7 is masked: 9 pairs
    sums = fill((predicted, *maps[1:]))
    assert sums.n_unpredicted()[0].tolist() == [4, 5, 0, 0, 0, 0, 0, 9]
    _, observed, trained, _ = maps
    seen = (observed[0, 5:15] > 0) & (trained[0, 5:15] > 0)
    assert sums.n_unpredicted()[1, -1] == seen.sum() > 0
    full = fill(maps).metrics(np.ones((1, 3)))["all", "n"][0, -1]
    assert sums.metrics(np.ones((1, 3)))["all", "n"][0, -1] == full - 9


def test_a_constant_side_has_no_correlation():
    assert np.isnan(pearson(np.array([4.0, 2.0, 3.0, 1.0, 5.0, 1.5])))


def test_blocks_without_data_are_never_drawn():
    multiplicity = resample_blocks(np.array([True, False, True, True]), 50, seed=0)
    assert multiplicity.shape == (51, 4)
    assert (multiplicity[0] == 1).all()
    assert (multiplicity[1:, 1] == 0).all()
    assert (multiplicity[1:].sum(axis=1) == 3).all()


def test_one_block_gives_no_interval():
    multiplicity = resample_blocks(np.array([True, False]), 50, seed=0)
    low, high = interval(np.ones((len(multiplicity), 2)))
    assert np.isnan(low).all()
    assert np.isnan(high).all()


def test_strata_are_half_open():
    assert [STRATA[k] for k in stratum_of(np.array([2, 9, 10, 399, 400, 5000]))] == [
        "2-10", "2-10", "10-40", "200-400", "400-1000", "1000-",
    ]  # fmt: skip
    assert (stratum_of(np.array([0, 1])) == -1).all()
