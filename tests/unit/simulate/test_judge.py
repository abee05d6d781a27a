"""What the judge on simulated genomes counts, checked against scikit-learn, scipy and by hand."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import mannwhitneyu
from sklearn.metrics import roc_auc_score

from chromloom.normalize.maps import NormalizedMap
from chromloom.prediction.observed import ObservedMap
from chromloom.prediction.open import open_source
from chromloom.simulate.contacts import expected_contacts
from chromloom.simulate.judge import (
    anchor_bins,
    area_under_curve,
    judge_map,
    judge_model,
    knock_out_and_simulate,
    summarise_edits,
    summarise_knockouts,
)
from chromloom.simulate.plan import make_plan
from chromloom.simulate.write import write_truth


@pytest.fixture(scope="module")
def plan():
    sizes = {"chr1": 1_195_000, "chr2": 800_000, "chr3": 300_000}
    return make_plan(1, chromsizes=sizes, resolution=2_500)


@pytest.fixture(scope="module")
def judged(plan, tiny_model_dir, tiny_map_path, tmp_path_factory):
    folder = tmp_path_factory.mktemp("judged")
    write_truth(plan, folder / "truth")
    options = {"modes": (), "max_sites": 2, "name": "tried"}
    return judge_model(
        tiny_model_dir(), tiny_map_path, folder / "truth", folder / "table.tsv", **options
    )


def test_the_area_is_that_of_scikit_learn():
    rng = np.random.default_rng(0)
    score, positive = rng.integers(0, 5, 200).astype(float), rng.random(200) < 0.2
    score[:10] = np.nan
    expected = roc_auc_score(positive[10:], score[10:])
    assert area_under_curve(score, positive) == pytest.approx(expected)
    own, others = score[10:][positive[10:]], score[10:][~positive[10:]]
    pairs = np.sign(own[:, None] - others[None]) / 2 + 0.5  # ties count half
    assert area_under_curve(score, positive) == pytest.approx(pairs.mean())
    assert np.isnan(area_under_curve(score, np.zeros(200, bool)))


def test_removing_the_site_of_a_bin_lowers_its_own_contacts_in_the_simulation(
    tiny_model_dir, tiny_map_path, plan
):
    source = open_source(tiny_model_dir(), tiny_map_path)
    sites = plan.rows("sites", "chr1").sort_values("strength")
    bare = np.setdiff1d(np.arange(20, 100), sites["start"] // 10_000)[0]
    bins = np.array([sites["start"].iloc[-1] // 10_000, bare])
    table = knock_out_and_simulate(source, source.observed, plan, bins)
    assert table.loc[0, "simulated, own"] < -0.01
    assert table.loc[1, "simulated, all"] == 0
    assert np.isnan(table["shift, own"]).all()  # the bin is gone
    assert (table["average, own"] != 0).all()


def diamond_means(observed, chrom, window):
    """Mean contact strength of rows b - window + 1 … b and columns b … b + window - 1."""
    n, pixels = len(observed.mask(chrom)), observed.pixels(chrom)
    dense = np.zeros((n, n))
    dense[pixels["i"], pixels["j"]] = pixels["value"]
    masked = np.flatnonzero(observed.mask(chrom))
    dense[masked], dense[:, masked] = np.nan, np.nan
    dense[np.tril_indices(n, 1)] = np.nan
    means = np.full(n, np.nan)
    for b in range(n):
        part = dense[max(b - window + 1, 0) : b + 1, b : b + window]
        if np.isfinite(part).any() and np.nansum(part) > 0:
            means[b] = np.nanmean(part)
    return means / np.nanmedian(means)


def test_insulation_is_judged_in_a_diamond_of_ten_bins(judged, plan, tiny_map_path):
    observed = NormalizedMap(tiny_map_path)
    score = np.concatenate([diamond_means(observed, c, 10) for c in ("chr1", "chr2", "chr3")])
    anchors = anchor_bins(plan, observed.bins)
    known = np.isfinite(score)
    expected = roc_auc_score(anchors[known], -score[known])
    row = judged.query("measure == 'anchor_auroc' and method == 'insulation'").iloc[0]
    assert row["value"] == pytest.approx(expected, abs=1e-9)
    assert row["n"] == anchors.sum() > 3
    assert (judged["model"] == "tried").all()


class Partly(ObservedMap):
    """A map that is predicted up to 400 kb, chr2 held out from training."""

    max_distance = 400_000
    held_out = (("chr2", 100_000, 700_000),)

    def band(self, chrom, lo, hi, *, max_dist=None, edited=None):
        """Not the counts, and not everywhere."""
        band = super().band(chrom, lo, hi, max_dist=max_dist).astype(float) ** 2
        if chrom == "chr2" and lo == 0:
            band[5, 30] = np.nan
        return band


def test_maps_are_held_to_the_simulated_one_where_they_are_predicted(plan, tiny_map_path):
    observed = NormalizedMap(tiny_map_path)
    table = judge_map(Partly(observed), observed, plan).set_index(["item", "method"])
    assert table.index.get_level_values("item").unique().tolist() == ["2-10", "10-40"]
    n = len(observed.mask("chr2"))
    counts = observed.band("chr2", 0, n, max_dist=41).astype(float)
    truth = expected_contacts(plan, "chr2", 10_000, visible=False)[:41]
    correlations = {"model": [], "counts": []}
    pairs = 0
    for d in range(2, 10):
        own = np.arange(10, 70 - d)
        own = own[np.isfinite(counts[d, own]) & np.isfinite(truth[d, own])]
        own = own[(d != 5) | (own != 30)]
        pairs += len(own)
        mean = counts[d, own].mean()
        for name, values in (("model", counts[d, own] ** 2), ("counts", counts[d, own])):
            log = [np.log(v * mean / v.mean() + 0.5) for v in (values, truth[d, own])]
            correlations[name].append(np.corrcoef(*log)[0, 1])
    for name, own in correlations.items():
        assert table.loc[("2-10", name), "value"] == pytest.approx(np.mean(own), abs=1e-6)
        assert table.loc[("2-10", name), "n"] == pairs
    whole = judge_map(ObservedMap(observed), observed, plan).set_index(["item", "method"])
    assert (
        (whole.xs("model", level="method") == whole.xs("counts", level="method"))
        .all()
        .drop("p_value")
        .all()
    )
    assert whole.loc[("2-10", "model"), "n"] > 2 * pairs


def edits(own, other, kind="deletion"):
    tables = [
        pd.DataFrame({"edit": range(len(r)), "kind": kind, "method": method, "pearson": r})
        for method, r in (("model", own), ("rule", other))
    ]
    return pd.concat(tables)


def test_a_model_above_a_rule_in_every_edit_has_a_small_p_value():
    better, worse = np.linspace(0.5, 0.9, 8), np.linspace(0.1, 0.4, 8)
    above = summarise_edits(edits(better, worse), "lifted").set_index("method")
    below = summarise_edits(edits(worse, better), "lifted").set_index("method")
    assert above.loc["rule", "p_value"] == 0.5**8  # signed ranks, all on one side
    assert below.loc["rule", "p_value"] == 1
    assert above.loc["model, lifted", "value"] == np.median(better)
    assert above.loc["rule", "value"] == np.median(worse)
    assert above.loc["rule", "n"] == 8


def test_an_undefined_correlation_counts_as_none_and_equal_ones_have_no_p_value():
    own = np.linspace(0.1, 0.8, 8)
    row = summarise_edits(edits(own, np.full(8, np.nan)), "lifted").set_index("method").loc["rule"]
    assert np.isnan(row["value"])
    assert row["p_value"] == 0.5**8
    equal = summarise_edits(edits(own, own), "lifted").set_index("method")
    assert np.isnan(equal.loc["rule", "p_value"])


def test_only_lifted_predictions_are_held_against_rules():
    table = summarise_edits(edits(np.ones(3), np.zeros(3)), "affinity")
    assert table["method"].tolist() == ["model, affinity"]


def test_knockouts_are_asked_whether_they_fall_and_spanning_pairs_whether_they_rise():
    rng = np.random.default_rng(0)
    null, low, high = rng.normal(-0.3, 0.01, 8), rng.normal(-1, 0.1, 8), rng.normal(1, 0.1, 8)

    def group(own, spanning):
        methods = ("average", "zero", "shift", "simulated")
        columns = {f"{m}, {part}": own for m in methods for part in ("all", "own")}
        return pd.DataFrame(columns | {f"{m}, spanning": spanning for m in methods})

    effects = {
        "random": group(null, -null),
        "anchors": group(high, low),  # both sides wrong
        "strong anchors": group(low, high),
    }
    table = summarise_knockouts(effects)
    change = table[table["measure"] == "knockout_change"].set_index(["item", "method"])
    for part in ("all", "own", "spanning"):
        side, values = ("greater", high) if part == "spanning" else ("less", low)
        p = mannwhitneyu(values, -null if part == "spanning" else null, alternative=side).pvalue
        strong = change.loc[(f"strong anchors, {part}", "average")]
        assert strong["p_value"] == pytest.approx(p)
        assert strong["p_value"] < 0.001
        assert strong["value"] == pytest.approx(values.mean())
        assert change.loc[(f"anchors, {part}", "average"), "p_value"] > 0.999
        assert change.loc[(f"random, {part}", "average"), "p_value"] == 0.5**8
    pearson = table[table["measure"] == "knockout_pearson"]
    np.testing.assert_allclose(pearson["value"], 1)
    assert len(pearson) == 9
