"""Chains that contacts are simulated from are found again; files are read as they were written."""

import cooler
import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt
from scipy.linalg import orthogonal_procrustes
from scipy.optimize import approx_fprime, minimize
from scipy.spatial.distance import pdist, squareform
from scipy.stats import poisson, spearmanr

from chromloom.errors import InputError
from chromloom.files import read_tsv
from chromloom.normalize.square import read_square
from chromloom.plotting.structure import plot_chains
from chromloom.structure.fit import _paths, _scale, fit_chain, fit_structure, score_chain
from chromloom.structure.write import NEIGHBOURS, write_cif, write_pdb


def simulate(n=150, seed=0, *, contacts=None, exponent=3.0):
    """A random walk with persistence in a soft sphere, and its contacts; bin 7 is masked."""
    rng = np.random.default_rng(seed)
    x, step = np.zeros((n, 3)), np.zeros(3)
    for bin in range(1, n):
        step = 0.6 * step + rng.normal(size=3) - 0.02 * x[bin - 1]
        x[bin] = x[bin - 1] + step
    distance = squareform(pdist(x))
    strength = np.where(distance > 0, distance.clip(0.3), 1) ** -exponent
    if contacts:
        upper = np.triu(rng.poisson(strength / np.triu(strength, 1).sum() * contacts), 1)
        strength = (upper + upper.T).astype(float)
    strength[7], strength[:, 7] = np.nan, np.nan
    return distance, strength


def agreement(distance, chain):
    known = np.isfinite(chain).all(axis=1)
    return np.corrcoef(
        squareform(distance[np.ix_(known, known)], checks=False), pdist(chain[known])
    )[0, 1]


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("contacts", [None, 500_000])
def test_distances_of_simulated_chains_are_recovered(seed, contacts):
    distance, strength = simulate(seed=seed, contacts=contacts)
    chain = fit_chain(strength)
    assert np.isnan(chain[7]).all()
    assert np.isfinite(np.delete(chain, 7, axis=0)).all()
    assert agreement(distance, chain) >= 0.9
    # The control: distances along the chromosome do not tell those in space.
    straight = np.c_[np.arange(len(chain)), np.zeros((len(chain), 2))]
    assert agreement(distance, straight) < 0.7
    scores = score_chain(chain, strength)
    assert scores["spearman"] > scores["spearman_distance"] + 0.1
    assert scores["within_distance"] > 0.4


def test_a_chain_is_centred_turned_and_scaled():
    _, strength = simulate(60)
    chain = fit_chain(strength)
    np.testing.assert_allclose(np.nanmean(chain, axis=0), 0, atol=1e-9)
    assert np.nanmedian(np.linalg.norm(np.diff(chain, axis=0), axis=1)) == pytest.approx(1)
    covariance = np.cov(chain[np.isfinite(chain).all(axis=1)].T)
    np.testing.assert_allclose(covariance - np.diag(np.diag(covariance)), 0, atol=1e-8)
    assert (np.diff(np.diag(covariance)) < 0).all()
    assert (chain[0] > 0).all()
    np.testing.assert_array_equal(fit_chain(strength), chain)


def test_a_chain_fitted_to_shuffled_contacts_knows_nothing_beyond_distance():
    _, strength = simulate(100, contacts=200_000)
    rng = np.random.default_rng(0)
    shuffled = np.full_like(strength, np.nan)
    for k in range(1, 100):
        i = np.flatnonzero(np.isfinite(np.diagonal(strength, k)))
        shuffled[i, i + k] = shuffled[i + k, i] = rng.permutation(np.diagonal(strength, k)[i])
    intact = score_chain(fit_chain(strength), strength)["within_distance"]
    chain = fit_chain(shuffled)
    assert score_chain(chain, strength)["within_distance"] < intact / 3


def test_bins_that_no_contact_connects_have_no_coordinates():
    _, strength = simulate(80)
    strength[60:, :60] = strength[:60, 60:] = 0
    chain = fit_chain(strength)
    assert np.isnan(chain[60:]).all()
    assert np.isfinite(chain[:7]).all()


@pytest.mark.parametrize("exponent", [2.0, 3.0])
def test_exact_contacts_give_the_distances_at_once(exponent):
    distance, _ = simulate(40)
    with np.errstate(divide="ignore"):
        contacts = distance**-exponent
    np.fill_diagonal(contacts, 0)
    start = _scale(_paths(contacts, exponent))
    np.testing.assert_allclose(squareform(pdist(start)), distance, atol=1e-6)


def fits(contacts, monkeypatch, **options):
    """Loss and start of each fit, that of all bins last, and the chain."""
    found = []

    def record(loss, start, **more):
        found.append((loss, start))
        return minimize(loss, start, **more)

    monkeypatch.setattr("chromloom.structure.fit.minimize", record)
    return found, fit_chain(contacts, **options)


