"""What maps, models and predictions ask of their bins, against the plain table."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chromloom.errors import InputError
from chromloom.genome.bins import Bins, blank_band, make_bins

SIZES = pd.Series({"chr2": 95, "chr10": 40, "chrM": 7})


@pytest.fixture
def bins():
    table = make_bins(SIZES, 10)
    return Bins(table.assign(masked=table["chrom"].eq("chrM") | table.index.isin([3])), 10, "A")


def test_chromosomes_keep_the_genome_s_order(bins):
    assert bins.extents == {"chr2": (0, 10), "chr10": (10, 14), "chrM": (14, 15)}
    assert bins.lengths == [10, 4, 1]
    assert len(bins) == 15
    assert bins.chromsizes.to_dict() == SIZES.to_dict()


def test_a_chromosome_without_unmasked_bins_is_not_named(bins):
    assert bins.chromnames == ["chr2", "chr10"]
    assert np.flatnonzero(bins.mask("chr2")).tolist() == [3]
    assert bins.mask("chrM").all()


def test_an_unknown_chromosome_is_an_error(bins):
    with pytest.raises(InputError, match="A has no chromosome 'chr1'; it has chr2, chr10, chrM"):
        bins.extent("chr1")


def test_bins_match_whatever_their_mask(bins):
    assert bins.match(bins.with_mask(np.zeros(15, bool)))
    assert bins.with_mask(np.zeros(15, bool)).chromnames == ["chr2", "chr10", "chrM"]
    assert not bins.match(Bins(make_bins(SIZES, 5), 5))


@given(st.data())
def test_a_band_is_blank_where_there_is_no_pair(data):
    n = data.draw(st.integers(1, 12))
    lo = data.draw(st.integers(0, n - 1))
    hi = data.draw(st.integers(lo + 1, n))
    n_dist, ignore = data.draw(st.integers(0, n - lo)), data.draw(st.integers(0, 3))
    mask = np.array(data.draw(st.lists(st.booleans(), min_size=n, max_size=n)))
    band = np.ones((n_dist, hi - lo))
    blank_band(band, mask, lo, hi, ignore)
    for d in range(n_dist):
        for i in range(lo, hi):
            pair = d >= ignore and i + d < n and not mask[i] and not mask[i + d]
            assert np.isnan(band[d, i - lo]) != pair
