"""Predictions of edited chromosomes, against whole-chromosome predictions and dense loops."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chromloom.edits.bins import EditedChromosome, lay_out
from chromloom.edits.edit import Edit
from chromloom.errors import InputError
from chromloom.models.trained import TrainedModel
from chromloom.normalize.maps import NormalizedMap
from chromloom.perturbation.predict import map_back, predict_edit, predict_pairs


@pytest.fixture(scope="module")
def observed(tiny_map_path):
    return NormalizedMap(tiny_map_path)


@pytest.fixture(scope="module")
def model(tiny_model_dir):
    return TrainedModel.load(tiny_model_dir())


@pytest.fixture(scope="module")
def two_directions(tiny_model_dir):
    return TrainedModel.load(tiny_model_dir(directions=2))


def edit(kind, start, end, **more):
    return Edit("e", kind, "chr1", start * 10_000, end * 10_000, **more)


def whole(model, observed, edited):
    """Every pair of an edited chromosome predicted anew, (m, m)."""
    first, _ = model.extent("chr1")
    vectors = model.representation("chr1")[edited.source - first]
    masked = model.mask("chr1")[edited.source - first]
    n = len(vectors)
    return predict_pairs(
        model,
        observed.expected("chr1"),
        "chr1",
        np.arange(n),
        vectors=np.nan_to_num(vectors),
        masked=masked,
        strand=edited.strand,
        home=edited.source - first,
    )


def test_wild_type_is_the_model_s_prediction(model, observed):
    positions = np.r_[3:40, 90:110]
    got = predict_pairs(model, observed.expected("chr1"), "chr1", positions)
    target, expected = model.predict_band("chr1", 0, 120), observed.expected("chr1").band(0, 120)
    value = model.to_value(target, expected)
    for a, i in enumerate(positions):
        for b, j in enumerate(positions):
            if b > a:
                np.testing.assert_allclose(got[a, b], value[j - i, i], rtol=1e-5)
            else:
                assert np.isnan(got[a, b])


def test_an_edit_of_nothing_changes_nothing(model, observed):
    source = np.arange(120)
    nothing = EditedChromosome(
        edit("deletion", 60, 61), source, np.ones(120, np.int8), np.zeros(120, bool), (60, 60)
    )
    prediction = predict_edit(model, observed, nothing)
    assert prediction.n_predicted == 0
    np.testing.assert_array_equal(prediction.on_reference, prediction.wild_type)
    np.testing.assert_allclose(prediction.in_edited, whole(model, observed, nothing), rtol=1e-5)


@pytest.mark.parametrize("which", ["model", "two_directions"])
@pytest.mark.parametrize(
    "change",
    [
        ("deletion", 50, 60),
        ("duplication", 20, 35),
        ("inversion", 70, 90),
    ],
)
def test_predictions_are_those_of_the_whole_edited_chromosome(which, change, observed, request):
    """Also where most of it is taken over from the wild type."""
    model = request.getfixturevalue(which)
    edited = lay_out(edit(*change), model.bins)
    prediction = predict_edit(model, observed, edited)
    np.testing.assert_allclose(
        prediction.in_edited, whole(model, observed, edited), rtol=2e-4, atol=1e-6
    )


def test_a_deletion_changes_only_pairs_that_span_it(model, observed):
    prediction = predict_edit(model, observed, lay_out(edit("deletion", 50, 60), model.bins))
    difference, bins = prediction.difference, prediction.bins
    left, right = bins < 50, bins >= 60
    for side in (left, right):
        part = difference[np.ix_(side, side)]
        assert (part[np.isfinite(part)] == 0).all()
    spanning = difference[np.ix_(left, right)]
    known = spanning[np.isfinite(spanning)]
    assert (known != 0).mean() > 0.9
    assert np.isnan(difference[50:60]).all()
    assert prediction.n_predicted == len(known)


def test_a_deletion_brings_pairs_to_the_expected_of_their_new_distance(model, observed):
    """With a model that predicts nothing but the expected (log O/E 0, factor 1)."""
    flat = TrainedModel(
        model.module,
        model.config,
        bins=model.bins,
        expected_table=model.expected_table,
        recalibration=np.ones(120, np.float32),
    )
    flat.predict_band = lambda *a, **k: np.zeros_like(model.predict_band(*a, **k))
    prediction = predict_edit(flat, observed, lay_out(edit("deletion", 50, 60), model.bins))
    expected = observed.expected("chr1")
    new = expected.at_distance(40, 80, 30)
    assert new > expected.at(40, 80)
    np.testing.assert_allclose(prediction.on_reference[40, 80], new, rtol=1e-5)


def test_an_inversion_of_an_inverted_segment_is_the_wild_type(model, observed):
    once = lay_out(edit("inversion", 70, 90), model.bins)
    twice = EditedChromosome(
        once.edit,
        once.source[once.source],
        once.strand[once.source] * once.strand,
        once.replaced,
        once.span,
    )
    prediction = predict_edit(model, observed, twice)
    np.testing.assert_array_equal(prediction.on_reference, prediction.wild_type)


def test_both_copies_of_a_duplication_are_summed_on_the_reference(model, observed):
    edited = lay_out(edit("duplication", 20, 35), model.bins)
    prediction = predict_edit(model, observed, edited)
    values = prediction.in_edited
    at = {bin_id: np.flatnonzero(edited.source == bin_id) for bin_id in range(120)}
    for i, j in [(10, 25), (22, 33), (25, 60), (2, 110), (21, 24)]:
        pairs = [(min(a, b), max(a, b)) for a in at[i] for b in at[j]]
        total = sum(values[pair] for pair in pairs)
        np.testing.assert_allclose(prediction.on_reference[i, j], total, rtol=1e-6)
    assert len(at[22]) == 2
    # the two copies' ends are neighbours now: what lies below ignore_diags is not known
    assert np.isnan(prediction.on_reference[20, 34])


@settings(deadline=None)
@given(st.integers(2, 12), st.integers(0, 10_000))
def test_mapping_back_sums_pairs_by_their_bins(n, seed):
    rng = np.random.default_rng(seed)
    index = rng.integers(0, 6, n)
    values = np.triu(rng.random((n, n)), 1)
    values[rng.random((n, n)) < 0.1] = np.nan
    total = map_back(values, index, 6)
    for i in range(6):
        for j in range(6):
            pairs = [
                values[a, b]
                for a in range(n)
                for b in range(a + 1, n)
                if (min(index[a], index[b]), max(index[a], index[b])) == (i, j)
            ]
            if i == j or not pairs:
                assert np.isnan(total[i, j])
            else:
                np.testing.assert_allclose(total[i, j], np.sum(pairs))


def test_an_insertion_keeps_the_original_copy(model, observed):
    edited = lay_out(
        edit("insertion", 90, 90, chrom2="chr1", start2=100_000, end2=200_000), model.bins
    )
    prediction = predict_edit(model, observed, edited, flank=200_000)
    assert set(range(10, 20)) <= set(prediction.bins.tolist())
    k = {bin_id: position for position, bin_id in enumerate(prediction.bins)}
    within = prediction.on_reference[k[11], k[18]]
    copy = prediction.in_edited[
        tuple(
            np.flatnonzero(
                np.isin(prediction.positions, np.flatnonzero(np.isin(edited.source, [11, 18])))
            )[[2, 3]]
        )
    ]
    assert within > prediction.wild_type[k[11], k[18]]
    assert within > copy > 0


def test_an_insertion_from_another_chromosome_adds_to_what_is_there(model, observed, caplog):
    edited = lay_out(
        edit("insertion", 90, 90, chrom2="chr2", start2=100_000, end2=200_000), model.bins
    )
    prediction = predict_edit(model, observed, edited, flank=200_000)
    k = {bin_id: position for position, bin_id in enumerate(prediction.bins)}
    pair = k[120 + 11], k[120 + 18]
    assert prediction.on_reference[pair] > prediction.wild_type[pair]
    across = k[85], k[120 + 15]
    assert np.isnan(prediction.wild_type[across])
    assert prediction.on_reference[across] >= 0
    assert "axes" in caplog.text


@pytest.mark.parametrize("method", ["average", "zero"])
def test_a_knockout_changes_pairs_at_and_across_the_site(model, observed, method):
    edited = lay_out(edit("knockout", 60, 61, method=method), model.bins)
    difference = predict_edit(model, observed, edited).difference
    changed = np.argwhere(np.nan_to_num(difference) != 0)
    assert len(changed)
    assert ((changed[:, 0] <= 60) & (changed[:, 1] >= 60)).all()
    R = model.representation("chr1")
    vector = np.nanmean(R[np.r_[50:60, 61:71]], axis=0) if method == "average" else 0
    R[60] = vector
    value = model.to_value(
        model.predict_band("chr1", 0, 120, representation=R, mask=model.mask("chr1")),
        observed.expected("chr1").band(0, 120),
    )
    wild_type = model.to_value(
        model.predict_band("chr1", 0, 120), observed.expected("chr1").band(0, 120)
    )
    np.testing.assert_allclose(difference[60, 70], (value - wild_type)[10, 60], rtol=1e-3)
    np.testing.assert_allclose(difference[55, 62], (value - wild_type)[7, 55], rtol=1e-3, atol=1e-5)


def test_affinity_mode_takes_the_observed_over_expected_along(model, observed):
    expected = observed.expected("chr1")
    lifted, moved = (
        predict_edit(model, observed, lay_out(edit("duplication", 20, 35), model.bins), mode=mode)
        for mode in ("lifted", "affinity")
    )
    # first copy's bin 33, second copy's bin 22 (at position 37): 4 apart now, 11 before
    wild_type = moved.wild_type[22, 33]
    np.testing.assert_allclose(
        moved.in_edited[33, 37],
        wild_type / expected.at(22, 33) * expected.at_distance(22, 33, 4),
        rtol=1e-5,
    )
    same_bin = 24, 39
    assert moved.in_edited[same_bin] == lifted.in_edited[same_bin]
    np.testing.assert_array_equal(np.isnan(moved.in_edited), np.isnan(lifted.in_edited))
    np.testing.assert_array_equal(moved.in_edited[:20, :20], lifted.in_edited[:20, :20])
    knockout = lay_out(edit("knockout", 60, 61), model.bins)
    np.testing.assert_array_equal(
        predict_edit(model, observed, knockout, mode="affinity").in_edited[:, 60],
        predict_edit(model, observed, knockout).in_edited[:, 60],
    )


def test_released_mode_compares_position_with_position(model, observed):
    edited = lay_out(edit("deletion", 50, 60), model.bins)
    prediction = predict_edit(model, observed, edited, mode="released")
    assert len(prediction.in_edited) == 120
    R = np.nan_to_num(model.representation("chr1"))
    moved = np.concatenate([R[:50], R[60:], np.zeros((10, R.shape[1]), R.dtype)])
    value = model.to_value(
        model.predict_band("chr1", 0, 120, representation=moved, mask=model.mask("chr1")),
        observed.expected("chr1").band(0, 120),
    )
    np.testing.assert_allclose(prediction.on_reference[40, 80], value[40, 40], rtol=1e-5)
    np.testing.assert_allclose(prediction.on_reference[70, 80], value[10, 70], rtol=1e-5)
    np.testing.assert_array_equal(
        prediction.difference[np.triu_indices(45, 7)],
        np.where(np.isnan(prediction.wild_type[np.triu_indices(45, 7)]), np.nan, 0),
    )


@pytest.mark.parametrize(
    ("change", "more", "message"),
    [
        (edit("knockout", 60, 61, method="padding"), {}, "padding vector"),
        (edit("orientation", 60, 61), {}, "needs the motifs"),
        (edit("deletion", 60, 61), {"mode": "moved"}, "mode 'moved'"),
    ],
)
def test_what_cannot_be_predicted(model, observed, change, more, message):
    with pytest.raises(InputError, match=message):
        predict_edit(model, observed, lay_out(change, model.bins), **more)
