"""Simple rules for what an edit does, pair by pair, on the second arm of the tiny map's chr1."""

import numpy as np
import pytest

from chromloom.edits.bins import lay_out
from chromloom.edits.edit import Edit
from chromloom.normalize.maps import NormalizedMap
from chromloom.perturbation.predict import predict_edit
from chromloom.perturbation.simple import baselines
from chromloom.prediction.open import open_source

ARM, END, FROM, TO = 50, 120, 70, 80  # bins: the arm, and the edit inside
SIZE = TO - FROM


@pytest.fixture(scope="module")
def observed(tiny_map_path):
    return NormalizedMap(tiny_map_path)


@pytest.fixture(scope="module")
def value(observed):
    """Contact strength of all pairs of chr1, (120, 120), symmetric; NaN = unknown."""
    dense, pixels = np.zeros((END, END)), observed.pixels("chr1")
    dense[pixels["i"], pixels["j"]] = pixels["value"]
    dense = np.maximum(dense, dense.T)
    dense[[5, 6, 30]] = dense[:, [5, 6, 30]] = np.nan
    dense[np.abs(np.subtract.outer(np.arange(END), np.arange(END))) < 2] = np.nan
    return dense


@pytest.fixture(scope="module")
def expected(observed):
    """Expected of the arm at every distance, from the map's table, (70,)."""
    table = observed.expected_table.query("region1 == 'chr1_q' and region2 == 'chr1_q'")
    curve = np.full(END - ARM, np.nan)
    curve[table["dist"]] = table["expected"]
    curve[:2] = np.nan
    return curve


@pytest.fixture(scope="module")
def rules(tiny_model_dir, tiny_map_path, observed):
    source = open_source(tiny_model_dir(), tiny_map_path)

    def of(kind):
        edit = Edit("e", kind, "chr1", FROM * 10_000, TO * 10_000)
        prediction = predict_edit(source, lay_out(edit, source.bins))
        assert (prediction.bins == np.arange(END)).all()  # the window is the chromosome
        return baselines(prediction, observed)

    return of


def pairs():
    """All pairs of the arm that are farther apart than the edit is long."""
    i, j = np.triu_indices(END, SIZE + 3)
    return [(a, b) for a, b in zip(i, j, strict=True) if a >= ARM]


def test_no_change_is_the_observed_map_twice(rules, value):
    before, after = rules("inversion")["no change"]
    i, j = np.triu_indices(END)
    np.testing.assert_allclose(before[i, j], value[i, j], rtol=1e-6)
    assert after is before


def test_the_articles_rule_takes_the_expected_inside_the_segment_alone(rules, value, expected):
    before, after = rules("inversion")["article"]
    n_inside = 0
    for i in range(ARM, END):
        for j in range(i + 2, END):
            inside = i >= FROM and j < TO
            n_inside += inside
            assert before[i, j] == pytest.approx(value[i, j], rel=1e-6)
            wanted = expected[j - i] if inside else value[i, j]
            assert after[i, j] == pytest.approx(wanted, rel=1e-6), (i, j)
    assert n_inside == (SIZE - 1) * (SIZE - 2) / 2


def test_a_deletion_brings_its_sides_nearer_by_its_length(rules, value, expected):
    found = rules("deletion")
    before, after = found["shifted expected"]
    _, moved = found["shifted observed"]
    for i, j in pairs():
        if FROM <= i < TO or FROM <= j < TO:
            assert np.isnan(after[i, j])
            assert np.isnan(moved[i, j])
            continue
        dist = j - i - SIZE * (i < FROM and j >= TO)
        assert before[i, j] == pytest.approx(expected[j - i], rel=1e-6)
        assert after[i, j] == pytest.approx(expected[dist], rel=1e-6), (i, j)
        enrichment = value[i, j] / expected[j - i]
        assert moved[i, j] == pytest.approx(enrichment * expected[dist], rel=1e-5, abs=1e-9)


def test_an_inversion_mirrors_the_segment(rules, value, expected):
    found = rules("inversion")
    (_, after), (_, moved) = found["shifted expected"], found["shifted observed"]
    for i, j in pairs():
        at = [FROM + TO - 1 - k if FROM <= k < TO else k for k in (i, j)]
        dist = abs(at[1] - at[0])
        assert after[i, j] == pytest.approx(expected[dist], rel=1e-6), (i, j)
        enrichment = value[i, j] / expected[j - i]
        assert moved[i, j] == pytest.approx(enrichment * expected[dist], rel=1e-5, abs=1e-9)


def test_contacts_of_both_copies_of_a_duplication_add_up(rules, value, expected):
    found = rules("duplication")
    (_, after), (_, moved) = found["shifted expected"], found["shifted observed"]
    n_doubled = 0
    for i, j in pairs():
        dist = [j - i]
        if FROM <= j < TO:  # the copy lies behind the original, farther from what is upstream
            dist = [j - i, j - i + SIZE]
        elif FROM <= i < TO:
            dist = [j - i + SIZE, j - i]
        elif i < FROM and j >= TO:
            dist = [j - i + SIZE]
        if max(dist) >= END - ARM:
            continue
        n_doubled += len(dist) > 1
        total = sum(expected[d] for d in dist)
        assert after[i, j] == pytest.approx(total, rel=1e-6), (i, j)
        enrichment = value[i, j] / expected[j - i]
        assert moved[i, j] == pytest.approx(enrichment * total, rel=1e-5, abs=1e-9)
    assert n_doubled > 100
