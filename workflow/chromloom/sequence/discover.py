"""A motif that is found by what it goes with: bins that have it differ in a value of their own.

A word is sought first: the eight bases, on either strand, whose bins have the lowest values. Then
its best instance in each bin is found, and the bases of the best instances, weighted by how low the
values of their bins are, are the next matrix, whose best instances are found again.
"""

import logging
from collections.abc import Sequence

import numpy as np

from chromloom.errors import InputError
from chromloom.sequence.fasta import LETTERS, N, reverse_complement

logger = logging.getLogger(__name__)

WORD = 8
"""Bases of the first word."""
COMMON = 0.005
"""Share of bins that a word has to be in."""
BEST = 0.07
"""Share of bins, those with the best instances, that the next matrix is made of."""
ROUNDS = 4
CHUNK = 128
"""Bins that are looked at together."""


def discover_motif(
    chromosomes: Sequence[tuple[np.ndarray, np.ndarray]], bin_size: int, *, width: int = 19
) -> np.ndarray:
    """The motif whose bins have the lowest values.

    Parameters
    ----------
    chromosomes : sequence of (codes, values)
        Bases (length,), uint8 (see `sequence.fasta`), and a value of each bin (n,); NaN = the bin
        is not looked at.
    bin_size : int
        bp.
    width : int
        Bases of the motif, at least `WORD`.

    Returns
    -------
    ndarray, (4, width), float64
        Weighted counts of A, C, G, T at each position; a column sums to the number of instances.

    Raises
    ------
    InputError
        The motif is narrower than a word, values do not vary, or no word is in enough bins.
    """
    if width < WORD:
        raise InputError(f"a motif of {width} bases cannot be found; expected {WORD} or more")
    known = np.concatenate([values[np.isfinite(values)] for _, values in chromosomes])
    if not len(known) or not known.std() > 0:
        raise InputError("no motif can be found: no bin has a value, or all have the same")
    scaled = [(codes, (values - known.mean()) / known.std()) for codes, values in chromosomes]
    word = _lowest_word(scaled, bin_size)
    matrix = np.full((4, width), 0.25)
    first = (width - WORD) // 2
    matrix[:, first : first + WORD] = 0.05
    matrix[word, np.arange(first, first + WORD)] = 0.85
    for _ in range(ROUNDS):
        sites, scores, values = _best_sites(scaled, matrix, bin_size)
        chosen = (scores >= np.quantile(scores, 1 - BEST)) & (values < 0)
        if not chosen.any():
            raise InputError("no motif can be found: no bin with a low value has an instance of it")
        weights = values[chosen] / values[chosen].mean()
        counts = np.stack([weights @ (sites[chosen] == base) for base in range(4)])
        matrix = (counts + 2) / (counts + 2).sum(axis=0)
    logger.info(
        "motif of the lowest values: %s, %d instances; r of best score and value of a bin %.3f",
        bytes(LETTERS[base] for base in counts.argmax(axis=0)).decode(),
        chosen.sum(),
        np.corrcoef(scores, values)[0, 1],
    )
    return counts


def _lowest_word(chromosomes, bin_size: int) -> np.ndarray:
    """Codes of the word whose bins have the lowest values, for how many they are."""
    size = 4**WORD
    digits = np.arange(size)[:, None] // 4 ** np.arange(WORD)[::-1] % 4
    turned = (3 - digits[:, ::-1]) @ 4 ** np.arange(WORD)[::-1]
    either = np.minimum(np.arange(size), turned)
    n_bins, n_with, total = 0, np.zeros(size), np.zeros(size)
    for codes, values in chromosomes:
        for lo in range(0, len(values), CHUNK):
            own = values[lo : lo + CHUNK]
            part = codes[lo * bin_size : (lo + len(own)) * bin_size + WORD - 1]
            n = max(min(len(part) - WORD + 1, len(own) * bin_size), 0)
            word, known = np.zeros(n, np.int64), np.ones(n, bool)
            for k in range(WORD):
                word = 4 * word + np.minimum(part[k : k + n], 3)
                known &= part[k : k + n] != N
            has = np.zeros((len(own), size), np.float32)
            has[(np.arange(n) // bin_size)[known], either[word[known]]] = 1
            looked = np.isfinite(own)
            n_bins += looked.sum()
            n_with += has[looked].sum(axis=0)
            total += own[looked].astype(np.float32) @ has[looked]
    share = n_with / n_bins
    common = (share >= COMMON) & (share < 1)
    if not common.any():
        raise InputError(
            f"no motif can be found: no word of {WORD} bases is in {COMMON:.1%} of the bins and "
            "not in all of them"
        )
    spread = np.sqrt(n_bins * share * (1 - share))
    z = np.divide(total, spread, out=np.zeros(size), where=common)
    return digits[int(z.argmin())]


def _best_sites(
    chromosomes, matrix: np.ndarray, bin_size: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Best instance of a matrix in each bin with a value: bases (m, width), score, value (m,)."""
    width = matrix.shape[1]
    odds = np.full((2, N + 1, width), -np.inf, np.float32)  # N is in no instance
    odds[0, :4] = np.log(4 * matrix)
    odds[1, :4] = odds[0, 3::-1, ::-1]
    sites, scores, kept = [], [], []
    for codes, values in chromosomes:
        for bin_, value in enumerate(values):
            part = codes[bin_ * bin_size : (bin_ + 1) * bin_size + width - 1]
            n = len(part) - width + 1
            if not np.isfinite(value) or n < 1:
                continue
            score, index = np.zeros((2, n), np.float32), part.astype(np.intp)
            for k in range(width):
                for own, table in zip(score, odds[..., k]):
                    own += table.take(index[k : k + n])
            strand, at = divmod(int(score.argmax()), n)
            if np.isfinite(score[strand, at]):
                site = part[at : at + width]
                sites.append(reverse_complement(site) if strand else site)
                scores.append(score[strand, at])
                kept.append(value)
    return np.array(sites), np.array(scores), np.array(kept)
