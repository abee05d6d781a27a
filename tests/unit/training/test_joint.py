"""The joint fit of several maps: its equations, its file, and what a shallow map gains."""

import hashlib

import cooler
import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file
from scipy import stats

from chromloom.errors import InputError
from chromloom.files import read_tsv
from chromloom.models.baselines.eig import coverage, eigen_representation
from chromloom.models.hiclstm.settings import HiCLSTMSettings
from chromloom.models.trained import TrainedModel
from chromloom.normalize.maps import NormalizedMap
from chromloom.normalize.normalized import write_normalized
from chromloom.training.chromosome import ChromosomeCounts
from chromloom.training.fit import train
from chromloom.training.hierarchy import Contrast, JointModel, _upper_root
from chromloom.training.joint import fit_joint, read_joint
from chromloom.training.likelihood import CountModel

N = 120
CHANGED = slice(60, 80)
OPTIONS = {"embedding_dim": 5, "knots": 5, "sweeps": 6, "hidden_size": 4, "epochs": 0}


def write_map(folder, sample, depth, *, n=N, changed=slice(0), seed=0, masked=()):
    """A map of known log O/E, of n bins; another cell type differs in some of them."""
    rng = np.random.default_rng(seed)
    t = np.arange(n)
    R = np.column_stack([np.sign(np.sin(t / 9)), np.cos(t / 31)]) + 0.1
    R[changed, 0] *= -1
    i, j = np.triu_indices(n, 2)
    L = 0.5 * R[i, 0] * R[j, 0] + 0.4 * R[i, 1] * R[j, 1]
    count = rng.poisson(depth * (j - i) ** -0.8 * np.exp(L))
    bins = pd.DataFrame({"chrom": "chr1", "start": t * 1000, "end": (t + 1) * 1000})
    pixels = pd.DataFrame({"bin1_id": i, "bin2_id": j, "count": count})[count > 0]
    raw = folder / f"{sample}.raw.cool"
    cooler.create_cooler(str(raw), bins, pixels, ordered=True)
    weights = np.ones(n)
    weights[list(masked)] = np.nan
    view = pd.DataFrame([["chr1", 0, n * 1000, "chr1"]], columns=["chrom", "start", "end", "name"])
    path = folder / f"{sample}.1000.ICE.cool"
    options = {"sample": sample, "norm": "ICE", "assembly": "sim", "view_df": view}
    write_normalized(cooler.Cooler(str(raw)), weights, path, **options)
    return path, (i, j, L)


@pytest.fixture(scope="module")
def maps(tmp_path_factory):
    """A deep and a shallow map of two cell types."""
    folder = tmp_path_factory.mktemp("joint")
    deep, _ = write_map(folder, "deep", 100.0, masked=[3, 40])
    shallow, truth = write_map(folder, "shallow", 2.0, changed=CHANGED, seed=1, masked=[3, 90])
    return {"deep": deep, "shallow": shallow}, truth


def count_models(maps, *, barrier=True):
    R, S = eigen_representation(NormalizedMap(maps["deep"]), "chr1", 3)
    options = {"n_knots": 4, "dispersion": 0.01, "oriented": True, "barrier": barrier, "seed": 0}
    read = [ChromosomeCounts.read(NormalizedMap(path), "chr1") for path in maps.values()]
    return [CountModel(observed, R[observed.position], S, **options) for observed in read]


