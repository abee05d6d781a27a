"""The count model: its Newton equations, and what it finds in counts whose truth is known."""

import copy
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from chromloom.models.eig import eigen_representation
from chromloom.normalize.maps import NormalizedMap
from chromloom.training.likelihood import CountModel, likelihood_representation


@pytest.fixture(scope="module")
def model(tiny_map_path):
    normalized = NormalizedMap(tiny_map_path)
    R, S = eigen_representation(normalized, "chr1", 3)
    model = CountModel(normalized, "chr1", R, S, n_knots=4, dispersion=0.01, seed=0)
    rng = np.random.default_rng(0)
    model.S[:-1] += 0.3 * rng.standard_normal(model.S[:-1].shape).astype(np.float32)
    model.S = (model.S + model.S.swapaxes(1, 2)) / 2
    model.offset += 0.1 * rng.standard_normal(4).astype(np.float32)
    return model


def log_rates(model, normalized, R):
    """log mu of all pairs of unmasked bins, -inf where there is none, pair by pair."""
    expected = normalized.expected("chr1")
    n = len(model.position)
    out = np.full((n, n), -np.inf)
    for i in range(n):
        for j in range(n):
            a, b = model.position[i], model.position[j]
            dist = abs(a - b)
            if dist < normalized.ignore_diags:
                continue
            where = np.clip(np.log2(dist), 1, 4) - 1
            k, share = int(where), where % 1
            k1 = min(k + 1, 3)
            S = (1 - share) * model.S[k] + share * model.S[k1]
            c = (1 - share) * model.offset[k] + share * model.offset[k1]
            exposure = model.log_exposure[i] + model.log_exposure[j]
            base = np.log(expected.at(a, b))
            out[i, j] = exposure + base + c + R[i].astype(float) @ S @ R[j]
    return out


