"""A motif that is found by the values of the bins that have it."""

import numpy as np
import pytest

from chromloom.errors import InputError
from chromloom.sequence.discover import discover_motif
from chromloom.sequence.fasta import reverse_complement

SIZE, MOTIF = 500, np.array([1, 0, 2, 2, 3, 0, 1, 1, 2, 0, 3, 1])


@pytest.fixture
def chromosomes():
    """Bins that have the motif on either strand, one base in ten of it another, have lower values.

    N in the first bins, and bins without a value at the end.
    """
    rng, made = np.random.default_rng(3), []
    for n in (300, 200):
        codes = rng.integers(0, 4, n * SIZE - 137).astype(np.uint8)
        values = rng.normal(0, 1, n)
        for bin_ in rng.choice(n - 20, n // 5, replace=False) + 10:
            site = np.where(rng.random(len(MOTIF)) < 0.1, rng.integers(0, 4, len(MOTIF)), MOTIF)
            start = bin_ * SIZE + int(rng.integers(SIZE - len(MOTIF)))
            turned = rng.random() < 0.5
            codes[start : start + len(MOTIF)] = reverse_complement(site) if turned else site
            values[bin_] -= 3
        codes[: 4 * SIZE], values[-3:] = 4, np.nan
        made.append((codes, values))
    return made


def test_the_motif_of_low_values_is_found_on_either_strand(chromosomes):
    counts = discover_motif(chromosomes, SIZE, width=14)
    assert counts.shape == (4, 14)
    np.testing.assert_allclose(counts.sum(axis=0), counts.sum(axis=0)[0])
    found = counts.argmax(axis=0)
    spelled = "".join(map(str, found)), "".join(map(str, reverse_complement(found)))
    core = "".join(map(str, MOTIF))
    assert any(core[1:-1] in spelling for spelling in spelled), spelled
    assert counts.max() > 20


def test_values_that_go_with_nothing_find_no_ctcf(chromosomes):
    shuffled = np.random.default_rng(0).permutation
    counts = discover_motif([(codes, shuffled(v)) for codes, v in chromosomes], SIZE, width=14)
    spelled = "".join(map(str, counts.argmax(axis=0)))
    assert "".join(map(str, MOTIF)) not in spelled


@pytest.mark.parametrize(
    ("codes", "values", "width", "message"),
    [
        (np.zeros(5000, np.uint8), np.arange(10.0), 7, "a motif of 7 bases cannot be found"),
        (np.zeros(5000, np.uint8), np.full(10, np.nan), 14, "no bin has a value"),
        (np.zeros(5000, np.uint8), np.ones(10), 14, "or all have the same"),
        (np.full(5000, 4, np.uint8), np.arange(10.0), 14, "no word of 8 bases is in 0.5% of"),
    ],
)
def test_what_cannot_be_found_is_said(codes, values, width, message):
    with pytest.raises(InputError, match=message):
        discover_motif([(codes, values)], SIZE, width=width)
