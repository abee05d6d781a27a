"""Predictions of edited chromosomes, against whole-chromosome predictions and dense loops."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chromloom.edits.bins import EditedChromosome, lay_out
from chromloom.edits.edit import Edit, put_together
from chromloom.errors import InputError
from chromloom.models.trained import TrainedModel
from chromloom.normalize.maps import NormalizedMap
from chromloom.perturbation.predict import heterozygous, map_back, predict_edit
from chromloom.prediction.hiclstm import MODES, HiCLSTMMap
from chromloom.prediction.observed import ObservedMap
from chromloom.prediction.open import open_source
from chromloom.prediction.source import EditableMap, predict_pairs


@pytest.fixture(scope="module")
def observed(tiny_map_path):
    return NormalizedMap(tiny_map_path)


@pytest.fixture(scope="module")
def source(tiny_model_dir, tiny_map_path):
    return open_source(tiny_model_dir(), tiny_map_path)


@pytest.fixture(scope="module")
def two_directions(tiny_model_dir, tiny_map_path):
    return open_source(tiny_model_dir(directions=2), tiny_map_path)


@pytest.fixture(scope="module")
def released(tiny_released_dir, tiny_map_path):
    return {mode: open_source(tiny_released_dir, tiny_map_path, mode=mode) for mode in MODES}


def edit(kind, start, end, **more):
    return Edit("e", kind, "chr1", start * 10_000, end * 10_000, **more)


def in_mode(source, mode):
    return HiCLSTMMap(source.model, source.observed, name="m", mode=mode)


def whole(source, edited):
    """Every pair of an edited chromosome predicted anew, (m, m)."""
    layout = source.layout(edited)
    return predict_pairs(source, "chr1", np.arange(len(layout.source)), edited=edited)


def test_an_edit_of_nothing_changes_nothing(source):
    order = np.arange(120)
    nothing = EditedChromosome(
        edit("deletion", 60, 61), order, np.ones(120, np.int8), np.zeros(120, bool), (60, 60)
    )
    prediction = predict_edit(source, nothing)
    assert prediction.n_predicted == 0
    np.testing.assert_array_equal(prediction.on_reference, prediction.wild_type)
    np.testing.assert_allclose(prediction.in_edited, whole(source, nothing), rtol=1e-5)


@pytest.mark.parametrize("which", ["source", "two_directions"])
@pytest.mark.parametrize(
    "change",
    [
        ("deletion", 50, 60),
        ("duplication", 20, 35),
        ("inversion", 70, 90),
    ],
)
def test_predictions_are_those_of_the_whole_edited_chromosome(which, change, request):
    """Also where most of it is taken over from the wild type."""
    source = request.getfixturevalue(which)
    edited = lay_out(edit(*change), source.bins)
    prediction = predict_edit(source, edited)
    np.testing.assert_allclose(prediction.in_edited, whole(source, edited), rtol=2e-4, atol=1e-6)


def test_a_deletion_changes_only_pairs_that_span_it(source):
    prediction = predict_edit(source, lay_out(edit("deletion", 50, 60), source.bins))
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


def test_a_deletion_brings_pairs_to_the_expected_of_their_new_distance(source, observed):
    """With a model that predicts nothing but the expected (log O/E 0, factor 1)."""

    class Flat(TrainedModel):
        def predict_band(self, *arguments, **options):
            return np.zeros_like(super().predict_band(*arguments, **options))

    model = source.model
    flat = Flat(
        model.module,
        model.config,
        bins=model.bins,
        expected_table=model.expected_table,
        recalibration=np.ones(120, np.float32),
    )
    flat = HiCLSTMMap(flat, observed, name="flat")
    prediction = predict_edit(flat, lay_out(edit("deletion", 50, 60), flat.bins))
    expected = observed.expected("chr1")
    new = expected.at_distance(40, 80, 30)
    assert new > expected.at(40, 80)
    np.testing.assert_allclose(prediction.on_reference[40, 80], new, rtol=1e-5)


def test_an_inversion_of_an_inverted_segment_is_the_wild_type(source):
    once = lay_out(edit("inversion", 70, 90), source.bins)
    twice = EditedChromosome(
        once.edit,
        once.source[once.source],
        once.strand[once.source] * once.strand,
        once.replaced,
        once.span,
    )
    prediction = predict_edit(source, twice)
    np.testing.assert_array_equal(prediction.on_reference, prediction.wild_type)


def test_both_copies_of_a_duplication_are_summed_on_the_reference(source):
    edited = lay_out(edit("duplication", 20, 35), source.bins)
    prediction = predict_edit(source, edited)
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


SECOND = {"chrom2": "chr2", "start2": 300_000, "end2": 300_000}


@pytest.mark.parametrize("strands", ["+-", "++", "-+", "--"])
def test_both_derivatives_of_a_translocation_are_predicted_and_mapped_back(source, strands):
    one = edit("translocation", 60, 60, **SECOND, strand=strands[0], strand2=strands[1])
    edited = lay_out(one, source.bins)
    prediction = predict_edit(source, edited, flank=200_000)
    (other,) = prediction.others
    assert (prediction.edited.chrom, other.edited.chrom) == ("chr1", "chr2")
    for layout, positions, values in (
        (prediction.edited, prediction.positions, prediction.in_edited),
        (other.edited, other.positions, other.values),
    ):
        anew = predict_pairs(source, layout.chrom, positions, edited=layout)
        across = np.ix_(positions < layout.span[0], positions >= layout.span[0])
        assert np.isfinite(anew[across]).any()
        np.testing.assert_allclose(values[across], anew[across], rtol=2e-4, atol=1e-6)
    assert prediction.bins.tolist() == [*range(40, 80), *range(130, 170)]
    sides = [prediction.bins < 60, (prediction.bins >= 60) & (prediction.bins < 120)]
    sides += [(prediction.bins >= 120) & (prediction.bins < 150), prediction.bins >= 150]
    for side in sides if strands in ("+-", "-+") else sides[:2]:  # what is not cut nor turned
        within = np.ix_(side, side)
        np.testing.assert_array_equal(prediction.on_reference[within], prediction.wild_type[within])
    known = np.array([[np.isfinite(prediction.on_reference[np.ix_(a, b)]).any()
                       for b in sides] for a in sides])  # fmt: skip
    joined = [(0, 3), (1, 2)] if strands in ("+-", "-+") else [(0, 2), (1, 3)]
    assert sorted(map(tuple, np.argwhere(np.triu(known, 1)).tolist())) == joined
    half = heterozygous(prediction).on_reference
    apart = np.ix_(sides[0], sides[1])
    np.testing.assert_array_equal(half[apart], prediction.wild_type[apart] / 2)


def test_steps_of_a_compound_edit_are_predicted_together(source):
    """A deletion in an inversion, against the whole chromosome and each pair's own copies."""
    steps = edit("inversion", 40, 60), edit("duplication", 45, 50), edit("deletion", 80, 85)
    edited = lay_out(put_together("e", steps), source.bins)
    prediction = predict_edit(source, edited)
    np.testing.assert_allclose(prediction.in_edited, whole(source, edited), rtol=2e-4, atol=1e-6)
    assert 0 < prediction.n_predicted < np.isfinite(prediction.in_edited).sum()
    at = {bin_id: np.flatnonzero(edited.source == bin_id) for bin_id in range(120)}
    for i, j in [(10, 47), (45, 49), (55, 70), (20, 110), (47, 90)]:
        pairs = [(min(a, b), max(a, b)) for a in at[i] for b in at[j]]
        total = sum(prediction.in_edited[pair] for pair in pairs)
        np.testing.assert_allclose(prediction.on_reference[i, j], total, rtol=1e-6)
    assert np.isnan(prediction.on_reference[80:85]).all()
    assert [len(at[k]) for k in (44, 45, 49, 50)] == [1, 2, 2, 1]


