"""k-mers of bins against counting by hand."""

import numpy as np
import pytest

from chromloom.sequence import kmers
from chromloom.sequence.fasta import encode, reverse_complement
from chromloom.sequence.kmers import kmer_frequencies, kmer_names


def by_hand(letters, k, size):
    names, rows = kmer_names(k), []
    for lo in range(0, len(letters), size):
        count = dict.fromkeys(names, 0)
        for start in range(lo, min(lo + size, len(letters) - k + 1)):
            word = letters[start : start + k]
            other = word[::-1].translate(str.maketrans("ACGT", "TGCA"))
            if "N" not in word:
                count[min(word, other)] += 1
        total = sum(count.values())
        rows.append([count[name] / total if total else np.nan for name in names])
    return np.array(rows, np.float32).T


@pytest.mark.parametrize("k", [1, 2, 3, 4])
@pytest.mark.parametrize("chunk", [40, 1 << 22])
def test_frequencies_equal_counts_by_hand(k, chunk, monkeypatch):
    monkeypatch.setattr(kmers, "CHUNK", chunk)
    letters = "".join(np.random.default_rng(k).choice(list("ACGTN"), 212, p=[0.24] * 4 + [0.04]))
    shares = kmer_frequencies(encode(letters.encode()), k, 20)
    assert shares.shape == (len(kmer_names(k)), 11)
    known = np.isfinite(shares)
    assert known[:, :10].sum() > 0.8 * known[:, :10].size
    np.testing.assert_array_equal(shares[known], by_hand(letters, k, 20)[known])
    np.testing.assert_allclose(shares.sum(axis=0)[known.all(axis=0)], 1, rtol=1e-6)


def test_the_other_strand_has_the_same_frequencies():
    codes = encode("".join(np.random.default_rng(0).choice(list("ACGT"), 50)).encode())
    np.testing.assert_array_equal(
        kmer_frequencies(codes, 3, 50), kmer_frequencies(reverse_complement(codes), 3, 50)
    )
    assert kmer_names(1) == ["A", "C"]
    assert [len(kmer_names(k)) for k in (2, 3, 4)] == [10, 32, 136]


def test_bins_of_which_less_than_half_is_known_are_missing():
    codes = encode(b"ACGTACNNNN" + b"ACGTNNNNNN" + b"NNNNNNNNNN" + b"A")
    shares = kmer_frequencies(codes, 2, 10)
    assert np.isfinite(shares).all(axis=0).tolist() == [True, False, False, False]
    assert kmer_frequencies(codes[:0], 2, 10).shape == (10, 0)
