"""What is held of a map: bytes a pixel, with chunks that are small beside it."""

import tracemalloc
from collections.abc import Callable

import cooler
import numpy as np
import pandas as pd
import pytest

from chromloom.analysis import compartments
from chromloom.analysis.compartments import coarsen_for_compartments
from chromloom.normalize import balance, maps
from chromloom.normalize.maps import NormalizedMap, read_cis_pixels
from chromloom.normalize.normalized import write_normalized
from chromloom.prediction.observed import ObservedMap
from chromloom.training.chromosome import symmetric_counts

BINS = 1_010
CHUNK = 20_000


@pytest.fixture(scope="module")
def full_map(tmp_path_factory):
    """A map of one chromosome with a contact in every pair, half a million."""
    folder = tmp_path_factory.mktemp("full")
    i, j = np.triu_indices(BINS)
    count = np.random.default_rng(0).integers(1, 9, len(i))
    bins = cooler.util.binnify(pd.Series({"chr1": BINS * 10_000}), 10_000)
    cooler.create_cooler(
        str(folder / "counts.cool"),
        bins,
        pd.DataFrame({"bin1_id": i, "bin2_id": j, "count": count}),
    )
    counts, path = cooler.Cooler(str(folder / "counts.cool")), folder / "full.cool"
    weights = np.ones(BINS)
    weights[[3, 500, 1009]] = np.nan
    write_normalized(counts, weights, path, sample="full", norm="ICE", assembly="x")
    return NormalizedMap(path)


@pytest.fixture
def small_chunks(monkeypatch):
    monkeypatch.setattr(maps, "PIXEL_CHUNK", CHUNK)
    monkeypatch.setattr(compartments, "PIXEL_CHUNK", CHUNK)


def peak(work: Callable) -> float:
    """Bytes a pixel that are held at most."""
    work()  # what is imported or compiled is not counted
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1] / (BINS * (BINS + 1) / 2)
    finally:
        tracemalloc.stop()


@pytest.mark.usefixtures("small_chunks")
def test_bytes_a_pixel(full_map):
    clr = full_map.clr

    def coarsened():
        with coarsen_for_compartments(clr, 2):
            pass

    assert peak(lambda: balance._cis_matrix(clr, "chr1", 2)) < 15  # column and count
    mask = full_map.mask("chr1")
    assert peak(lambda: symmetric_counts(full_map, "chr1", ~mask)) < 20  # the same twice
    kept = {"columns": ["count"], "keep": lambda i, j: j >= i}
    assert peak(lambda: read_cis_pixels(clr, "chr1", 0, BINS, **kept)) < 20  # i, j and count
    assert peak(coarsened) < 10
    near = {"lo": 0, "hi": BINS, "max_dist": 20}
    assert peak(lambda: ObservedMap(full_map).band("chr1", **near)) < 6  # no square of all pairs


@pytest.mark.usefixtures("small_chunks")
def test_chunks_change_nothing(full_map, monkeypatch):
    def read():
        mask = full_map.mask("chr1")
        counts = symmetric_counts(full_map, "chr1", ~mask)
        with coarsen_for_compartments(full_map.clr, 2) as coarse:
            return counts.toarray(), coarse.pixels()[:]

    counts, pixels = read()
    clr = full_map.clr
    dense = clr.matrix(balance=False).fetch("chr1").astype(float)
    i, j = np.indices(dense.shape)
    unmasked = ~full_map.mask("chr1")
    dense[abs(i - j) < 2] = 0
    np.testing.assert_array_equal(counts, dense[unmasked][:, unmasked])
    monkeypatch.setattr(maps, "PIXEL_CHUNK", 10**7)
    monkeypatch.setattr(compartments, "PIXEL_CHUNK", 10**7)
    at_once, pixels_at_once = read()
    np.testing.assert_array_equal(counts, at_once)
    pd.testing.assert_frame_equal(pixels, pixels_at_once)


@pytest.mark.usefixtures("small_chunks")
def test_a_matrix_seen_at_some_bins_is_the_matrix_of_those(full_map):
    matrix = balance._cis_matrix(full_map.clr, "chr1", 0)
    dense = full_map.clr.matrix(balance=False).fetch("chr1").astype(float)
    seen = np.random.default_rng(1).random(BINS) < 0.7
    x = np.random.default_rng(2).random(seen.sum())
    part = matrix.subset(seen)
    assert len(part) == seen.sum()
    np.testing.assert_allclose(part @ x, dense[seen][:, seen] @ x, rtol=1e-12)
    upper = np.triu(dense)[seen][:, seen]
    np.testing.assert_allclose(part.sum_upper(x), x @ upper @ x, rtol=1e-12)