def test_an_insertion_keeps_the_original_copy(source):
    edited = lay_out(
        edit("insertion", 90, 90, chrom2="chr1", start2=100_000, end2=200_000),
        source.bins,
    )
    prediction = predict_edit(source, edited, flank=200_000)
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


def test_chromosomes_that_are_joined_are_warned_of_once(source, caplog):
    fresh = in_mode(source, "lifted")
    for start in (90, 60):
        insertion = edit("insertion", start, start, chrom2="chr2", start2=100_000, end2=200_000)
        predict_edit(fresh, lay_out(insertion, fresh.bins), flank=100_000)
    assert caplog.text.count("joins chr1 and chr2; a model predicts this only as far as") == 1


def test_an_insertion_from_another_chromosome_adds_to_what_is_there(source):
    edited = lay_out(
        edit("insertion", 90, 90, chrom2="chr2", start2=100_000, end2=200_000),
        source.bins,
    )
    prediction = predict_edit(source, edited, flank=200_000)
    k = {bin_id: position for position, bin_id in enumerate(prediction.bins)}
    pair = k[120 + 11], k[120 + 18]
    assert prediction.on_reference[pair] > prediction.wild_type[pair]
    across = k[85], k[120 + 15]
    assert np.isnan(prediction.wild_type[across])
    assert prediction.on_reference[across] >= 0