def test_the_loss_is_the_likelihood_of_poisson_counts_and_its_gradient(monkeypatch):
    _, contacts = simulate(30, contacts=20_000)
    contacts = np.delete(np.delete(contacts, 7, axis=0), 7, axis=1)
    contacts[3, 9] = contacts[9, 3] = np.nan
    loss, start = fits(contacts, monkeypatch, exponent=2.5)[0][-1]
    i, j = np.nonzero(np.triu(np.isfinite(contacts), 1))

    def likelihood(flat):
        x = flat.reshape(-1, 3)
        mean = np.linalg.norm(x[i] - x[j], axis=1) ** -2.5
        mean *= contacts[i, j].sum() / mean.sum()  # the most likely factor
        return poisson.logpmf(contacts[i, j], mean).sum() / contacts[i, j].sum()

    other = start + np.random.default_rng(0).normal(scale=0.1, size=len(start))
    change = likelihood(other) - likelihood(start)
    assert loss(start)[0] - loss(other)[0] == pytest.approx(change)
    np.testing.assert_allclose(
        loss(other)[1], approx_fprime(other, lambda x: loss(x)[0]), atol=1e-5
    )


def test_a_fit_starts_where_that_of_larger_bins_ended(monkeypatch):
    """On a smooth chain within half a step, though pairs of bins side by side are unknown."""
    t = np.arange(121)
    x = np.c_[8 * np.sin(t / 8), 8 * np.cos(t / 8), 0.3 * t]
    contacts = (squareform(pdist(x)) + np.eye(len(t))) ** -0.5
    contacts[np.abs(np.subtract.outer(t, t)) < 2] = np.nan
    found, _ = fits(contacts, monkeypatch, exponent=0.5)
    assert [len(start) // 3 for _, start in found] == [31, 61, 121]
    start = found[-1][1].reshape(-1, 3)
    x, start = x - x.mean(axis=0), start - start.mean(axis=0)
    turn, factor = orthogonal_procrustes(start, x)
    away = np.linalg.norm(start @ turn * factor / (start**2).sum() - x, axis=1)
    assert away.mean() < 0.25
    assert away.max() < 0.5


def test_the_diagonal_is_not_looked_at():
    _, contacts = simulate(60)
    chain = fit_chain(contacts)
    np.fill_diagonal(contacts, 1e6)
    np.testing.assert_array_equal(fit_chain(contacts), chain)


def test_scores_of_a_chain_are_those_of_plain_loops():
    rng = np.random.default_rng(0)
    _, contacts = simulate(25, contacts=5_000)
    np.fill_diagonal(contacts, 1e6)
    chain = rng.normal(size=(25, 3)) + 5
    chain[4] = np.nan
    pairs = [(i, j) for i in range(25) for j in range(i + 1, 25)
             if not {4, 7} & {i, j}]  # fmt: skip
    value, near = (np.array(v) for v in zip(
        *[(contacts[i, j], -np.linalg.norm(chain[i] - chain[j])) for i, j in pairs]))  # fmt: skip
    along = np.array([j - i for i, j in pairs])
    scores = score_chain(chain, contacts)
    assert scores["n_bins"] == 24
    assert scores["spearman"] == pytest.approx(spearmanr(value, near)[0])
    assert scores["spearman_distance"] == pytest.approx(spearmanr(value, -along)[0])
    sizes = np.bincount(along)
    long = [d for d in range(1, 25) if sizes[d] >= 10]
    within = [spearmanr(value[along == d], near[along == d])[0] for d in long]
    assert scores["within_distance"] == pytest.approx(np.average(within, weights=sizes[long]))
    placed = np.delete(chain, 4, axis=0)
    square = np.mean([(x - y) ** 2 for x in placed for y in placed], axis=0).sum() / 2
    assert scores["radius_of_gyration"] == pytest.approx(np.sqrt(square))


@pytest.fixture
def map_path(tmp_path):
    """Contact strength of a simulated chain as a map; chr2 has three bins."""
    _, strength = simulate(120, contacts=300_000)
    bins = cooler.binnify(pd.Series({"chr1": 1_195_000, "chr2": 30_000}), 10_000)
    bins["weight"] = np.where(np.arange(len(bins)) == 7, np.nan, 1)
    i, j = np.nonzero(np.triu(np.nan_to_num(strength)))
    pixels = pd.DataFrame({"bin1_id": i, "bin2_id": j, "count": strength[i, j]})
    pixels.loc[len(pixels)] = [120, 121, 1.0]
    path = tmp_path / "a.cool"
    about = {"ignore_diags": 2, "max_distance": 900_000}
    cooler.create_cooler(str(path), bins, pixels, dtypes={"count": float}, metadata=about)
    return path


def test_pairs_that_are_not_predicted_are_unknown(map_path):
    values, start, resolution = read_square(
        map_path, "chr1", 0, 1_195_000, column="count", max_bins=200
    )
    distance = np.abs(np.subtract(*np.indices(values.shape)))
    assert (start, resolution, len(values)) == (0, 10_000, 120)
    unknown = (distance < 2) | (distance > 90)
    unknown[7], unknown[:, 7] = True, True
    np.testing.assert_array_equal(np.isnan(values), unknown)
    values, _, resolution = read_square(map_path, "chr1", 0, 1_195_000, column="count", max_bins=60)
    assert resolution == 20_000
    np.testing.assert_array_equal(np.isnan(values[0]), [True, *[False] * 44, *[True] * 15])


def test_chromosomes_of_a_map_are_written_and_drawn(map_path, tmp_path):
    out = [tmp_path / name for name in ("a.parquet", "a.tsv", "molecules")]
    fit_structure(map_path, *out, column="count", max_bins=60)
    chains, scores = pd.read_parquet(out[0]), read_tsv(out[1])
    assert scores["chrom"].tolist() == ["chr1"]  # chr2 has too few bins
    assert scores["resolution"].tolist() == [20_000]
    assert (len(chains), chains["end"].iloc[-1]) == (60, 1_195_000)
    assert sorted(path.name for path in out[2].iterdir()) == ["chr1.cif", "chr1.pdb"]
    figure = plot_chains(chains, scores, title="a")
    assert len(figure.axes) == 4  # chain, distances, colours of each
    plt.close(figure)


def test_positions_and_distances_have_a_colour_bar_each():
    x = np.random.default_rng(0).normal(size=(5, 3))
    start = np.arange(5) * 10
    chains = pd.concat(
        pd.DataFrame({"chrom": chrom, "start": start, "end": start + 10}).assign(
            **dict(zip("xyz", factor * x.T))
        )
        for chrom, factor in (("chr1", 1), ("chr2", 3))
    )
    scores = pd.DataFrame({"chrom": ["chr1", "chr2"], "within_distance": 0.5})
    figure = plot_chains(chains, scores, title="a")
    drawn = [ax.images[0] for ax in figure.axes if ax.images]
    dots = [c for ax in figure.axes for c in ax.collections if ax.name == "3d"]
    assert [mesh.get_clim() for mesh in drawn] == [(0, pytest.approx(3 * pdist(x).max()))] * 2
    assert [dot.get_cmap() == drawn[0].get_cmap() for dot in dots] == [False, False]
    bars = {ax.get_ylabel(): ax for ax in figure.axes if ax.get_label() == "<colorbar>"}
    assert list(bars) == ["position", "distance (1: neighbouring bins)"]
    assert [text.get_text() for text in bars["position"].get_yticklabels()] == ["start", "end"]
    plt.close(figure)


def test_a_map_without_a_chromosome_to_fit_is_refused(map_path, tmp_path):
    out = [tmp_path / name for name in ("a.parquet", "a.tsv", "molecules")]
    with pytest.raises(InputError, match="no chromosome has 20 bins"):
        fit_structure(map_path, *out, column="count", max_bins=5)


def test_files_of_molecules_have_the_coordinates_of_the_bins(tmp_path):
    table = pd.DataFrame({"chrom": "chr1", "start": [0, 5, 10, 15], "end": [5, 10, 15, 20]})
    x = np.array([[0, 0, 0], [1, -2, 3], [np.nan] * 3, [-100, 200, 300]])
    table = table.assign(**dict(zip("xyz", x.T)))
    write_pdb(table, tmp_path / "a.pdb")
    write_cif(table, tmp_path / "a.cif")
    lines = (tmp_path / "a.pdb").read_text().splitlines()
    atoms = [line for line in lines if line.startswith("ATOM")]
    assert [int(line[22:26]) for line in atoms] == [1, 2, 4]
    read = [[float(line[c : c + 8]) for c in (30, 38, 46)] for line in atoms]
    np.testing.assert_allclose(read, x[[0, 1, 3]] * NEIGHBOURS, atol=6e-4)
    assert [line for line in lines if line.startswith("CONECT")] == ["CONECT    1    2"]
    assert lines[-1] == "END"
    rows = [line.split() for line in (tmp_path / "a.cif").read_text().splitlines()]
    rows = [row for row in rows if row[0] == "ATOM"]
    np.testing.assert_allclose(np.array(rows)[:, 9:12].astype(float), read)
    assert "_atom_site.Cartn_x" in (tmp_path / "a.cif").read_text()


def test_more_bins_than_pdb_holds_are_refused(tmp_path):
    table = pd.DataFrame({"chrom": ["chr1"] * 10_000, "start": 0, "end": 1})
    with pytest.raises(InputError, match="max_bins"):
        write_pdb(table.assign(x=0.0, y=0.0, z=0.0), tmp_path / "a.pdb")
