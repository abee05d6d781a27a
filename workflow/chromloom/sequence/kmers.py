"""Frequencies of k-mers in bins of a sequence, a k-mer and its reverse complement as one.

Of k = 1 they say the GC content. They do not change where a bin is read from the other strand.
"""

from functools import cache
from itertools import product

import numpy as np

from chromloom.sequence.fasta import N

CHUNK = 1 << 22


@cache
def kmer_names(k: int) -> list[str]:
    """Names of the k-mers in the order of `kmer_frequencies`: the first of the two spellings."""
    return sorted({min(word, _turned(word)) for word in map("".join, product("ACGT", repeat=k))})


def kmer_frequencies(codes: np.ndarray, k: int, bin_size: int) -> np.ndarray:
    """Share of each k-mer among those that start in a bin and are known.

    Parameters
    ----------
    codes : ndarray, (length,), uint8
        Bases, see `sequence.fasta`.
    k : int
        1 to 6, which is 2,080 k-mers.
    bin_size : int
        bp.

    Returns
    -------
    ndarray, (n_kmers, n_bins), float32
        Sum to 1 in a bin. NaN where less than half of a bin is known, or it is shorter than k.
    """
    n = -(-len(codes) // bin_size)
    number = _numbers(k)
    counts = np.zeros((n, len(kmer_names(k))), np.int64)
    rows = max(CHUNK // bin_size, 1)
    for lo in range(0, n, rows):
        own = codes[lo * bin_size : (lo + rows) * bin_size + k - 1]
        size = max(min(len(own) - k + 1, rows * bin_size), 0)
        word, known = np.zeros(size, np.int64), np.ones(size, bool)
        for offset in range(k):
            base = own[offset : offset + size]
            word = 4 * word + base
            known &= base != N
        words = number[word[known]]
        place = (np.arange(size) // bin_size)[known] * counts.shape[1] + words
        hi = min(lo + rows, n)
        flat = np.bincount(place, minlength=(hi - lo) * counts.shape[1])
        counts[lo:hi] = flat.reshape(hi - lo, -1)
    total = counts.sum(axis=1)
    length = np.full(n, bin_size)
    length[-1:] = len(codes) - (n - 1) * bin_size
    with np.errstate(invalid="ignore", divide="ignore"):
        shares = (counts / total[:, None]).T
    shares[:, 2 * total < np.maximum(length - k + 1, 1)] = np.nan
    return shares.astype(np.float32)


@cache
def _numbers(k: int) -> np.ndarray:
    """Row of each of the 4^k words, as numbers to the base 4."""
    row = {name: number for number, name in enumerate(kmer_names(k))}
    words = map("".join, product("ACGT", repeat=k))
    return np.array([row[min(word, _turned(word))] for word in words], dtype=np.int64)


def _turned(word: str) -> str:
    return word[::-1].translate(str.maketrans("ACGT", "TGCA"))
