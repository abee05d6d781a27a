"""The counts of one chromosome, as the count model reads them, and the same in larger bins."""

from typing import NamedTuple, Self

import numpy as np
from scipy.sparse import csr_matrix, vstack

from chromloom.kernels.counts import fill_symmetric
from chromloom.normalize.maps import Expected, NormalizedMap

NO_PAIR = -1e4
"""log E where there are no pairs, or none that are used."""
ROWS = 256
"""Of larger bins, whose counts are summed at once."""


class ChromosomeCounts(NamedTuple):
    """Counts between the unmasked bins of a chromosome, and what they are measured against.

    Attributes
    ----------
    position : ndarray, (m,), int64
        Bin of each row, ascending.
    span : int
        Bins of the chromosome.
    counts : csr_matrix, (m, m), float32
        Symmetric.
    log_exposure : ndarray, (m,), float32
        -log of the balancing weights.
    log_expected : ndarray, (regions, regions, span), float32
        log E by pair of regions and distance; NO_PAIR where no pair is used.
    region : ndarray, (m,), int64
        Of each row.
    """

    position: np.ndarray
    span: int
    counts: csr_matrix
    log_exposure: np.ndarray
    log_expected: np.ndarray
    region: np.ndarray

    @classmethod
    def read(cls, normalized: NormalizedMap, chrom: str) -> Self:
        """Those of a map."""
        unmasked = ~normalized.mask(chrom)
        position = np.flatnonzero(unmasked)
        first, end = normalized.extent(chrom)
        weights = normalized.bins["weight"].to_numpy()[first:end][unmasked]
        expected = normalized.expected(chrom)
        return cls(
            position,
            len(unmasked),
            symmetric_counts(normalized, chrom, unmasked),
            -np.log(weights).astype(np.float32),
            _log_expected(expected, len(unmasked)),
            expected.region[position],
        )

    @property
    def depth(self) -> float:
        """Contacts per bin, those with masked bins left out; 0 without bins."""
        return float(self.counts.sum(dtype=float)) / max(len(self.position), 1)

    def coarser(self, factor: int) -> tuple[Self, np.ndarray]:
        """The same contacts in bins `factor` times as large.

        Returns
        -------
        ChromosomeCounts
            Counts are sums, and exposures too, since the mean of a count is E times the exposures
            of its two bins; E is its mean over the pairs of bins that are put together. Pairs of
            neighbouring bins are not used: they hold those nearest to the diagonal.
        row : ndarray, (m,), int64
            Of each of these rows in the coarser counts.
        """
        position, first, row = np.unique(
            self.position // factor, return_index=True, return_inverse=True
        )
        span = -(-self.span // factor)
        exposure = np.bincount(row, weights=np.exp(self.log_exposure.astype(float)))
        coarser = self._replace(
            position=position,
            span=span,
            counts=self._summed_counts(position, row),
            log_exposure=np.log(exposure).astype(np.float32),
            log_expected=self._coarser_expected(factor, span),
            region=self.region[first],
        )
        return coarser, row

    def _summed_counts(self, position: np.ndarray, row: np.ndarray) -> csr_matrix:
        n = len(position)
        ones = np.ones(len(row), dtype=np.float32)
        into = csr_matrix((ones, row, np.arange(len(row) + 1)), shape=(len(row), n))
        parts = []
        for lo in range(0, n, ROWS):  # a few rows at once, so that no pixel is held twice
            first, end = np.searchsorted(row, [lo, lo + ROWS])
            block = (into[first:end, lo : lo + ROWS].T @ self.counts[first:end] @ into).tocoo()
            far = np.abs(position[lo + block.row] - position[block.col]) > 1
            entries = block.data[far], (block.row[far], block.col[far])
            parts.append(csr_matrix(entries, shape=block.shape))
        counts = vstack(parts, format="csr")
        counts.sort_indices()
        return counts

    def _coarser_expected(self, factor: int, span: int) -> np.ndarray:
        known = self.log_expected > NO_PAIR / 2
        curve = np.where(known, np.exp(np.where(known, self.log_expected, 0).astype(float)), 0)
        share = (factor - np.abs(np.arange(1 - factor, factor))) / factor**2  # of each distance
        at = np.arange(span) * factor + factor - 1  # in a full convolution
        shape = (*curve.shape[:2], span)
        total, weight = np.zeros(shape), np.zeros(shape)
        for a, b in np.ndindex(shape[:2]):
            total[a, b] = np.convolve(curve[a, b], share)[at]
            weight[a, b] = np.convolve(known[a, b], share)[at]
        used = (weight > 0.5) & (total > 0) & (np.arange(span) > 1)
        mean = np.where(used, total, 1) / np.where(used, weight, 1)
        return np.where(used, np.log(mean), NO_PAIR).astype(np.float32)


def symmetric_counts(normalized: NormalizedMap, chrom: str, unmasked: np.ndarray) -> csr_matrix:
    """Counts between the unmasked bins, (m, m), float32, in 16 bytes a pixel.

    The map is read twice, for the sizes of the rows and for what they hold, and no pixel is kept.
    """
    compact, n = np.cumsum(unmasked) - 1, int(unmasked.sum())
    sizes = np.zeros(n, dtype=np.int64)
    for i, j in normalized.iterate_pixels(chrom):
        i, j = compact[i], compact[j]
        sizes += np.bincount(j, minlength=n) + np.bincount(i[i < j], minlength=n)
    pointer = np.append(0, np.cumsum(sizes))
    indices, counts = np.empty(pointer[-1], np.int32), np.empty(pointer[-1], np.float32)
    at = pointer[:-1].copy()
    for i, j, count in normalized.iterate_pixels(chrom, "count"):
        fill_symmetric(compact[i], compact[j], count, at, indices, counts)
    return csr_matrix((counts, indices, pointer), shape=(n, n))


def _log_expected(expected: Expected, span: int) -> np.ndarray:
    """log E by pair of regions and distance, (regions, regions, span), float32."""
    n_regions = int(expected.region.max()) + 1
    table = np.full((n_regions, n_regions, span), NO_PAIR, dtype=np.float32)
    members = [np.flatnonzero(expected.region == r) for r in range(n_regions)]
    dist = np.arange(span)
    for a in range(n_regions):
        for b in range(a, n_regions):
            curve = expected.at_distance(members[a][0], members[b][0], dist)
            known = np.flatnonzero(np.nan_to_num(curve) > 0)
            table[a, b, known] = np.log(curve[known])
            table[b, a] = table[a, b]
    return table
