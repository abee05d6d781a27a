"""What the Hi-C-LSTM family knows of edits: vectors that move and vectors that replace."""

import numpy as np
import pandas as pd
import pytest

from chromloom.edits.bins import lay_out
from chromloom.edits.edit import Edit
from chromloom.errors import InputError
from chromloom.prediction.hiclstm import HiCLSTMMap, orientation_means
from chromloom.prediction.open import open_source


@pytest.fixture(scope="module")
def source(tiny_model_dir, tiny_map_path):
    return open_source(tiny_model_dir(), tiny_map_path)


def lay(source, kind, start, end, **more):
    return lay_out(Edit("e", kind, "chr1", start * 10_000, end * 10_000, **more), source.bins)


@pytest.mark.parametrize(
    "change", [("deletion", 50, 60), ("duplication", 20, 35), ("inversion", 70, 90)]
)
def test_vectors_move_with_their_bins_to_the_expected_of_their_new_distance(source, change):
    model, expected = source.model, source.observed.expected("chr1")
    edited = lay(source, *change)
    m, origin = len(edited.source), edited.source
    target = model.predict_band(
        "chr1", 0, m, representation=model.representation("chr1")[origin],
        mask=model.mask("chr1")[origin], strand=edited.strand,
    )  # fmt: skip
    band = source.band("chr1", 0, m, edited=edited)
    for p, q in ((5 + 6, 40), (33, 62), (45, 80), (2, 100)):
        d = q - p
        strength = expected.at_distance(origin[p], origin[q], d)
        value = model.to_value(target[d : d + 1, p : p + 1], strength, first_dist=d)
        np.testing.assert_allclose(band[d, p], value[0, 0], rtol=1e-5)


def test_every_run_of_replaced_bins_gets_the_mean_of_its_own_neighbours(source):
    edited = lay(source, "knockout", 50, 90)
    replaced = np.zeros(120, bool)
    replaced[[50, 89]] = True
    edited = type(edited)(edited.edit, edited.source, edited.strand, replaced, edited.span)
    R = source.model.representation("chr1")
    vectors = source._render(edited).vectors
    for bin_ in (50, 89):
        around = np.r_[bin_ - 10 : bin_, bin_ + 1 : bin_ + 11]
        np.testing.assert_allclose(vectors[bin_], np.nanmean(R[around], axis=0), rtol=1e-6)
    others = np.setdiff1d(np.flatnonzero(~source.bins.mask("chr1")), [50, 89])
    np.testing.assert_array_equal(vectors[others], R[others])


def test_an_orientation_edit_takes_the_mean_vector_of_the_other_orientation(source):
    starts = np.array([200_000, 410_000, 620_000, 730_000, 730_400, 9_000_000])
    motifs = pd.DataFrame(
        {"chrom": "chr1", "start": starts, "end": starts + 19, "strand": list("++-+--")}
    )
    R = source.model.representation("chr1")
    means = orientation_means(source.model, motifs)
    np.testing.assert_allclose(means["-"], R[[20, 41]].mean(axis=0))  # bin 73 holds both
    np.testing.assert_allclose(means["+"], R[62])
    told = HiCLSTMMap(source.model, source.observed, name="m", motifs=motifs)
    edited = lay(told, "orientation", 62, 63, strand="-")
    np.testing.assert_allclose(told._render(edited).vectors[62], means["-"])
    with pytest.raises(InputError, match="another assembly"):
        orientation_means(source.model, motifs[motifs["strand"] == "+"])


def test_a_map_of_other_bins_is_an_error(source, make_counts, tmp_path):
    from chromloom.normalize.maps import NormalizedMap
    from chromloom.normalize.normalized import write_normalized

    clr = make_counts(tmp_path / "c.cool", resolution=20_000)
    path = tmp_path / "o.20000.ICE.cool"
    weights = np.ones(len(clr.bins()[:]))
    write_normalized(clr, weights, path, sample="o", norm="ICE", assembly="t")
    with pytest.raises(InputError, match="give the map that the model was trained on"):
        HiCLSTMMap(source.model, NormalizedMap(path), name="m")


def test_a_model_has_the_name_of_its_run_or_its_own(tiny_model_dir, tiny_map_path, tmp_path):
    folder = tiny_model_dir()
    assert open_source(folder, tiny_map_path).name == "hiclstm-refined"
    (tmp_path / "tiny.10000.ICE.mine").symlink_to(folder)
    assert open_source(tmp_path / "tiny.10000.ICE.mine", tiny_map_path).name == "mine"
    assert open_source(folder, tiny_map_path, name="given").name == "given"
