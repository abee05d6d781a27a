"""Counts of a chromosome in larger bins, against sums written out."""

import numpy as np
import pytest

from chromloom.normalize.maps import NormalizedMap
from chromloom.training.chromosome import NO_PAIR, ChromosomeCounts


@pytest.fixture(scope="module")
def observed(tiny_map_path):
    return ChromosomeCounts.read(NormalizedMap(tiny_map_path), "chr1")


@pytest.mark.parametrize("factor", [2, 3, 4])
def test_contacts_of_larger_bins_are_sums(observed, factor):
    coarser, row = observed.coarser(factor)
    counts, bins = observed.counts.toarray(), observed.position // factor
    assert coarser.span == -(-observed.span // factor)
    np.testing.assert_array_equal(coarser.position, np.unique(bins))
    np.testing.assert_array_equal(coarser.position[row], bins)
    assert coarser.counts.has_canonical_format  # searched by bisection
    found = coarser.counts.toarray()
    for a, i in enumerate(coarser.position):
        exposure = np.exp(observed.log_exposure[bins == i].astype(float)).sum()
        assert coarser.log_exposure[a] == pytest.approx(np.log(exposure), abs=1e-5)
        for b, j in enumerate(coarser.position):
            wanted = counts[np.ix_(bins == i, bins == j)].sum() if abs(i - j) > 1 else 0
            assert found[a, b] == pytest.approx(wanted)


@pytest.mark.parametrize("factor", [2, 4])
def test_expected_of_larger_bins_is_the_mean_over_their_pairs(observed, factor):
    coarser, _ = observed.coarser(factor)
    for a, b in np.ndindex(coarser.log_expected.shape[:2]):
        fine = observed.log_expected[a, b]
        for dist in range(coarser.span):
            apart = dist * factor + np.arange(factor)[:, None] - np.arange(factor)
            apart = apart[(apart >= 0) & (apart < observed.span)]
            known = fine[apart] > NO_PAIR / 2
            if dist > 1 and known.sum() > factor**2 / 2:
                wanted = np.log(np.exp(fine[apart][known].astype(float)).mean())
                assert coarser.log_expected[a, b, dist] == pytest.approx(wanted, abs=1e-4)
            else:
                assert coarser.log_expected[a, b, dist] == NO_PAIR


def test_levels_are_the_same_from_either_side(observed):
    """Twice by two is once by four, but for pairs that are neighbours on the way."""
    once, row = observed.coarser(4)
    half, first = observed.coarser(2)
    twice, second = half.coarser(2)
    np.testing.assert_array_equal(second[first], row)
    np.testing.assert_array_equal(once.counts.toarray(), twice.counts.toarray())
    np.testing.assert_allclose(once.log_exposure, twice.log_exposure, atol=1e-5)
