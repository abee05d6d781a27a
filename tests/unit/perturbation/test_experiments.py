"""Averages over many knockouts, on a model whose answers are set by hand."""

import numpy as np
import pandas as pd
import pytest
import torch

from chromloom.edits.bins import lay_out
from chromloom.edits.edit import Edit
from chromloom.perturbation.experiments import (
    compare_domains,
    compare_with_random,
    effect_by_distance,
    knock_out_bins,
    knock_out_boundaries,
    knock_out_domains,
    knock_out_groups,
)
from chromloom.perturbation.predict import predict_edit
from chromloom.prediction.open import open_source


@pytest.fixture(scope="module")
def source(tiny_model_dir, tiny_map_path):
    return open_source(tiny_model_dir(), tiny_map_path)


def test_effects_and_pileups_are_those_of_the_single_edits(source):
    bins = np.array([60, 150])
    effects, pileup = knock_out_bins(source, bins, reach=200_000)
    assert pileup.shape == (41, 41)
    np.testing.assert_array_equal(pileup, pileup.T)
    predictions = [
        predict_edit(
            source,
            lay_out(Edit("e", "knockout", chrom, at, at + 10_000), source.bins),
            flank=200_000,
        )
        for chrom, at in (("chr1", 600_000), ("chr2", 300_000))
    ]
    changes = []
    for site, prediction in zip(bins, predictions):
        k = {b: p for p, b in enumerate(prediction.bins)}
        pair = k[site - 5], k[site + 6]
        changes.append(
            np.log2((prediction.on_reference[pair] + 0.5) / (prediction.wild_type[pair] + 0.5))
        )
    np.testing.assert_allclose(pileup[15, 26], np.nanmean(changes), rtol=1e-6)
    step = effects[(effects["site"] == 60) & (effects["dist_kb"] == 200)].set_index("pairs")
    prediction, total = predictions[0], {"own": 0.0, "spanning": 0.0}
    for a, i in enumerate(prediction.bins):
        for b, j in enumerate(prediction.bins):
            if i <= 60 <= j and 10 <= j - i < 20 and np.isfinite(prediction.difference[a, b]):
                total["own" if 60 in (i, j) else "spanning"] += prediction.wild_type[a, b]
    for pairs, value in total.items():
        np.testing.assert_allclose(step.loc[pairs, "wild_type"], value, rtol=1e-6)


def test_own_and_spanning_pairs_are_all_pairs(source):
    effects, _ = knock_out_bins(source, np.array([60]), reach=200_000)
    edit = Edit("e", "knockout", "chr1", 600_000, 610_000)
    prediction = predict_edit(source, lay_out(edit, source.bins), flank=200_000)
    left, right = prediction.bins[:, None], prediction.bins[None, :]
    across = (left <= 60) & (right >= 60) & (right - left < 20)
    across &= np.isfinite(prediction.difference)
    wild_type, edited = (m[across].sum() for m in (prediction.wild_type, prediction.on_reference))
    np.testing.assert_allclose(effects["wild_type"].sum(), wild_type, rtol=1e-6)
    np.testing.assert_allclose(effects["edited"].sum(), edited, rtol=1e-6)
    table = compare_with_random(effects.assign(group="random")).set_index("pairs")
    assert table["change"]["all"] == pytest.approx(edited / wild_type - 1)
    assert list(table.index) == ["all", "own", "spanning"]


def test_a_barrier_knocked_out_moves_spanning_pairs_alone(tiny_model_dir, tiny_map_path):
    # the LSTM reads barriers, too
    source = open_source(tiny_model_dir(hidden_size=0), tiny_map_path)
    model = source.model
    site, (first, last) = 60, model.extent("chr1")
    neighbours = np.r_[site - 10 : site, site + 1 : site + 11]
    around = neighbours[~model.mask("chr1")[neighbours]]
    with torch.no_grad():
        R = model.module.embedding[first:last]
        R[site] = R[around].mean(dim=0)
        R[site, -1] += 1
        model.module.barrier.fill_(1)  # heights
        model.module.S[..., -1] = model.module.S[..., -1, :] = 0  # as it is fitted
    effects, _ = knock_out_bins(source, np.array([site]), reach=200_000)
    sums = effects.groupby("pairs")[["wild_type", "edited"]].sum()
    change = sums["edited"] / sums["wild_type"] - 1
    assert change["own"] == pytest.approx(0, abs=1e-5)
    assert change["spanning"] == pytest.approx(np.e - 1, rel=0.01)