@pytest.mark.parametrize("spread_of_means", [0.0, 0.3])
def test_rows_move_to_the_mode_of_shared_and_own_vectors_together(
    maps, monkeypatch, spread_of_means
):
    """Against the dense system of R_i and all R^m_i."""
    monkeypatch.setattr("chromloom.training.likelihood.LARGEST_MOVE", 1e9)
    joint = JointModel(count_models(maps[0]))
    rng = np.random.default_rng(3)
    joint.mean = spread_of_means * rng.standard_normal(joint.mean.shape)
    for m, at in enumerate(joint.places):
        joint.difference_mean[m, at] = spread_of_means * rng.standard_normal((len(at), 3))
    before = [model.R.copy() for model in joint.models]
    T = 1 / joint.difference
    joint.rng = type("", (), {"permutation": lambda self, n: [0]})()
    untouched = count_models(maps[0])
    n_groups = max(1, len(joint.position) // 64)
    joint._sweep_rows(1.0)
    for row in np.arange(0, len(joint.position), n_groups)[:40]:
        system, right = np.zeros((9, 9)), np.zeros(9)
        system[:3, :3] = np.diag(1 / joint.prior + T.sum(axis=0))
        right[:3] = joint.mean[row] / joint.prior - (T * joint.difference_mean[:, row]).sum(axis=0)
        for m, model in enumerate(untouched):
            own, at = slice(3 * m + 3, 3 * m + 6), joint.row[m][row]
            system[own, own] = np.diag(T[m])
            system[:3, own] = system[own, :3] = -np.diag(T[m])
            if at < 0:
                continue
            hessian, gradient, penalty = model.row_systems(
                np.array([at]), model.affinities(), model.uncertainty()
            )
            system[own, own] += hessian[0] + penalty[0]
            right[own] += gradient[0] + hessian[0] @ before[m][at]
            right[own] += T[m] * joint.difference_mean[m, row]
        wanted, covariance = np.linalg.solve(system, right), np.linalg.inv(system)
        np.testing.assert_allclose(joint.R[row], wanted[:3], rtol=1e-3, atol=1e-4)
        np.testing.assert_allclose(joint.C[row], covariance[:3, :3], rtol=1e-3, atol=1e-7)
        for m, model in enumerate(joint.models):
            own, at = slice(3 * m + 3, 3 * m + 6), joint.row[m][row]
            if at >= 0:
                np.testing.assert_allclose(model.R[at], wanted[own], rtol=1e-3, atol=1e-4)
                spread = covariance[own, own]
                np.testing.assert_allclose(model.covariance[at], spread, rtol=1e-3, atol=1e-6)
                root = model.root[at].astype(float)
                np.testing.assert_allclose(root @ root.T, spread, rtol=1e-3, atol=1e-6)
                assert not np.tril(root, -1).any()


def test_barriers_and_differences_move_by_newton_together(maps):
    joint = JointModel(count_models(maps[0]))
    n, sizes = len(joint.b), [len(at) for at in joint.places]
    ends = np.cumsum([n, *sizes])
    system = np.diag(1 / joint._b_prior * np.ones(ends[-1]))
    gradient = np.zeros(ends[-1])
    for m, model in enumerate(joint.models):
        own = np.arange(ends[m], ends[m + 1])
        system[own, own] = 1 / joint._e_prior[m]
        slope, _, product = model.barriers.system(*model.near_pairs())
        told = np.column_stack([product(unit) for unit in np.eye(sizes[m])])
        for rows in (joint.places[m], own):
            gradient[rows] += slope
            for columns in (joint.places[m], own):
                system[np.ix_(rows, columns)] += told
    wanted = np.linalg.solve(system, gradient)
    joint._update_barriers(1.0)
    np.testing.assert_allclose(joint.b, wanted[:n], atol=1e-4)
    for m, model in enumerate(joint.models):
        own = wanted[:n][joint.places[m]] + wanted[ends[m] : ends[m + 1]]
        np.testing.assert_allclose(model.barriers.b, own, atol=1e-4)


def test_upper_roots():
    x = np.random.default_rng(0).standard_normal((4, 3, 5))
    covariance = x @ x.swapaxes(1, 2)
    root = _upper_root(covariance)
    np.testing.assert_allclose(root @ root.swapaxes(1, 2), covariance)
    np.testing.assert_array_equal(np.tril(root, -1), 0)


def test_p_values_are_uniform_where_nothing_differs():
    rng = np.random.default_rng(0)
    weights = np.tile([1.0, 0.9, 0.5, 0.1, 1e-9], (20_000, 1))
    statistic = (weights * rng.standard_normal(weights.shape) ** 2).sum(axis=1)
    p = Contrast(np.arange(1), weights, weights, statistic, weights).p_value
    for level in (0.01, 0.05, 0.5):  # the tail of one scaled chi-square is near that of the sum
        assert (p < level).mean() == pytest.approx(level, rel=0.35)
    assert stats.kstest(p, "uniform").statistic < 0.03


@pytest.fixture(scope="module")
def fit(maps, tmp_path_factory):
    """Paths of a joint fit, and the model that was fitted."""
    folder = tmp_path_factory.mktemp("fitted")
    paths, made = (folder / "both.safetensors", folder / "both.tsv"), []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "chromloom.training.joint.JointModel",
            lambda models: made.append(JointModel(models)) or made[0],
        )
        fit_joint(maps[0], *paths, options=OPTIONS)
    return paths, made[0]


