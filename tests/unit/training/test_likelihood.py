"""The count model: its Newton equations, and what it finds in counts whose truth is known."""

import copy
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from chromloom.errors import InputError
from chromloom.kernels import counts
from chromloom.kernels.counts import drawn_products
from chromloom.kernels.threads import n_threads
from chromloom.models.baselines.eig import eigen_representation
from chromloom.normalize.maps import NormalizedMap
from chromloom.training.chromosome import ChromosomeCounts
from chromloom.training.likelihood import (
    DRAWS_OF_A_KNOT,
    CountModel,
    likelihood_representation,
    update_knot,
)


@pytest.fixture(scope="module")
def model(tiny_map_path):
    normalized = NormalizedMap(tiny_map_path)
    R, S = eigen_representation(normalized, "chr1", 3)
    observed = ChromosomeCounts.read(normalized, "chr1")
    model = CountModel(
        observed, R[observed.position], S, n_knots=4, dispersion=0.01, oriented=True, barrier=True,
        seed=0,
    )  # fmt: skip
    rng = np.random.default_rng(0)
    model.S[:-1] += 0.3 * rng.standard_normal(model.S[:-1].shape).astype(np.float32)
    model.offset += 0.1 * rng.standard_normal(4).astype(np.float32)
    model.barriers.b = 0.1 * rng.standard_normal(len(model.R))
    model.barriers.height = np.array([1.0, 0.8, 0.3, 0.0])
    return model