def made_up(changes):
    """`changes`: relative, of own pairs by group; spanning ones change by the opposite."""
    rows = [
        (group, site, pairs, kb, 100.0, 100.0 * (1 + sign * change))
        for group, values in changes.items()
        for site, change in enumerate(values)
        for pairs, sign in (("own", 1), ("spanning", -1))
        for kb in (100, 200, 300)
    ]
    columns = ["group", "site", "pairs", "dist_kb", "wild_type", "edited"]
    return pd.DataFrame(rows, columns=columns)


def test_groups_are_told_from_random_bins_by_own_and_by_spanning_pairs():
    rng = np.random.default_rng(0)
    effects = made_up(
        {
            "enhancers": -0.02 + 0.02 * rng.standard_normal(20),
            "random": 0.02 * rng.standard_normal(20),
            "anchors": -0.07 + 0.02 * rng.standard_normal(20),
        }
    )
    table = compare_with_random(effects)
    assert table["group"].unique().tolist() == ["anchors", "enhancers", "random"]
    table = table.set_index(["group", "pairs"])
    for pairs, change in (("own", -0.07), ("spanning", 0.07), ("all", 0)):
        assert table.loc[("anchors", pairs), "change"] == pytest.approx(change, abs=0.02)
    for pairs in ("own", "spanning"):  # a gain is told as well as a loss
        assert table.loc[("anchors", pairs), "p_random"] < 0.001
        assert table.loc[("anchors", pairs), "p_zero"] < 0.001
        assert table.loc[("random", pairs), "p_zero"] > 0.01
    assert table["p_random"]["random"].isna().all()
    distance = effect_by_distance(effects)
    assert len(distance) == 27
    assert (distance["n_sites"] == 20).all()


def test_removed_sites_have_no_own_pairs(source):
    """Method `shift` deletes the site; what is left of it in the tables is NaN."""
    effects, _ = knock_out_bins(source, np.array([60, 90]), method="shift", reach=200_000)
    table = compare_with_random(effects.assign(group="random")).set_index("pairs")
    assert table["n_sites"].to_dict() == {"all": 2, "own": 0, "spanning": 2}
    assert np.isnan(table["change"]["own"])
    assert table["change"]["all"] == table["change"]["spanning"] > 0


def test_boundaries_of_a_domain_are_knocked_out_together(source):
    domains = pd.DataFrame(
        {
            "chrom": ["chr1", "chr1", "chr2"],
            "start": [400_000, 0, 50_000],
            "end": [600_000, 200_000, 90_000],
        }
    )
    changes = knock_out_boundaries(source, domains)
    assert changes.shape == (
        1,
        30,
        30,
    )  # the second begins at the chromosome's end, the third is small
    change = changes[0]
    upper = np.triu_indices(30)
    inside = np.isfinite(change[upper]).mean()
    assert inside > 0.8  # the rest: cells of one bin below ignore_diags, and a masked bin
    # cells that no knocked-out bin lies in or between are as before
    assert change[2, 6] == 0
    assert change[12, 16] == 0
    assert change[10, 25] != 0
    assert len(knock_out_boundaries(source, domains.iloc[1:2])) == 0


def test_domains_are_told_by_sites_at_both_boundaries(tiny_model_dir, tiny_map_path, tmp_path):
    domains = pd.DataFrame(
        {
            "chrom": ["chr1"] * 3,
            "start": [400_000, 650_000, 200_000],
            "end": [600_000, 800_000, 340_000],
        }
    )
    sites = pd.DataFrame(
        {
            "chrom": ["chr1"] * 3,
            "start": [391_000, 605_000, 795_000],  # both ends of the first, one of the second
            "end": [391_020, 605_020, 795_020],
        }
    )
    knock_out_domains(tiny_model_dir(), tiny_map_path, domains, sites, tmp_path / "b")
    table = pd.read_csv(tmp_path / "b.comparison.tsv", sep="\t")
    assert table["n_domains"].tolist() == [1, 1, 1, 1]
    drawn = pd.read_csv(tmp_path / "b.tsv", sep="\t")
    assert set(drawn["group"]) == {"with", "without"}


