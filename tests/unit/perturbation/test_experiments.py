"""Averages over many knockouts, on a model whose answers are set by hand."""

import numpy as np
import pandas as pd
import pytest

from chromloom.errors import InputError
from chromloom.models.trained import TrainedModel
from chromloom.normalize.maps import NormalizedMap
from chromloom.perturbation.edits import Edit, lay_out
from chromloom.perturbation.experiments import (
    compare_domains,
    compare_with_random,
    effect_by_distance,
    knock_out_bins,
    knock_out_boundaries,
    knock_out_domains,
    knock_out_groups,
    site_bins,
)
from chromloom.perturbation.predict import predict_edit


@pytest.fixture(scope="module")
def observed(tiny_map_path):
    return NormalizedMap(tiny_map_path)


@pytest.fixture(scope="module")
def model(tiny_model_dir):
    return TrainedModel.load(tiny_model_dir())


def test_effects_and_pileups_are_those_of_the_single_edits(model, observed):
    bins = np.array([60, 150])
    effects, pileup = knock_out_bins(model, observed, bins, reach=200_000)
    assert pileup.shape == (41, 41)
    np.testing.assert_array_equal(pileup, pileup.T)
    predictions = [
        predict_edit(
            model,
            observed,
            lay_out(Edit("e", "knockout", chrom, at, at + 10_000), model.bins),
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
    own = effects[(effects["site"] == 60) & (effects["dist_kb"] == 200)]
    prediction, total = predictions[0], 0.0
    for a, i in enumerate(prediction.bins):
        for b, j in enumerate(prediction.bins):
            if i <= 60 <= j and 10 <= j - i < 20 and np.isfinite(prediction.difference[a, b]):
                total += prediction.wild_type[a, b]
    np.testing.assert_allclose(own["wild_type"], total, rtol=1e-6)


def made_up(changes):
    rows = [
        (group, site, kb, 100.0, 100.0 * (1 + change))
        for group, values in changes.items()
        for site, change in enumerate(values)
        for kb in (100, 200, 300)
    ]
    return pd.DataFrame(rows, columns=["group", "site", "dist_kb", "wild_type", "edited"])


def test_a_group_that_loses_contacts_is_told_from_random_bins():
    rng = np.random.default_rng(0)
    effects = made_up(
        {
            "anchors": -0.07 + 0.02 * rng.standard_normal(20),
            "random": 0.02 * rng.standard_normal(20),
        }
    )
    table = compare_with_random(effects).set_index("group")
    assert table.loc["anchors", "p_below_random"] < 0.001
    assert table.loc["anchors", "p_below_zero"] < 0.001
    assert table.loc["random", "p_below_zero"] > 0.01
    assert table.loc["anchors", "change"] == pytest.approx(-0.07, abs=0.02)
    distance = effect_by_distance(effects)
    assert len(distance) == 6
    assert (distance["n_sites"] == 20).all()


def test_boundaries_of_a_domain_are_knocked_out_together(model, observed):
    domains = pd.DataFrame(
        {
            "chrom": ["chr1", "chr1", "chr2"],
            "start": [400_000, 0, 50_000],
            "end": [600_000, 200_000, 90_000],
        }
    )
    changes = knock_out_boundaries(model, observed, domains)
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
    with pytest.raises(InputError, match="none of 1 domains"):
        knock_out_boundaries(model, observed, domains.iloc[1:2])


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
    assert (tmp_path / "b.png").exists()
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
    assert names >= {
        "distance.tsv",
        "distance.png",
        "pileups.pdf",
        "ranking.pdf",
        "comparison.tsv",
        "a.pileup.tsv",
        "random.pileup.tsv",
    }
    assert np.loadtxt(tmp_path / "out" / "a.pileup.tsv").shape == (61, 61)


def test_sites_on_masked_bins_only_are_an_error(model):
    sites = pd.DataFrame({"chrom": ["chr1"], "start": [52_000], "end": [52_100]})
    with pytest.raises(InputError, match="sites 'x'"):
        site_bins(sites, model, "x")
