"""The contact model: against a dense re-implementation of its formula, and what it must show."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from chromloom.errors import InputError
from chromloom.simulate import elements
from chromloom.simulate.contacts import (
    bin_features,
    bin_mean,
    expected_contacts,
    expected_trans,
    passage_band,
    reads_per_intensity,
    sample_pixels,
    total_intensity,
)
from chromloom.simulate.plan import SUBCOMPARTMENTS, Physics


def square(band):
    """Upper triangle of the (n, n) matrix that a band of all rows holds; NaN below."""
    n = len(band)
    matrix = np.full((n, n), np.nan)
    for d in range(n):
        i = np.arange(n - d)
        matrix[i, i + d] = band[d, : n - d]
    return matrix


def symmetric(band):
    matrix = square(band)
    return np.where(np.isnan(matrix), matrix.T, matrix)


def over_expected(matrix):
    n = len(matrix)
    distance = np.abs(np.subtract.outer(np.arange(n), np.arange(n)))
    mean = np.array([np.nanmean(np.diagonal(matrix, d)) for d in range(n - 20)])
    return np.where(distance < n - 20, matrix / mean[np.minimum(distance, n - 21)], np.nan)


def dense_passage(plus, minus):
    """The mean over loading bins, written as in the docstring."""
    n = len(plus)
    passage = np.zeros((n, n))
    for i in range(n):
        for j in range(i, n):
            left = np.cumprod(np.append(1, 1 - plus[i + 1 : j + 1]))  # for each loading bin
            right = np.append(np.cumprod((1 - minus[i:j])[::-1])[::-1], 1)
            passage[i, j] = np.mean(left * right)
    return passage


def test_bin_mean_weighs_by_overlap():
    table = pd.DataFrame({"start": [0, 30], "end": [15, 50]})
    means = bin_mean(table, np.array([2.0, 4.0]), np.array([0, 10, 20, 30, 40, 45]))
    np.testing.assert_allclose(means, [2, 1, 0, 4, 4])


def test_passage_matches_the_written_formula(simulated):
    features = bin_features(simulated, "chr1")
    part = slice(50, 90)
    cut = replace(
        features,
        **{name: getattr(features, name)[part] for name in ("mask", "plus", "minus")},
    )
    want = dense_passage(cut.plus, cut.minus)
    got = passage_band(simulated, cut, 0, 40, 40)
    for d in range(40):
        np.testing.assert_allclose(got[d, : 40 - d], np.diagonal(want, d), rtol=1e-10)
        assert (got[d, 40 - d :] == 0).all()


def test_cis_matches_the_written_formula(simulated):
    physics, f = simulated.physics, bin_features(simulated, "chr2")
    n = len(f.mask)
    i, j = np.indices((n, n))
    s = np.abs(j - i) * simulated.resolution
    blurred = {
        side: np.convolve(getattr(f, side), [0.4, 1, 0.4], "same") for side in ("plus", "minus")
    }
    extruded = np.exp(-s / physics.processivity_bp) * np.where(
        s < 7 * physics.processivity_bp, dense_passage(f.plus, f.minus), 0
    )
    extruded *= 1 + physics.residence * blurred["plus"][i]
    extruded *= 1 + physics.residence * blurred["minus"][j]
    energy = physics.affinity * s / (s + physics.affinity_bp) * (f.loading.T @ f.loading)
    near = np.exp(-s / physics.local_bp) * (s <= 5 * physics.local_bp)
    energy += physics.local * near * (f.enhancer[i] + f.enhancer[j])
    pairing = f.enhancer[i] * f.promoter[j] + f.promoter[i] * f.enhancer[j]
    want = (1 + s / physics.polymer_bp) ** -physics.exponent * np.exp(energy)
    want *= 1 + physics.extrusion * extruded * np.exp(physics.pairing * pairing)
    want *= f.visibility[i] * f.visibility[j] * np.where(i == j, 0.5, 1)
    want[f.mask[i] | f.mask[j] | (j < i)] = np.nan
    got = square(expected_contacts(simulated, "chr2", simulated.resolution, scale=3.0))
    np.testing.assert_allclose(got, 3 * want, rtol=2e-5)


def test_blocks_of_rows_equal_the_whole(simulated):
    whole = expected_contacts(simulated, "chr1", 20_000)
    part = expected_contacts(simulated, "chr1", 20_000, 130, 290)
    np.testing.assert_allclose(part, whole[: len(part), 130:290], rtol=1e-5)


def test_coarse_bins_are_sums_of_fine_ones(simulated):
    fine = np.nan_to_num(square(expected_contacts(simulated, "chr2", 20_000)))
    padded = np.pad(fine, (0, -len(fine) % 5))
    want = padded.reshape(len(padded) // 5, 5, -1, 5).sum(axis=(1, 3))
    got = expected_contacts(simulated, "chr2", 100_000)
    np.testing.assert_allclose(np.nan_to_num(square(got)), want, rtol=1e-5)
    block = expected_contacts(simulated, "chr2", 100_000, 7, 20)
    np.testing.assert_allclose(block, got[: len(block), 7:20], rtol=1e-5)


def test_nan_is_where_masked_or_beyond(simulated):
    band = expected_contacts(simulated, "chr1", 20_000)
    mask = bin_features(simulated, "chr1").mask
    n = len(mask)
    d, i = np.indices(band.shape)
    outside = i + d >= n
    want = outside | mask[i] | mask[np.minimum(i + d, n - 1)]
    np.testing.assert_array_equal(np.isnan(band), want)
    assert mask.any()


def test_total_is_the_sum_of_all_pairs(simulated):
    cis = sum(
        np.nansum(expected_contacts(simulated, chrom, 20_000), dtype=float)
        for chrom in simulated.chromsizes.index
    )
    trans = np.nansum(expected_trans(simulated, "chr1", "chr2"), dtype=float)
    assert total_intensity(simulated) == pytest.approx(cis + trans, rel=1e-5)


def test_reads_are_poisson_around_the_intensity(simulated):
    scale = reads_per_intensity(simulated, 2_000_000)
    pixels = pd.concat(sample_pixels(simulated, scale=scale, seed=1))
    n1, n2 = simulated.n_bins("chr1"), simulated.n_bins("chr2")
    count = np.zeros((n1 + n2, n1 + n2))
    count[pixels["bin1_id"], pixels["bin2_id"]] = pixels["count"]
    assert count.sum() == pixels["count"].sum()
    assert pixels["count"].sum() == pytest.approx(2_000_000, rel=0.005)
    want = np.zeros_like(count)
    want[:n1, :n1] = np.nan_to_num(square(expected_contacts(simulated, "chr1", 20_000)))
    want[n1:, n1:] = np.nan_to_num(square(expected_contacts(simulated, "chr2", 20_000)))
    want[:n1, n1:] = np.nan_to_num(expected_trans(simulated, "chr1", "chr2"))
    want *= scale
    for part in (np.s_[:n1, :n1], np.s_[n1:, n1:], np.s_[:n1, n1:]):
        mean, got = want[part], count[part]
        chi = ((got - mean)[mean > 0] ** 2 / mean[mean > 0]).mean()
        assert chi == pytest.approx(1, abs=0.05)  # variance equals mean
        assert (got[mean == 0] == 0).all()
        assert got.sum() == pytest.approx(mean.sum(), rel=0.02)
        # no part of the genome is favoured: row sums too are Poisson
        rows = mean.sum(axis=1) > 5
        z = (got.sum(axis=1) - mean.sum(axis=1))[rows] / np.sqrt(mean.sum(axis=1)[rows])
        assert z.std() == pytest.approx(1, abs=0.2)


def test_reads_are_sorted_and_repeat_with_the_seed(simulated):
    scale = reads_per_intensity(simulated, 200_000)
    one, again, replicate = (
        pd.concat(sample_pixels(simulated, scale=scale, seed=1, replicate=r), ignore_index=True)
        for r in (0, 0, 1)
    )
    pd.testing.assert_frame_equal(one, again)
    assert not one["count"].equals(replicate["count"])
    key = one["bin1_id"] * 10_000 + one["bin2_id"]
    assert key.is_monotonic_increasing
    assert key.is_unique
    assert (one["bin1_id"] <= one["bin2_id"]).all()
    assert (one["count"] > 0).all()


def test_replicates_agree_as_far_as_reads_allow(simulated):
    def correlation(reads):
        scale = reads_per_intensity(simulated, reads)
        maps = []
        for replicate in (0, 1):
            pixels = pd.concat(sample_pixels(simulated, scale=scale, seed=5, replicate=replicate))
            pixels = pixels[pixels["bin2_id"] < simulated.n_bins("chr1")]
            d = pixels["bin2_id"] - pixels["bin1_id"]
            pixels = pixels[(d >= 10) & (d < 40)]
            flat = pixels["bin1_id"] * 1000 + pixels["bin2_id"]
            maps.append(pd.Series(pixels["count"].to_numpy(), index=flat))
        both = pd.concat(maps, axis=1).fillna(0)
        return np.log1p(both).corr().iloc[0, 1]

    shallow, deep = correlation(100_000), correlation(3_000_000)
    assert 0.1 < shallow < deep - 0.1
    assert deep > 0.8


def test_loops_are_dots(simulated):
    noise_free = symmetric(expected_contacts(simulated, "chr1", 20_000, visible=False))
    scale = reads_per_intensity(simulated, 4_000_000)
    sampled = np.zeros_like(noise_free)
    n = len(sampled)
    for pixels in sample_pixels(simulated, scale=scale, seed=2):
        pixels = pixels[pixels["bin2_id"] < n]
        sampled[pixels["bin1_id"], pixels["bin2_id"]] = pixels["count"]
        sampled[pixels["bin2_id"], pixels["bin1_id"]] = pixels["count"]
    seen = np.outer(*[bin_features(simulated, "chr1").visibility] * 2)
    loops = elements.find_loops(simulated).query("chrom1 == 'chr1' and start2 - start1 > 150_000")
    i, j = loops["start1"].to_numpy() // 20_000, loops["start2"].to_numpy() // 20_000
    inside = (i >= 3) & (j < n - 3)
    i, j = i[inside], j[inside]
    for matrix, share in ((noise_free, 0.95), (sampled / np.where(seen > 0, seen, np.nan), 0.75)):
        around = [matrix[i + a, j + b] for a, b in ((-3, 0), (0, 3), (-3, 3), (3, 3))]
        known = ~np.isnan(around).any(axis=0)
        higher = matrix[i, j][known] > np.median(np.array(around)[:, known], axis=0)
        assert known.sum() > 5
        assert higher.mean() >= share


def test_boundaries_insulate(simulated):
    matrix = over_expected(symmetric(expected_contacts(simulated, "chr1", 20_000, visible=False)))
    n, w = len(matrix), 8
    score = np.full(n, np.nan)
    for k in range(w, n - w):
        square_over_k = matrix[k - w : k, k + 1 : k + 1 + w]
        if not np.isnan(square_over_k).all():
            score[k] = np.nanmean(square_over_k)
    boundaries = elements.find_boundaries(simulated).query("chrom == 'chr1' and level == 'TAD'")
    at = ((boundaries["start"] + boundaries["end"]) // 40_000).to_numpy()
    at = at[boundaries["ctcf"] & ~np.isnan(score[at])]
    everywhere = score[~np.isnan(score)]
    assert np.median(score[at]) < np.quantile(everywhere, 0.3)


def test_first_eigenvector_follows_compartments(simulated):
    matrix = over_expected(symmetric(expected_contacts(simulated, "chr1", 100_000, visible=False)))
    keep = ~np.isnan(np.diag(matrix))
    matrix = np.nan_to_num(matrix[np.ix_(keep, keep)] - 1)
    vector = np.linalg.eigh(matrix)[1][:, -1]
    rows = simulated.rows("compartments", "chr1")
    first_axis = np.array([SUBCOMPARTMENTS[name][0][0] for name in rows["name"]])
    edges = np.append(np.arange(0, 8_000_000, 100_000), 8_000_000)
    planned = bin_mean(rows, first_axis, edges)[keep]
    assert abs(np.corrcoef(vector, planned)[0, 1]) > 0.8


def test_without_causes_contacts_follow_the_polymer_alone(simulated):
    plain = Physics(extrusion=0, affinity=0, local=0, pairing=0)
    plan = replace(simulated, physics=plain)
    band = expected_contacts(plan, "chr1", 20_000, visible=False)
    s = np.arange(len(band)) * 20_000
    want = (1 + s / plain.polymer_bp) ** -plain.exponent
    kept = ~np.isnan(band).all(axis=1)
    np.testing.assert_allclose(np.nanmax(band[kept], axis=1)[1:], want[kept][1:], rtol=1e-5)
    np.testing.assert_allclose(np.nanmin(band[kept], axis=1)[1:], want[kept][1:], rtol=1e-5)


def test_unknown_chromosome_and_finer_resolution_are_errors(simulated):
    with pytest.raises(InputError, match=r"'chr9' is not in the plan; expected one of chr1, chr2"):
        expected_contacts(simulated, "chr9", 20_000)
    with pytest.raises(InputError, match=r"50000 is not a multiple of the plan's 20000"):
        expected_contacts(simulated, "chr1", 50_000)


def test_noise_of_two_cell_types_is_independent(simulated):
    twin = replace(simulated, cell_type="twin")
    residuals = []
    mean = np.nan_to_num(square(expected_contacts(simulated, "chr1", 20_000)))
    scale = reads_per_intensity(simulated, 1_000_000)
    for plan in (simulated, twin):
        count = np.zeros_like(mean)
        for pixels in sample_pixels(plan, scale=scale, seed=1):
            pixels = pixels[pixels["bin2_id"] < len(mean)]
            count[pixels["bin1_id"], pixels["bin2_id"]] = pixels["count"]
        residuals.append((count - scale * mean)[mean > 0] / np.sqrt(scale * mean[mean > 0]))
    assert abs(np.corrcoef(*residuals)[0, 1]) < 0.02
