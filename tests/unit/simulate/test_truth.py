"""Predicted against simulated change: the truth's scale, and scores of made-up predictions."""

from dataclasses import replace

import numpy as np
import pytest

from chromloom.edits.bins import lay_out
from chromloom.edits.edit import Edit
from chromloom.normalize.maps import NormalizedMap
from chromloom.normalize.probability import contact_probability
from chromloom.perturbation.predict import predict_edit
from chromloom.perturbation.simple import baselines
from chromloom.prediction.open import open_source
from chromloom.simulate import truth
from chromloom.simulate.plan import make_plan

MASKED = [5, 6, 30]
N = 120


@pytest.fixture(scope="module")
def plan():
    return make_plan(1, chromsizes={"chr1": 1_195_000}, resolution=10_000)


@pytest.fixture(scope="module")
def observed(tiny_map_path):
    return NormalizedMap(tiny_map_path)


@pytest.fixture(scope="module")
def source(tiny_model_dir, tiny_map_path):
    return open_source(tiny_model_dir(), tiny_map_path)


def predict(source, kind="deletion"):
    edit = Edit("e", kind, "chr1", 700_000, 800_000)
    return predict_edit(source, lay_out(edit, source.bins))


def test_the_simulated_wild_type_has_the_strength_of_the_observed_map(source, observed, plan):
    """Over the pairs that are known to both: masked bins of the map, gaps of the plan."""
    wild_type, _ = truth.simulate_change(predict(source), observed, plan)
    raw = truth.intensities(plan, "chr1", 10_000, np.arange(N), 2)
    dense, pixels = np.zeros((N, N)), observed.pixels("chr1")
    dense[pixels["i"], pixels["j"]] = pixels["value"]
    both = np.isfinite(raw)
    both[MASKED] = both[:, MASKED] = False
    assert both.sum() > 1000
    assert wild_type[both].sum() == pytest.approx(dense[both].sum(), rel=1e-5)
    ratio = (wild_type / raw)[np.isfinite(raw)]
    assert ratio.std() < 1e-6 * ratio.mean()
    assert abs(ratio.mean() - 1) > 0.1  # else nothing was asked


@pytest.mark.parametrize("kind", ["deletion", "inversion", "duplication"])
def test_the_edited_map_is_on_the_scale_of_the_wild_type(source, observed, plan, kind):
    """Pairs wholly beside the edit keep their contacts, to what loops across it change."""
    wild_type, edited = truth.simulate_change(predict(source, kind), observed, plan)
    far = slice(0, 40)
    before, after = wild_type[far, far], edited[far, far]
    known = np.isfinite(before) & np.isfinite(after)
    assert after[known].sum() == pytest.approx(before[known].sum(), rel=0.02)
    gone = np.isnan(edited[72, 74])
    assert gone == (kind == "deletion")
    if kind == "duplication":
        assert edited[72, 90] > 1.2 * wild_type[72, 90]


def test_a_prediction_of_the_truth_is_perfect_and_a_flat_one_has_no_correlation(
    source, observed, plan
):
    prediction = predict(source)
    before, after = truth.simulate_change(prediction, observed, plan)
    perfect = replace(prediction, wild_type=before, on_reference=after)
    table = truth.score_changes(perfect, observed, (before, after)).set_index(["method", "scale"])
    for scale in ("log2", "cp", "value"):
        assert table.loc[("model", scale), "pearson"] == pytest.approx(1)
        assert table.loc[("model", scale), "mse"] == pytest.approx(0, abs=1e-12)
        assert np.isnan(table.loc[("no change", scale), "pearson"])


def test_scores_are_those_of_the_documented_scales(source, observed, plan):
    prediction = predict(source)
    before, after = true = truth.simulate_change(prediction, observed, plan)
    table = truth.score_changes(prediction, observed, true).set_index(["method", "scale"])
    methods = baselines(prediction, observed)
    methods["model"] = prediction.wild_type, prediction.on_reference
    known = np.isfinite(before) & np.isfinite(after)
    for pair in methods.values():
        known &= np.isfinite(pair[0]) & np.isfinite(pair[1])
    scales = {
        "log2": lambda m: np.log2(m + 0.5),  # one half contact
        "cp": lambda m: contact_probability(m, observed.cp_a),
        "value": lambda m: m,
    }
    for scale, transform in scales.items():
        true = (transform(after) - transform(before))[known]
        for method, (wild_type, edited) in methods.items():
            row = table.loc[(method, scale)]
            change = (transform(edited) - transform(wild_type))[known]
            assert row["n_pairs"] == known.sum()
            assert row["mse"] == pytest.approx(np.mean((true - change) ** 2))
            if change.std() > 0:
                assert row["pearson"] == pytest.approx(np.corrcoef(true, change)[0, 1])


def test_edits_are_drawn_inside_off_masked_bins_every_second_on_a_strong_site():
    from types import SimpleNamespace

    plan = make_plan(2, chromsizes={"chr1": 12_000_000}, resolution=20_000)
    mask = np.zeros(600, dtype=bool)
    mask[200:260] = True
    genome = SimpleNamespace(resolution=20_000, chromnames=["chr1"], mask=lambda chrom: mask)
    edits = truth.draw_edits(plan, genome, n_edits=6, seed=0)
    kinds = truth.KINDS[:-1]  # one chromosome: none to join
    assert [e.kind for e in edits] == [k for k in kinds for _ in range(6)]
    strong = plan.sites.loc[plan.sites["strength"] > 0.5, "start"].to_numpy() // 20_000
    for edit in edits:
        ends = (edit.start2, edit.end2) if edit.kind == "insertion" else (edit.start, edit.end)
        lo, hi = (end // 20_000 for end in ends)
        assert 5 <= hi - lo <= 40
        assert lo >= 20
        assert hi <= 580
        assert mask[lo - 20 : hi + 20].mean() < 0.1
        if int(edit.edit.removeprefix(edit.kind)) % 2:
            assert lo + (hi - lo) // 2 in strong


def test_translocations_are_scored_on_both_derivative_chromosomes(source, observed):
    """A prediction of the truth is perfect, and contacts across the junction are asked for."""
    sizes = {"chr1": 1_195_000, "chr2": 800_000}
    genome = make_plan(1, chromsizes=sizes, resolution=5_000)
    edit = Edit("t", "translocation", "chr1", 600_000, 600_000, "chr2", 400_000, 400_000, "+", "-")
    prediction = predict_edit(source, lay_out(edit, source.bins), flank=200_000)
    before, after = truth.simulate_change(prediction, observed, genome)
    left, right = (np.flatnonzero(prediction.bins == at)[0] for at in (57, 120 + 42))
    lost = np.flatnonzero(prediction.bins == 62)[0]
    assert np.isnan(before[left, right])
    assert after[left, right] > 0
    assert np.isnan(after[left, lost])
    perfect = replace(prediction, wild_type=before, on_reference=after)
    table = truth.score_changes(perfect, observed, (before, after)).set_index(["method", "scale"])
    assert table.loc[("model", "log2"), "pearson"] == pytest.approx(1)
    assert 0.5 < table.loc[("shifted expected", "log2"), "pearson"] < 1
    own = truth.score_changes(prediction, observed, (before, after)).set_index(["method", "scale"])
    n = table.loc[("model", "log2"), "n_pairs"]
    assert own.loc[("model", "log2"), "n_pairs"] == n > 1000