def at_distance(model, dist):
    """S, c and h of a pair so many bins apart."""
    where = np.clip(np.log2(max(dist, 2)), 1, 4) - 1
    k, share = int(where), where % 1
    values = model.S.astype(float), model.offset.astype(float), model.barriers.height
    return [(1 - share) * v[k] + share * v[min(k + 1, 3)] for v in values]


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
            S, c, h = at_distance(model, dist)
            exposure = model.log_exposure[i] + model.log_exposure[j]
            base = np.log(expected.at(a, b))
            up, down = min(i, j), max(i, j)
            met = model.barriers.b[up + 1 : down].sum()
            out[i, j] = exposure + base + c + R[up].astype(float) @ S @ R[down] - h * met
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
    moved.mean = 0.2 * np.random.default_rng(3).standard_normal(model.R.shape).astype(np.float32)
    moved.rng = SimpleNamespace(permutation=lambda n: [0])  # the first group of rows alone
    prior = model.prior.copy()
    moved._sweep_rows(1.0)
    n = len(model.position)
    rows = np.arange(0, n, max(1, n // 64))
    mu = np.exp(log_rates(model, normalized, model.R))
    for row in rows[:5]:
        S = [at_distance(model, abs(p - model.position[row]))[0] for p in model.position]
        x = np.array([(S[j] if j > row else S[j].T) @ model.R[j] for j in range(n)])
        score = (counts[row] - mu[row]) / (1 + 0.01 * mu[row])
        weights = mu[row] / (1 + 0.01 * mu[row])
        gradient = score @ x - (model.R[row] - moved.mean[row]) / prior
        hessian = (x * weights[:, None]).T @ x + np.diag(1 / prior)
        wanted = np.linalg.solve(hessian, gradient)
        np.testing.assert_allclose(moved.R[row] - model.R[row], wanted, rtol=2e-3, atol=2e-5)
        np.testing.assert_allclose(moved.covariance[row], np.linalg.inv(hessian), rtol=2e-3)


@pytest.mark.parametrize("oriented", [True, False])
def test_a_knot_moves_by_newton_on_its_pairs(tiny_map_path, model, oriented, monkeypatch):
    """Without uncertainty of the rows, where all pairs are taken: against features pair by pair."""
    monkeypatch.setattr("chromloom.training.likelihood.LARGEST_MOVE", np.inf)
    moved, k = copy.deepcopy(model), 1
    moved.oriented = oriented
    if not oriented:
        moved.S = (moved.S + moved.S.swapaxes(1, 2)) / 2
        moved.part = moved.part[moved.part == 0]
    before = copy.deepcopy(moved)
    upper, above = np.triu_indices(3), np.triu_indices(3, 1)

    def entries(S):
        symmetric, rest = (S + S.T) / 2, (S - S.T) / 2
        return np.concatenate([symmetric[upper], rest[above] if oriented else []])

    mu = np.exp(log_rates(before, NormalizedMap(tiny_map_path), before.R))
    counts, size = before.counts.toarray(), 10 if oriented else 7
    gradient, information = np.zeros(size), np.zeros((size, size))
    for i, j in zip(*np.triu_indices(len(moved.R), 1)):
        where = np.clip(np.log2(model.position[j] - model.position[i]), 1, 4) - 1
        share = max(1 - abs(where - k), 0)
        outer = np.outer(before.R[i], before.R[j]).astype(float)
        # the derivative by each number of the symmetric and of the antisymmetric part
        both = (outer + outer.T) / np.where(np.eye(3), 2, 1)
        x = share * np.concatenate([both[upper], (outer - outer.T)[above] if oriented else [], [1]])
        gradient += x * (counts[i, j] - mu[i, j]) / (1 + 0.01 * mu[i, j])
        information += np.outer(x, x) * mu[i, j] / (1 + 0.01 * mu[i, j])
    theta = np.array([[*entries(S), c] for S, c in zip(before.S.astype(float), before.offset)])
    precision = np.full(size, 1 / 0.25)
    precision[-1] = 1e-3
    gradient -= precision * (2 * theta[k] - theta[k - 1] - theta[k + 1])
    wanted = theta[k] + np.linalg.solve(information + np.diag(2 * precision), gradient)
    update_knot([moved], k, 0, np.zeros((2 * DRAWS_OF_A_KNOT, 2, 3), np.float32))
    np.testing.assert_allclose(entries(moved.S[k]), wanted[:-1], rtol=1e-3, atol=1e-4)
    assert moved.offset[k] == pytest.approx(wanted[-1], abs=1e-4)
    np.testing.assert_array_equal(moved.S[[0, 2, 3]], before.S[[0, 2, 3]])


def test_features_are_drawn_from_the_posterior(model):
    rng = np.random.default_rng(1)
    i, j = rng.integers(0, len(model.R), (2, 300))
    root = np.triu(0.1 * rng.standard_normal((len(model.R), 3, 3))).astype(np.float32)
    noise = rng.standard_normal((300, 2, 3)).astype(np.float32)
    scale = rng.random(300).astype(np.float32)
    x, y = (
        model.R[k] + np.einsum("pab,pb->pa", root[k], noise[:, side])
        for side, k in enumerate((i, j))
    )
    out = np.empty((10, 300), np.float32)
    drawn_products(i, j, model.R, root, noise, scale, out)
    theta = model.entries(model.S)
    for S, entries in zip(model.S, theta):
        wanted = scale * np.einsum("pa,ab,pb->p", x, S, y)
        np.testing.assert_allclose(entries @ out[:-1], wanted, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(out[-1], scale)


def test_barriers_move_by_newton_on_all_pairs_that_span_them(model, tiny_map_path):
    moved = copy.deepcopy(model)
    n, prior = len(model.R), model.barriers._prior
    mu = np.exp(log_rates(model, NormalizedMap(tiny_map_path), model.R))
    counts, gradient, information = model.counts.toarray(), np.zeros(n), np.eye(n) / prior
    for i in range(n):
        for j in range(i + 1, n):
            dist = model.position[j] - model.position[i]
            h, spanned = at_distance(model, dist)[2], np.arange(i + 1, j)
            weight = mu[i, j] / (1 + 0.01 * mu[i, j])
            score = (counts[i, j] - mu[i, j]) / (1 + 0.01 * mu[i, j])
            gradient[spanned] -= h * score
            information[np.ix_(spanned, spanned)] += h**2 * weight
    wanted = model.barriers.b + np.linalg.solve(information, gradient - model.barriers.b / prior)
    moved.barriers.update_barriers(*moved.near_pairs(), 1.0)
    np.testing.assert_allclose(moved.barriers.b, wanted, atol=2e-4)
    variance = (wanted**2 + 1 / np.diag(information)).mean()
    assert moved.barriers._prior == pytest.approx(variance, rel=1e-2)


def test_heights_of_barriers_move_by_newton(model, tiny_map_path):
    moved = copy.deepcopy(model)
    n, b = len(model.R), model.barriers.b
    mu = np.exp(log_rates(model, NormalizedMap(tiny_map_path), model.R))
    counts, gradient, information = model.counts.toarray(), np.zeros(2), np.zeros((2, 2))
    for i in range(n):
        for j in range(i + 1, n):
            where = np.clip(np.log2(model.position[j] - model.position[i]), 1, 4) - 1
            shares = np.maximum(1 - np.abs(where - np.arange(4)), 0)
            x = -b[i + 1 : j].sum() * np.array([shares[0] + shares[1], shares[2]])
            gradient += x * (counts[i, j] - mu[i, j]) / (1 + 0.01 * mu[i, j])
            information += np.outer(x, x) * mu[i, j] / (1 + 0.01 * mu[i, j])
    before = np.array([0.8, 0.3])
    moved.barriers.height[0] = model.barriers.height[0]
    moved.barriers.update_height(*moved.near_pairs(), 1.0)
    wanted = before + np.linalg.solve(information + np.eye(2), gradient)
    wanted = np.array([wanted[0], *wanted, 0])
    largest = wanted[np.argmax(np.abs(wanted))]
    np.testing.assert_allclose(moved.barriers.height, wanted / largest, atol=1e-3)
    np.testing.assert_allclose(moved.barriers.b, b * largest, rtol=1e-3)


def test_barriers_that_say_nothing_fade_and_keep_their_heights(model):
    barriers = copy.deepcopy(model).barriers
    barriers.b[:] = 0
    height = barriers.height.copy()
    score = np.zeros((len(barriers.b), barriers.reach), np.float32)
    for _ in range(100):
        barriers.update_barriers(score, score + 1, 1.0)
        barriers.update_height(score, score + 1, 1.0)
    np.testing.assert_allclose(barriers.b, 0)
    np.testing.assert_allclose(barriers.height, height / height.max(), atol=0.25)
    assert barriers._prior > 0


def test_canonical_axes_change_nothing_but_themselves(model):
    R, S, _ = model.canonical()
    for k in range(4):
        np.testing.assert_allclose(R @ S[k] @ R.T, model.R @ model.S[k] @ model.R.T, atol=1e-4)
    np.testing.assert_allclose(R.T @ R / len(R), np.eye(3), atol=1e-10)
    np.testing.assert_allclose(S[-1], np.diag(np.diag(S[-1])), atol=1e-6)
    assert (np.diff(np.abs(np.diag(S[-1]))) <= 1e-9).all()


def test_spread_is_that_of_the_canonical_axes(model):
    moved = copy.deepcopy(model)
    moved._sweep_rows(1.0)
    rng = np.random.default_rng(0)
    R, _, spread = moved.canonical()
    turn = np.linalg.lstsq(moved.R.astype(float), R, rcond=None)[0]
    row = 7
    noise = rng.standard_normal((20_000, 3)) @ moved.root[row].T
    np.testing.assert_allclose(spread[row], (noise @ turn).std(axis=0), rtol=0.03)


def simulate(folder, n, depth, seed, more=None, *, blocks=1, size=1.0, reach=np.inf):
    """A map of known log O/E of rank 2 whose form changes with distance, and that truth.

    `more` (i, j) adds to the log O/E, `blocks` bins in a row are alike, `size` scales it; pairs
    from `reach` bins on have no contacts.
    """
    import cooler

    from chromloom.normalize.normalized import write_normalized

    rng = np.random.default_rng(seed)
    t = np.arange(n)
    place = t // blocks
    R = np.sqrt(size) * (np.column_stack([np.sign(np.sin(place / 9)), np.cos(place / 31)]) + 0.1)
    i, j = np.triu_indices(n, 2)
    i, j = i[j - i < reach], j[j - i < reach]
    dist = j - i
    near = np.exp(-dist / 8)
    L = 0.5 * R[i, 0] * R[j, 0] * (1 - 2 * near) + 0.4 * R[i, 1] * R[j, 1]
    if more is not None:
        L = L + more(i, j)
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
    found = likelihood_representation(
        normalized, "chr1", R0, S0, n_knots=6, sweeps=8, dispersion=0.01, barrier=False
    )
    R, S, offset = found["embedding"], found["S"], found["offset"]
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


def test_a_shallow_map_is_fitted_in_larger_bins_first(tmp_path):
    """Too few contacts for the bins themselves, enough for 16 of them together."""
    n = 2_100
    normalized, (i, j, L) = simulate(tmp_path, n, 0.35, seed=6, blocks=16)
    depth = 2 * normalized.pixels("chr1", 0, n)["count"].sum() / n
    assert depth < 30
    R0, S0 = eigen_representation(normalized, "chr1", 4)
    far = (j - i > 100) & (np.random.default_rng(0).random(len(i)) < 0.1)
    found = {}
    for coarse, below in ((False, depth), (True, 1.01 * depth)):
        fitted = likelihood_representation(
            normalized, "chr1", R0, S0, n_knots=6, sweeps=8, dispersion=0.01,
            coarse_below=below,
        )  # fmt: skip
        assert all(np.isfinite(x).all() for x in fitted.values())
        R, S = fitted["embedding"].astype(float), fitted["S"][-1]
        found[coarse] = np.einsum("pa,ab,pb->p", R[i[far]], S, R[j[far]])
    assert np.corrcoef(found[True], L[far])[0, 1] > 0.75
    assert found[False].std() < 0.05 * found[True].std()


def test_axes_of_a_map_without_structure_are_zero(tmp_path):
    normalized, _ = simulate(tmp_path, 600, 0.3, seed=7, size=0.0)
    R0, S0 = eigen_representation(normalized, "chr1", 4)
    fitted = likelihood_representation(
        normalized, "chr1", R0, S0, n_knots=6, sweeps=20, dispersion=0.01, barrier=False,
        coarse_below=500,
    )  # fmt: skip
    np.testing.assert_allclose(fitted["S"], 0, atol=1e-3)
    gone = ~fitted["S"][-1].any(axis=0)
    assert gone.any()
    assert not fitted["embedding"][:, gone].any()
    assert not fitted["spread"][:, gone].any()


def test_few_deep_pairs_do_not_run_away(tmp_path):
    """More entries in S than pairs two bins apart, as in a yeast chromosome."""
    normalized, (i, j, L) = simulate(tmp_path, 60, 3000.0, seed=2)
    R0, S0 = eigen_representation(normalized, "chr1", 16)
    for seed in range(4):
        model = likelihood_representation(
            normalized, "chr1", R0, S0, n_knots=7, sweeps=12, dispersion=0.01, seed=seed
        )
        R, S, offset = model["embedding"], model["S"], model["offset"]
        np.testing.assert_array_equal(S[:, -1], 0)
        near = j - i == 2
        found = np.einsum("pa,ab,pb->p", R[i[near]], S[0], R[j[near]]) + offset[0]
        assert np.corrcoef(found, L[near])[0, 1] > 0.9
        assert np.abs(found - found.mean() - L[near] + L[near].mean()).max() < 0.5


def test_maps_that_end_at_a_distance_do_not_run_away(tmp_path):
    """Rows whose whole Newton step would leave the range in which the likelihood is quadratic."""
    normalized, (i, j, L) = simulate(tmp_path, 400, 20_000.0, seed=0, size=3.0, reach=30)
    R0, S0 = eigen_representation(normalized, "chr1", 8)
    found = likelihood_representation(
        normalized, "chr1", R0, S0, n_knots=6, sweeps=20, dispersion=0.01
    )
    R, far = found["embedding"].astype(float), j - i == 16
    strength = np.einsum("pa,ab,pb->p", R[i[far]], found["S"][3], R[j[far]])
    assert np.corrcoef(strength, L[far])[0, 1] > 0.9


def test_no_log_rate_moves_too_far_in_a_step(model):
    S, R = model.S[-1].astype(float), model.R.astype(float)
    move = np.diag([5.0, 0.01, 2.0])
    step = model.bounded(move)
    change = np.abs(step @ S @ R.T).max(axis=1)
    assert change == pytest.approx(np.minimum(1, np.abs(move @ S @ R.T).max(axis=1)), rel=1e-5)
    np.testing.assert_array_equal(step[1], move[1].astype(np.float32))


def test_a_seed_gives_the_same_bits_whatever_the_threads(tiny_map_path, monkeypatch):
    normalized = NormalizedMap(tiny_map_path)
    R, S = eigen_representation(normalized, "chr2", 3)
    found, asked = [], []
    share = counts.share
    for n in (1, 2, 3):

        def shared(work, n_items, n_threads, *, n=n, **options):
            asked.append((n_threads, n))
            share(work, n_items, n, **options)

        monkeypatch.setattr(counts, "share", shared)
        found.append(
            likelihood_representation(
                normalized, "chr2", R, S, n_knots=3, sweeps=2, dispersion=0.01, seed=4
            )
        )
    assert set(asked) == {(n_threads(), n) for n in (1, 2, 3)}  # what the job was given
    for name, value in found[0].items():
        for other in found[1:]:
            np.testing.assert_array_equal(value, other[name])


def test_a_fit_that_runs_out_of_bounds_is_an_error(tiny_map_path):
    normalized = NormalizedMap(tiny_map_path)
    R, S = eigen_representation(normalized, "chr1", 4, seed=0)
    with pytest.raises(InputError, match=r"chr1: the fit of counts ran out of bounds; check"):
        likelihood_representation(
            normalized, "chr1", R * 1e3, S, n_knots=5, sweeps=5, dispersion=0.01
        )


def test_a_chromosome_smaller_than_the_representation(tiny_map_path):
    normalized = NormalizedMap(tiny_map_path)
    R, S = eigen_representation(normalized, "chr3", 40)
    found = likelihood_representation(
        normalized, "chr3", R, S, n_knots=7, sweeps=3, dispersion=0.01
    )
    assert found["embedding"].shape == (30, 41)
    assert all(np.isfinite(x).all() for x in found.values())


def test_simulated_barriers_are_found(tmp_path):
    strength = np.zeros(150)
    strength[[30, 62, 90, 121]] = 0.8, 1.2, 0.5, 1.0

    def more(i, j):
        """Less contact across the simulated bins, the less the further apart."""
        passed = np.concatenate([[0], np.cumsum(strength)])
        return -np.exp(-(j - i) / 20) * (passed[j] - passed[i + 1])

    normalized, _ = simulate(tmp_path, 150, 100.0, seed=3, more=more)
    R, S = eigen_representation(normalized, "chr1", 4)
    found = likelihood_representation(
        normalized, "chr1", R, S, n_knots=6, sweeps=8, dispersion=0.01
    )
    barriers = found["embedding"][:, -1]
    assert set(np.argsort(barriers)[-4:]) == {30, 62, 90, 121}
    assert np.corrcoef(barriers, strength)[0, 1] > 0.7  # domains of the affinity have ends, too
    height = found["barrier"]
    assert height[0] == height[1] > height[3] > 0 == height[-1]
    assert (barriers**2).mean() == pytest.approx(1, rel=1e-4)


def test_orientation_is_found(tmp_path):
    """Bins that meet their downstream neighbours more than their upstream ones."""
    rng = np.random.default_rng(5)
    turn = np.repeat(rng.choice([-1.0, 1.0], 30), 5)

    def more(i, j):
        return 0.4 * np.exp(-(j - i) / 15) * (turn[i] - turn[j])

    normalized, (i, j, L) = simulate(tmp_path, 150, 100.0, seed=4, more=more)
    R, S = eigen_representation(normalized, "chr1", 6)
    errors = []
    for oriented in (False, True):
        options = {"oriented": oriented, "barrier": False, "sweeps": 10}
        found = likelihood_representation(
            normalized, "chr1", R, S, n_knots=6, dispersion=0.01, **options
        )
        asymmetry = np.abs(found["S"] - found["S"].swapaxes(1, 2)).max(axis=(1, 2))
        assert (asymmetry[:-1] > 0.01).any() == oriented
        assert asymmetry[-1] < 1e-4
        near = (j - i >= 4) & (j - i < 8)
        where = np.log2((j - i)[near]) - 1
        share = (where % 1)[:, None, None]
        at = (1 - share) * found["S"][1] + share * found["S"][2]
        R_i, R_j = found["embedding"][i[near]], found["embedding"][j[near]]
        estimate = np.einsum("pa,pab,pb->p", R_i, at, R_j)
        errors.append(np.var(estimate - L[near]))
    assert errors[1] < 0.8 * errors[0]