@pytest.mark.parametrize("method", ["average", "zero"])
def test_a_knockout_changes_pairs_at_and_across_the_site(source, observed, method):
    edited = lay_out(edit("knockout", 60, 61, method=method), source.bins)
    difference = predict_edit(source, edited).difference
    changed = np.argwhere(np.nan_to_num(difference) != 0)
    assert len(changed)
    assert ((changed[:, 0] <= 60) & (changed[:, 1] >= 60)).all()
    model = source.model
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


def test_affinity_mode_takes_the_observed_over_expected_along(source, observed):
    expected = observed.expected("chr1")
    lifted, moved = (
        predict_edit(in_mode(source, mode), lay_out(edit("duplication", 20, 35), source.bins))
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
    knockout = lay_out(edit("knockout", 60, 61), source.bins)
    np.testing.assert_array_equal(
        predict_edit(in_mode(source, "affinity"), knockout).in_edited[:, 60],
        predict_edit(source, knockout).in_edited[:, 60],
    )


def test_released_mode_compares_position_with_position(source, observed):
    edited = lay_out(edit("deletion", 50, 60), source.bins)
    prediction = predict_edit(in_mode(source, "released"), edited)
    assert len(prediction.in_edited) == 120
    model = source.model
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


@pytest.mark.parametrize("change", [("deletion", 50, 60), ("knockout", 60, 61)])
@pytest.mark.parametrize("mode", MODES)
def test_a_head_that_reads_the_whole_frame_is_asked_anew_everywhere(released, change, mode):
    """The frames of a row reach over the edit, so that pairs beside it change, too."""
    source = released[mode]
    edited = lay_out(edit(*change), source.bins)
    prediction = predict_edit(source, edited)
    np.testing.assert_array_equal(prediction.in_edited, whole(source, edited))
    left = prediction.positions < 50
    beside = (prediction.in_edited - prediction.wild_type[: len(left), : len(left)])[left][:, left]
    assert mode == "affinity" or (np.nan_to_num(beside) != 0).any()


def test_observed_pairs_of_the_released_model_move_with_their_bins(released):
    """So that pairs far from an edit are read as before, and an edit of nothing changes nothing."""
    source = released["lifted"]
    order = np.arange(120)
    forward, kept = np.ones(120, np.int8), np.zeros(120, bool)
    nothing = EditedChromosome(edit("deletion", 60, 61), order, forward, kept, (60, 60))
    prediction = predict_edit(source, nothing)
    np.testing.assert_array_equal(prediction.on_reference, prediction.wild_type)
    pointer, columns = source.model.observed_pairs("chr1")
    listed = np.zeros((120, 120), bool)
    listed[np.repeat(order, np.diff(pointer)), columns] = True
    listed |= listed.T
    mask = source.bins.mask("chr1")
    for change in (("deletion", 50, 60), ("duplication", 20, 35), ("inversion", 70, 90)):
        origin = lay_out(edit(*change), source.bins).source
        masked, found = mask[origin], np.zeros((len(origin),) * 2, bool)
        for lo, hi in ((0, 40), (40, len(origin))):
            found[source.model._pair_list("chr1", masked, lo, hi, origin)] = True
        for p, a in enumerate(origin):
            for q, b in enumerate(origin):
                read = q - p >= 2 and not mask[a] and not mask[b]
                assert found[p, q] == (read and (listed[a, b] or abs(a - b) < 2))


class Blurred(EditableMap):
    """A source that reads `reach` bins beyond both ends of a pair: a sum of numbers of bins."""

    def __init__(self, bins, reach):
        self.bins, self.name, self.ignore_diags = bins, "blurred", 2
        self.context, self.reach = reach * bins.resolution, reach
        self.n_asked = 0

    def layout(self, edited):
        return edited

    def band(self, chrom, lo, hi, *, max_dist=None, edited=None):
        source = np.arange(*self.bins.extent(chrom)) if edited is None else edited.source
        n, self.n_asked = len(source), self.n_asked + hi - lo
        sums = np.concatenate([[0.0], np.cumsum(np.sin(source))])
        band = np.full((min(n - lo, max_dist or n), hi - lo), np.nan)
        for d in range(2, len(band)):
            for i in range(lo, min(hi, n - d)):
                a, b = max(i - self.reach, 0), min(i + d + self.reach + 1, n)
                band[d, i - lo] = 2 + (sums[b] - sums[a]) / (b - a)
        return band


@pytest.mark.parametrize("reach", [0, 4])
@pytest.mark.parametrize(
    "change", [("deletion", 50, 60), ("duplication", 2, 9), ("inversion", 100, 118)]
)
def test_any_source_is_asked_only_for_what_an_edit_may_change(source, reach, change):
    """Pairs whose context is unaltered are taken from the wild type, the others are not."""
    blurred = Blurred(source.bins, reach)
    edited = lay_out(edit(*change), blurred.bins)
    n = len(edited.source)
    prediction = predict_edit(blurred, edited)
    np.testing.assert_allclose(
        prediction.in_edited, predict_pairs(blurred, "chr1", np.arange(n), edited=edited)
    )
    assert 0 < prediction.n_predicted < np.isfinite(prediction.in_edited).sum()


def test_a_source_that_cannot_be_edited_is_refused(observed, source):
    edited = lay_out(edit("deletion", 50, 60), source.bins)
    with pytest.raises(InputError, match="'ceiling' cannot predict edited chromosomes"):
        predict_edit(ObservedMap(observed, "ceiling"), edited)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (edit("knockout", 60, 61, method="padding"), "padding vector"),
        (edit("orientation", 60, 61), "needs the motifs"),
    ],
)
def test_what_cannot_be_predicted(source, change, message):
    with pytest.raises(InputError, match=message):
        predict_edit(source, lay_out(change, source.bins))