@pytest.fixture(scope="module")
def fitted(fit):
    return fit[0]


def test_the_file_says_what_was_fitted_in_axes_of_its_own(maps, fit):
    """Log contact strengths, barriers and spreads are those of the fit, whatever turns the axes."""
    (path, differences), joint = fit
    tensors, own = load_file(path), {}
    shared = tensors["shared/embedding"][joint.position].astype(float)
    back = np.linalg.lstsq(joint.R, shared[:, :-1], rcond=None)[0]
    np.testing.assert_allclose(joint.R @ back, shared[:, :-1], atol=1e-5)
    np.testing.assert_allclose((shared**2).mean(axis=0), 1, rtol=1e-5)
    read = coverage(NormalizedMap(maps[0]["deep"]), "chr1")[joint.position]
    known = np.isfinite(read)
    assert ((read[known] - read[known].mean()) @ shared[known, :-1] >= 0).all()
    height = tensors["barrier"][0].astype(float)
    S = tensors["S"][0, :, :-1, :-1].astype(float)
    np.testing.assert_allclose(
        height * shared[:, -1:], joint.models[0].barriers.height * joint.b[:, None], atol=1e-5
    )
    for sample, model in zip(("deep", "shallow"), joint.models):
        embedding, spread = (
            tensors[f"{sample}/{name}"][model.position].astype(float)
            for name in ("embedding", "spread")
        )
        own[sample] = embedding[:, :-1]
        np.testing.assert_allclose(own[sample], model.R @ back, atol=1e-4)
        strength = own[sample] @ S @ own[sample].T
        np.testing.assert_allclose(strength, model.R @ model.S @ model.R.T, atol=1e-4)
        wanted = np.einsum("ak,nab,bk->nk", back, model.covariance, back)
        np.testing.assert_allclose(spread[:, :-1] ** 2, wanted, rtol=1e-3)
        barriers = model.barriers
        for found, b in ((embedding, barriers.b), (spread, np.sqrt(barriers.variance))):
            np.testing.assert_allclose(
                height * found[:, -1:], barriers.height * b[:, None], atol=1e-5
            )
        np.testing.assert_array_equal(tensors[f"{sample}/offset"][0], model.offset)
        assert read_joint(path, sample)[1] == hashlib.sha256(path.read_bytes()).hexdigest()
    table = read_tsv(differences)
    bins = table["start"].to_numpy() // 1000
    deep, shallow = (tensors[f"{sample}/embedding"][bins] for sample in own)
    at_large = (deep - shallow)[:, :-1] @ S[-1] @ shared[:, :-1].T
    np.testing.assert_allclose(table["change"], np.sqrt((at_large**2).mean(axis=1)), rtol=1e-3)
    np.testing.assert_allclose(table["barrier_change"], (deep - shallow)[:, -1], atol=1e-4)


def test_the_table_of_differences_finds_the_bins_that_change(maps, fitted):
    table = read_tsv(fitted[1])
    assert len(table) == N - 3  # masked in one of the maps or in both
    assert set(table["sample"]) == {"deep"}
    assert set(table["other"]) == {"shallow"}
    changed = (table["start"] >= CHANGED.start * 1000) & (table["start"] < CHANGED.stop * 1000)
    rank = stats.mannwhitneyu(table["p_value"][~changed], table["p_value"][changed]).statistic
    assert rank / (changed.sum() * (~changed).sum()) > 0.9
    assert (table["q_value"] >= table["p_value"]).all()
    found = table["q_value"] < 0.05
    assert (found & changed).sum() > 5
    assert (found & ~changed).sum() <= 0.2 * found.sum()
    assert table["change"][changed].median() > 2 * table["change"][~changed].median()


