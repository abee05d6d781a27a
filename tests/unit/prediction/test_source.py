"""One contract that every map source keeps, whatever predicts the map.

A new family adds itself to `SOURCES`.
"""

import numpy as np
import pytest

from chromloom.edits.bins import lay_out
from chromloom.edits.edit import Edit
from chromloom.errors import InputError
from chromloom.genome.bins import blank_band
from chromloom.normalize.maps import NormalizedMap
from chromloom.normalize.probability import READOUTS
from chromloom.prediction.export import write_map
from chromloom.prediction.exported import ExportedMap
from chromloom.prediction.hiclstm import MODES
from chromloom.prediction.observed import DistanceMean, ObservedMap
from chromloom.prediction.open import open_source
from chromloom.prediction.source import (
    EditableMap,
    distance_bins,
    n_distances,
    predict_pairs,
    require_editable,
)

CHROMS = ("chr1", "chr3")  # of two arms; of 30 bins


@pytest.fixture(scope="module")
def observed(tiny_map_path):
    return NormalizedMap(tiny_map_path)


@pytest.fixture(scope="module")
def sources(observed, tiny_map_path, tiny_model_dir, tiny_released_dir, tmp_path_factory):
    folder = tmp_path_factory.mktemp("exported")
    refined = tiny_model_dir()
    found = {
        "observed": ObservedMap(observed),
        "distance-mean": DistanceMean(observed),
        "paper": open_source(tiny_model_dir("paper"), tiny_map_path),
        "two-directions": open_source(tiny_model_dir(directions=2), tiny_map_path),
        "released": open_source(tiny_released_dir, tiny_map_path),
        **{mode: open_source(refined, tiny_map_path, mode=mode) for mode in MODES},
    }
    written = {"exported": None, "exported-near": 200_000}
    for name, max_distance in written.items():
        path = folder / f"{name}.mcool"
        write_map(found["lifted"], path, max_distance=max_distance, zoomify=False)
        found[name] = ExportedMap(str(path), observed, name)
    return found


SOURCES = ("observed", "distance-mean", "paper", "two-directions", "released", "exported",
           "exported-near")  # fmt: skip


@pytest.fixture(params=[*SOURCES, *(f"mode {mode}" for mode in MODES)])
def source(request, sources):
    return sources[request.param.removeprefix("mode ")]


def test_it_says_what_it_predicts(source, observed):
    assert source.name
    assert source.bins.match(observed.bins)
    told = source.sample, source.norm, source.assembly, source.ignore_diags
    assert told == ("tiny", "ICE", "tiny", 2)
    assert np.isnan(source.seed) or source.seed == int(source.seed)
    assert source.max_distance is None or source.max_distance > 0
    for chrom, start, end in source.held_out or ():
        assert 0 <= start < end <= source.bins.chromsizes[chrom]


@pytest.mark.parametrize("chrom", CHROMS)
def test_a_band_holds_strengths_where_there_is_a_pair_and_nothing_elsewhere(source, chrom):
    n, mask = len(source.bins.mask(chrom)), source.bins.mask(chrom)
    for lo, hi in ((0, n), (3, 4), (n - 7, n)):
        band = source.band(chrom, lo, hi)
        assert band.shape == (n_distances(source, n, lo), hi - lo)
        assert band.dtype in (np.float32, np.float64)
        no_pair = np.zeros_like(band)
        blank_band(no_pair, mask, lo, hi, source.ignore_diags)
        np.testing.assert_array_equal(np.isnan(band), np.isnan(no_pair))
        assert (band[~np.isnan(band)] >= 0).all()


@pytest.mark.parametrize("chrom", CHROMS)
def test_blocks_and_cuts_are_parts_of_the_whole(source, chrom):
    n = len(source.bins.mask(chrom))
    whole = source.band(chrom, 0, n)
    for lo, hi, max_dist in ((0, 5, 12), (n // 2, n - 1, 3), (n - 4, n, 100), (1, 2, 1)):
        band = source.band(chrom, lo, hi, max_dist=max_dist)
        assert len(band) == n_distances(source, n, lo, max_dist)
        np.testing.assert_allclose(band, whole[: len(band), lo:hi], rtol=2e-4, atol=1e-6)


def test_predictions_have_both_readouts_and_observed_maps_their_own(source):
    assert source.readouts == READOUTS[: 1 if isinstance(source, ObservedMap) else 2]


def test_pairs_are_read_from_bands(source):
    positions = np.r_[2:20, 40:44, 90]
    pairs = predict_pairs(source, "chr1", positions)
    whole = source.band("chr1", 0, 120)
    for a, i in enumerate(positions):
        for b, j in enumerate(positions):
            inside = b > a and j - i < len(whole)
            expected = whole[j - i, i] if inside else np.nan
            np.testing.assert_allclose(pairs[a, b], expected, rtol=2e-4, atol=1e-6)


def test_an_unknown_chromosome_is_an_error(source):
    with pytest.raises(InputError, match="has no chromosome 'chr9'"):
        source.band("chr9", 0, 2)


@pytest.mark.parametrize("change", [("deletion", 50, 60), ("duplication", 20, 35)])
def test_an_edited_chromosome_is_predicted_or_refused(source, change):
    kind, start, end = change
    edit = Edit("e", kind, "chr1", start * 10_000, end * 10_000)
    edited = lay_out(edit, source.bins)
    if not isinstance(source, EditableMap):
        with pytest.raises(InputError, match=f"'{source.name}' cannot predict edit 'e'"):
            source.band("chr1", 0, 10, edited=edited)
        with pytest.raises(InputError, match="cannot predict edited chromosomes"):
            require_editable(source)
        return
    layout = require_editable(source).layout(edited)
    m = len(layout.source)
    band = source.band("chr1", 0, m, edited=edited)
    assert band.shape == (n_distances(source, m, 0), m)
    no_pair = np.zeros_like(band)
    blank_band(no_pair, source.bins.masked[layout.source], 0, m, source.ignore_diags)
    np.testing.assert_array_equal(np.isnan(band), np.isnan(no_pair))
    if source.context is not None:  # what lies left of the edit is the wild type's
        left = start - source.context // source.bins.resolution
        wild_type = source.band("chr1", 0, left)
        d, i = np.nonzero(np.add.outer(np.arange(left), np.arange(left)) < left)
        np.testing.assert_allclose(band[d, i], wild_type[d, i], rtol=2e-4, atol=1e-6)


def test_distances_up_to_a_number_of_bp():
    assert distance_bins(200_000, 10_000) == 21
    assert distance_bins(205_000, 10_000) == 21
    assert distance_bins(0, 10_000) == 1