def test_domains_that_lose_contacts_are_told_from_those_that_do_not():
    rng = np.random.default_rng(0)
    noise = 0.01 * rng.standard_normal((2, 20, 30, 30))
    changes = {"with": noise[0].copy(), "without": noise[1]}
    changes["with"][:, 10:20, 10:20] -= 0.1
    table = compare_domains(changes).set_index(["group", "pairs"])
    assert table.loc[("with", "inside"), "log2_change"] == pytest.approx(-0.1, abs=0.01)
    assert (table.loc[pd.IndexSlice[:, "inside"], "p_difference"] < 1e-4).all()
    assert (table.loc[pd.IndexSlice[:, "across"], "p_difference"] > 1e-3).all()
    assert table.loc[("with", "inside"), "p_below_zero"] < 1e-4


def test_groups_are_written(tiny_model_dir, tiny_map_path, tmp_path):
    (tmp_path / "a.bed").write_text("chr1\t400000\t400500\nchr2\t222222\t222300\n")
    knock_out_groups(
        tiny_model_dir(),
        tiny_map_path,
        {"a": tmp_path / "a.bed"},
        tmp_path / "out",
        reach=300_000,
        n_random=3,
    )
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"comparison.tsv", "distance.tsv", "pileups.tsv"}
    comparison, distance, pileups = (
        pd.read_csv(tmp_path / "out" / f"{name}.tsv", sep="\t")
        for name in ("comparison", "distance", "pileups")
    )
    assert pileups.groupby("group").size().to_dict() == {"a": 61 * 31, "random": 61 * 31}
    assert (pileups["offset1"] <= pileups["offset2"]).all()
    assert pileups["offset1"].min() == -300_000
    own = comparison[comparison["pairs"] == "own"]
    assert own["change"].is_monotonic_increasing
    assert distance["group"].unique().tolist() == own["group"].tolist()
    assert distance.groupby(["group", "pairs"]).size().tolist() == [3] * 6


def test_a_set_without_a_site_on_an_unmasked_bin_is_an_empty_row(
    tiny_model_dir, tiny_map_path, tmp_path, caplog
):
    (tmp_path / "a.bed").write_text("chr1\t400000\t400500\n")
    (tmp_path / "none.bed").write_text("chr1\t52000\t52100\n")
    groups = {"none": tmp_path / "none.bed", "a": tmp_path / "a.bed"}
    knock_out_groups(
        tiny_model_dir(), tiny_map_path, groups, tmp_path / "out", reach=200_000, n_random=3
    )
    assert "sites 'none': none lies on an unmasked bin" in caplog.text
    tables = {
        name: pd.read_csv(tmp_path / "out" / f"{name}.tsv", sep="\t", keep_default_na=False)
        for name in ("comparison", "distance", "pileups")
    }
    comparison = tables["comparison"].set_index(["group", "pairs"])
    assert comparison.loc["none", "n_sites"].tolist() == [0, 0, 0]
    assert (comparison.loc["none", "change"] == "NaN").all()
    assert comparison.loc[("a", "own"), "n_sites"] == 1
    assert set(tables["distance"]["group"]) == {"a", "random"}
    empty = tables["pileups"]["group"] == "none"
    assert (tables["pileups"]["log2_change"][empty] == "NaN").all()


def test_a_group_without_large_domains_is_an_empty_row(
    tiny_model_dir, tiny_map_path, tmp_path, caplog
):
    domains = pd.DataFrame({"chrom": ["chr1"], "start": [400_000], "end": [600_000]})
    sites = domains.assign(start=10_000, end=10_020)
    knock_out_domains(tiny_model_dir(), tiny_map_path, domains, sites, tmp_path / "b")
    assert "none of 0 domains with the factor spans" in caplog.text
    table = pd.read_csv(tmp_path / "b.comparison.tsv", sep="\t").set_index(["group", "pairs"])
    assert table["n_domains"].tolist() == [0, 1, 0, 1]
    assert np.isnan(table.loc[("with", "inside"), "log2_change"])
    drawn = pd.read_csv(tmp_path / "b.tsv", sep="\t").groupby("group")["log2_change"]
    assert drawn.count()["with"] == 0 < drawn.count()["without"]
