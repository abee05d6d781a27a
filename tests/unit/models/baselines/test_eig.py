"""Log O/E as Toeplitz plus sparse, against the dense matrix."""

import numpy as np
import pytest

from chromloom.models.baselines import eig
from chromloom.models.baselines.eig import LogOE, eigen_representation, leading_eigenvectors, orient
from chromloom.normalize.maps import NormalizedMap


@pytest.fixture(scope="module")
def tiny_map(tiny_map_path):
    return NormalizedMap(tiny_map_path)


def dense_log_oe(normalized, chrom, k=0.5):
    """The matrix itself from the dense bands; 0 where there is no pair."""
    n = len(normalized.mask(chrom))
    value = normalized.band(chrom, 0, n).astype(float)
    band = np.log((value + k) / (normalized.expected(chrom).band(0, n) + k))
    matrix = np.zeros((n, n))
    for d in range(n):
        diagonal = np.nan_to_num(band[d, : n - d])
        matrix[np.arange(n - d), np.arange(d, n)] = diagonal
        matrix[np.arange(d, n), np.arange(n - d)] = diagonal
    return matrix


@pytest.mark.parametrize("chrom", ["chr1", "chr2"])  # two arms; one region
def test_operator_is_the_dense_matrix(tiny_map, chrom):
    dense = dense_log_oe(tiny_map, chrom)
    np.testing.assert_allclose(LogOE(tiny_map, chrom).to_dense(), dense, atol=2e-5)
    assert np.abs(dense).max() > 1


@pytest.mark.parametrize("dense_below", [10, 1000])  # by Lanczos; densely
def test_leading_eigenvectors_are_those_of_numpy(tiny_map, monkeypatch, dense_below):
    monkeypatch.setattr(eig, "DENSE_BELOW", dense_below)
    values, vectors = leading_eigenvectors(LogOE(tiny_map, "chr1"), 6)
    wanted, basis = np.linalg.eigh(dense_log_oe(tiny_map, "chr1"))
    order = np.argsort(-np.abs(wanted))[:6]
    np.testing.assert_allclose(values, wanted[order], rtol=1e-4)
    np.testing.assert_allclose(np.abs((vectors * basis[:, order]).sum(0)), 1, atol=1e-3)
    assert (vectors[tiny_map.mask("chr1")] == 0).all()


def test_representation_is_the_best_approximation_of_its_rank(tiny_map):
    R, S = eigen_representation(tiny_map, "chr2", 5)
    dense = dense_log_oe(tiny_map, "chr2")
    values = np.sort(np.abs(np.linalg.eigvalsh(dense)))[::-1]
    residual = np.linalg.norm(dense - R @ S @ R.T)
    np.testing.assert_allclose(residual, np.linalg.norm(values[5:]), rtol=1e-4)
    unmasked = ~tiny_map.mask("chr2")
    np.testing.assert_allclose((R[unmasked] ** 2).mean(0), 1, rtol=1e-4)
    assert np.count_nonzero(S - np.diag(np.diag(S))) == 0


def test_more_components_than_bins_leave_the_rest_at_zero(tiny_map):
    matrix = LogOE(tiny_map, "chr3")
    n = int(matrix.unmasked.sum())
    values, vectors = leading_eigenvectors(matrix, n + 4)
    assert (values[n:] == 0).all()
    assert (vectors[:, n:] == 0).all()
    np.testing.assert_allclose(vectors[:, :n].T @ vectors[:, :n], np.eye(n), atol=1e-8)


def test_same_seed_gives_the_same_bits(tiny_map, monkeypatch):
    monkeypatch.setattr(eig, "DENSE_BELOW", 10)
    first, second = (eigen_representation(tiny_map, "chr1", 4, seed=3)[0] for _ in range(2))
    assert np.array_equal(first, second)


def test_orient_follows_the_track_and_ignores_nan():
    rng = np.random.default_rng(0)
    track = rng.normal(size=50)
    vectors = np.stack([track, -track, rng.normal(size=50)], axis=1)
    track[::7] = np.nan
    oriented = orient(vectors, track)
    known = np.isfinite(track)
    centred = track[known] - track[known].mean()
    assert (centred @ oriented[known] >= 0).all()
    np.testing.assert_array_equal(oriented[:, 0], -vectors[:, 1])
    np.testing.assert_array_equal(orient(vectors, np.full(50, np.nan)), vectors)


def test_products_take_the_threads_of_the_job_and_give_the_same_bits(tiny_map_path, monkeypatch):
    matrix = LogOE(NormalizedMap(tiny_map_path), "chr1")
    x = np.random.default_rng(0).standard_normal(matrix.n)
    pool, asked, found = eig.ThreadPoolExecutor, [], []
    monkeypatch.setattr(eig, "NNZ_OF_A_THREAD", 0)
    monkeypatch.setattr(eig, "ThreadPoolExecutor", lambda n: (asked.append(n), pool(n))[1])
    for n in (1, 2, 3, 100):
        monkeypatch.setattr(eig, "n_threads", lambda n=n: n)
        found.append(matrix.matvec(x))
    assert asked == [2, 3, eig.CHUNKS]
    for other in found[1:]:
        np.testing.assert_array_equal(found[0], other)