def test_a_shallow_map_borrows_from_a_deep_one(maps, fitted, tmp_path):
    """And its model folder is one of `hiclstm-refined`, in the axes of all maps."""
    paths, (i, j, L) = maps
    settings = HiCLSTMSettings.from_preset("refined", **OPTIONS)
    errors = {}
    for name, joint in {"alone": None, "joint": fitted[0]}.items():
        train(paths["shallow"], tmp_path / name, settings, device="cpu", joint_path=joint)
        model = TrainedModel.load(tmp_path / name)
        band = model.predict_band("chr1", 0, N)
        known = np.isfinite(band[j - i, i])
        gap = band[j - i, i][known] - L[known]
        dist = (j - i)[known]
        mean = np.bincount(dist, gap) / np.maximum(np.bincount(dist), 1)
        errors[name] = ((gap - mean[dist]) ** 2).mean()
    assert errors["joint"] < 0.8 * errors["alone"]
    assert "joint_fit" in model.config
    train(paths["deep"], tmp_path / "deep", settings, device="cpu", joint_path=fitted[0])
    deep = TrainedModel.load(tmp_path / "deep")
    unchanged = np.r_[10:39, 41:60]
    for axis in range(2):
        ours, others = (m.module.embedding[unchanged, axis].numpy() for m in (model, deep))
        assert np.corrcoef(ours, others)[0, 1] > 0.9
    np.testing.assert_array_equal(model.module.S.numpy(), deep.module.S.numpy())


def test_what_larger_bins_of_a_shallow_map_show_is_kept_beside_a_deep_one(tmp_path):
    """A fifth of the bins has changed, and their counts are too few to tell it bin by bin."""
    n, changed = 600, np.arange(240, 360)
    deep, _ = write_map(tmp_path, "deep", 100.0, n=n)
    shallow, (i, j, L) = write_map(tmp_path, "shallow", 1.5, n=n, changed=changed, seed=1)
    told = (j - i > 30) & (np.isin(i, changed) != np.isin(j, changed))
    found = {}
    for below in (0, 500):
        out = tmp_path / f"{below}.safetensors", tmp_path / f"{below}.tsv"
        fit_joint(
            {"deep": deep, "shallow": shallow}, *out, options=OPTIONS | {"coarse_below": below}
        )
        own, _ = read_joint(out[0], "shallow")
        R, S = own["embedding"].astype(float), own["S"][0, -1]
        strength = np.einsum("pa,ab,pb->p", R[i[told]], S, R[j[told]])
        p = read_tsv(out[1]).sort_values("start")["p_value"].to_numpy()
        others = np.delete(p, changed)
        rank = stats.mannwhitneyu(others, p[changed]).statistic / (len(changed) * len(others))
        found[below] = np.corrcoef(strength, L[told])[0, 1], rank
        assert (others < 0.05).mean() < 0.08
    (r_small, rank_small), (r, rank) = found[0], found[500]
    assert r > 0.6 > r_small + 0.4
    assert rank > 0.99 > rank_small + 0.01


def test_a_seed_gives_the_same_bits(maps, fitted, tmp_path):
    again = tmp_path / "again.safetensors"
    fit_joint(maps[0], again, tmp_path / "again.tsv", options=OPTIONS)
    assert again.read_bytes() == fitted[0].read_bytes()


def test_a_fit_that_runs_out_of_bounds_is_an_error(maps, monkeypatch, tmp_path):
    monkeypatch.setattr(JointModel, "fit", lambda self, sweeps, **_: np.linalg.cholesky(-np.eye(2)))
    with pytest.raises(InputError, match=r"chr1: the fit of counts ran out of bounds"):
        fit_joint(maps[0], tmp_path / "j.safetensors", tmp_path / "j.tsv", options=OPTIONS)


def test_what_cannot_be_fitted_jointly_is_refused(maps, fitted, tiny_map_path, tmp_path):
    out = tmp_path / "x.safetensors", tmp_path / "x.tsv"
    with pytest.raises(InputError, match=r"joint fit of deep; expected two"):
        fit_joint({"deep": maps[0]["deep"]}, *out)
    with pytest.raises(InputError, match=r"'deep' and 'tiny' have different bins"):
        fit_joint({"deep": maps[0]["deep"], "tiny": tiny_map_path}, *out)
    with pytest.raises(InputError, match=r"'eig' is not fitted to counts"):
        fit_joint(maps[0], *out, model="eig")
    with pytest.raises(InputError, match=r"joint fit of deep, shallow, without 'other'"):
        read_joint(fitted[0], "other")