def test_rows_move_up_the_penalised_likelihood_by_newton(model, tiny_map_path):
    normalized = NormalizedMap(tiny_map_path)
    counts = model.counts.toarray()
    bins = normalized.bins["weight"].to_numpy()[slice(*normalized.extent("chr1"))]
    weight = bins[model.position]
    value = normalized.band("chr1", 0, 120)
    i, j = 3, 17
    d = model.position[j] - model.position[i]
    assert counts[i, j] * weight[i] * weight[j] == pytest.approx(
        value[d, model.position[i]], rel=1e-5
    )
    moved = copy.deepcopy(model)
    moved.R = model.R.copy()
    moved.rng = SimpleNamespace(permutation=lambda n: [0])  # the first group of rows alone
    prior = model.prior.copy()
    moved._sweep_rows(1.0)
    n = len(model.position)
    rows = np.arange(0, n, max(1, n // 64))
    mu = np.exp(log_rates(model, normalized, model.R))
    for row in rows[:5]:
        dist = np.abs(model.position - model.position[row])
        where = np.clip(np.log2(np.maximum(dist, 1)), 1, 4) - 1
        k = where.astype(int)
        share = (where % 1)[:, None, None]
        S = (1 - share) * model.S[k] + share * model.S[np.minimum(k + 1, 3)]
        x = np.einsum("jab,jb->ja", S, model.R)
        score = (counts[row] - mu[row]) / (1 + 0.01 * mu[row])
        weights = mu[row] / (1 + 0.01 * mu[row])
        gradient = score @ x - model.R[row] / prior
        hessian = (x * weights[:, None]).T @ x + np.diag(1 / prior)
        wanted = np.linalg.solve(hessian, gradient)
        np.testing.assert_allclose(moved.R[row] - model.R[row], wanted, rtol=2e-3, atol=2e-5)
        np.testing.assert_allclose(moved.covariance[row], np.linalg.inv(hessian), rtol=2e-3)


def test_canonical_axes_change_nothing_but_themselves(model):
    R, S = model.canonical()
    for k in range(4):
        np.testing.assert_allclose(R @ S[k] @ R.T, model.R @ model.S[k] @ model.R.T, atol=1e-4)
    np.testing.assert_allclose(R.T @ R / len(R), np.eye(3), atol=1e-10)
    np.testing.assert_allclose(S[-1], np.diag(np.diag(S[-1])), atol=1e-6)
    assert (np.diff(np.abs(np.diag(S[-1]))) <= 1e-9).all()


def simulate(folder, n, depth, seed):
    """A map of known log O/E of rank 2 whose form changes with distance, and that truth."""
    import cooler

    from chromloom.normalize.normalized import write_normalized

    rng = np.random.default_rng(seed)
    t = np.arange(n)
    R = np.column_stack([np.sign(np.sin(t / 9)), np.cos(t / 31)]) + 0.1
    i, j = np.triu_indices(n, 2)
    dist = j - i
    near = np.exp(-dist / 8)
    L = 0.5 * R[i, 0] * R[j, 0] * (1 - 2 * near) + 0.4 * R[i, 1] * R[j, 1]
    count = rng.poisson(depth * dist**-0.8 * np.exp(L))
    bins = pd.DataFrame({"chrom": "chr1", "start": t * 1000, "end": (t + 1) * 1000})
    pixels = pd.DataFrame({"bin1_id": i, "bin2_id": j, "count": count})[count > 0]
    cooler.create_cooler(str(folder / "raw.cool"), bins, pixels, ordered=True)
    view = pd.DataFrame([["chr1", 0, n * 1000, "chr1"]], columns=["chrom", "start", "end", "name"])
    path = folder / "sim.1000.ICE.cool"
    write_normalized(
        cooler.Cooler(str(folder / "raw.cool")),
        np.ones(n),
        path,
        sample="sim",
        norm="ICE",
        assembly="sim",
        view_df=view,
    )
    return NormalizedMap(path), (i, j, L)


@pytest.mark.parametrize(("depth", "better"), [(300.0, 0.5), (20.0, 0.7)])
def test_truth_is_found_closer_than_by_eigenvectors(tmp_path, depth, better):
    normalized, (i, j, L) = simulate(tmp_path, 150, depth, seed=1)
    R0, S0 = eigen_representation(normalized, "chr1", 4)
    R, S, offset = likelihood_representation(
        normalized, "chr1", R0, S0, n_knots=6, sweeps=8, dispersion=0.01
    )
    assert R.shape == (150, 4)
    assert S.shape == (6, 4, 4)
    np.testing.assert_allclose((R**2).mean(axis=0), 1, rtol=1e-4)
    where = np.clip(np.log2(j - i), 1, 6) - 1
    k = where.astype(int)
    share = (where % 1)[:, None, None]
    at = (1 - share) * S[k] + share * S[np.minimum(k + 1, 5)]
    found = np.einsum("pa,pab,pb->p", R[i], at, R[j])
    start = np.einsum("pa,ab,pb->p", R0[i], S0, R0[j])
    dist = j - i

    def error(estimate):
        """Mean squared error around the mean at each distance, which the expected takes up."""
        gap = estimate - L
        mean = np.bincount(dist, gap) / np.maximum(np.bincount(dist), 1)
        return ((gap - mean[dist]) ** 2).mean()

    assert error(found) < better * error(start)
    assert np.abs(offset).max() < 1


def test_few_deep_pairs_do_not_run_away(tmp_path):
    """More entries in S than pairs two bins apart, as in a yeast chromosome."""
    normalized, (i, j, L) = simulate(tmp_path, 60, 3000.0, seed=2)
    R0, S0 = eigen_representation(normalized, "chr1", 16)
    for seed in range(4):
        R, S, offset = likelihood_representation(
            normalized, "chr1", R0, S0, n_knots=7, sweeps=12, dispersion=0.01, seed=seed
        )
        near = j - i == 2
        found = np.einsum("pa,ab,pb->p", R[i[near]], S[0], R[j[near]]) + offset[0]
        assert np.corrcoef(found, L[near])[0, 1] > 0.9
        assert np.abs(found - found.mean() - L[near] + L[near].mean()).max() < 0.5


def test_a_seed_gives_the_same_bits_whatever_the_threads(tiny_map_path):
    import numba

    normalized = NormalizedMap(tiny_map_path)
    R, S = eigen_representation(normalized, "chr2", 3)
    found, threads = [], numba.get_num_threads()
    for n in (1, threads):
        numba.set_num_threads(n)
        found.append(
            likelihood_representation(
                normalized, "chr2", R, S, n_knots=3, sweeps=2, dispersion=0.01, seed=4
            )
        )
    for a, b in zip(*found):
        np.testing.assert_array_equal(a, b)


def test_a_chromosome_smaller_than_the_representation(tiny_map_path):
    normalized = NormalizedMap(tiny_map_path)
    R, S = eigen_representation(normalized, "chr3", 40)
    R, S, offset = likelihood_representation(
        normalized, "chr3", R, S, n_knots=7, sweeps=3, dispersion=0.01
    )
    assert R.shape == (30, 40)
    assert all(np.isfinite(x).all() for x in (R, S, offset))