def test_an_unknown_mode_is_an_error(source):
    with pytest.raises(InputError, match="mode 'moved'"):
        in_mode(source, "moved")


@pytest.mark.parametrize("kind", ["deletion", "duplication", "inversion"])
def test_on_one_homologue_an_edit_counts_half(source, kind):
    both = predict_edit(source, lay_out(edit(kind, 50, 60), source.bins), flank=300_000)
    one = heterozygous(both)
    inside = np.isin(both.bins, np.arange(50, 60))
    known = np.isfinite(both.wild_type) & np.isfinite(both.on_reference)
    assert known.any()
    np.testing.assert_allclose(one.difference[known], both.difference[known] / 2, rtol=1e-9)
    assert (np.isnan(both.wild_type) <= np.isnan(one.on_reference)).all()
    lost = np.isfinite(both.wild_type) & (inside[:, None] | inside[None, :])
    if kind == "deletion":
        np.testing.assert_array_equal(one.on_reference[lost], both.wild_type[lost] / 2)


def test_long_events_are_predicted_around_their_ends(source):
    edited = lay_out(edit("inversion", 20, 110), source.bins)
    whole = predict_edit(source, edited, flank=100_000)
    ends = predict_edit(source, edited, flank=100_000, inside=100_000)
    assert set(ends.bins) == {*range(10, 30), *range(100, 120)}
    at = np.searchsorted(whole.bins, ends.bins)
    for name in ("wild_type", "on_reference"):
        own, same = getattr(ends, name), getattr(whole, name)[np.ix_(at, at)]
        np.testing.assert_allclose(own, same, rtol=1e-6)


def test_removed_bins_are_shown_near_the_ends_of_a_long_deletion(source):
    edited = lay_out(edit("deletion", 30, 100), source.bins)
    ends = predict_edit(source, edited, flank=100_000, inside=100_000)
    assert set(ends.bins) == {*range(20, 40), *range(90, 110)}
    inside = (ends.bins >= 30) & (ends.bins < 100)
    assert np.isnan(ends.on_reference[inside]).all()
    assert np.isfinite(ends.wild_type[inside]).any()
