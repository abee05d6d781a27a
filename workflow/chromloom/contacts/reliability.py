"""How far in distance single pairs of a map hold more than noise, from its counts alone.

A count n of a pair is Poisson with mean mu s: mu = E(d) / (w_i w_j) follows from distance and
coverage, s, of mean 1, is the structure that a map is made for. Over the pairs at some distances
the sum of (n - mu)^2 - n estimates the variance of mu s, so that

    r^2 = sum[(n - mu)^2 - n] / sum[(n - mu)^2]

is the share of variance that is structure, and r the correlation with single counts that a perfect
prediction of mu s would have: what a simulation of counts from known rates gives, without knowing
the rates. Only sums by distance are needed; those over all pairs, without contacts too, are
correlations of 1 / w with itself.
"""

import numpy as np
from scipy.signal import correlate

#: A perfect prediction correlates with the pairs of a map by at least this up to its
#: reliable distance.
LIMIT = 0.5
_GROWTH = 1.25  # distances are taken together in groups that widen by this factor
_MIN_PAIRS = 100


class CountSums:
    """Sums of the counts of one map by chromosome and distance, filled by blocks of pixels.

    Parameters
    ----------
    weight : ndarray, (n_bins,), float64
        Multiplicative, NaN = masked.
    offsets : ndarray, (n_chroms,), int
        First bin of each chromosome.
    ignore_diags : int
        Nearer pairs do not count.
    """

    def __init__(self, weight: np.ndarray, offsets: np.ndarray, ignore_diags: int):
        with np.errstate(divide="ignore"):
            size = 1 / weight
        self._size = np.where(np.isfinite(size), size, np.nan)
        self._offsets, self._ignore_diags = offsets, ignore_diags
        self._sums = np.zeros((3, len(weight)))  # n, n^2, n / (w_i w_j); a chromosome's by distance

    def add(self, chrom: np.ndarray, bin1: np.ndarray, bin2: np.ndarray, count: np.ndarray) -> None:
        """Add pixels within chromosomes: number of the chromosome, bins of the genome, count."""
        size = self._size[bin1] * self._size[bin2]
        known = np.isfinite(size)
        n, size = count[known].astype(float), size[known]
        at = (self._offsets[chrom] + bin2 - bin1)[known]
        for total, values in zip(self._sums, (n, n * n, n * size)):
            total += np.bincount(at, values, minlength=len(total))

    def limits(self, chroms: list[int]) -> tuple[np.ndarray, np.ndarray]:
        """Correlation of a perfect prediction by group of distances, over some chromosomes.

        Returns
        -------
        last : ndarray, (n_groups,), int
            Last distance of each group, bins.
        r : ndarray, (n_groups,), float64
            NaN where there are too few pairs or no contacts.
        """
        borders = [*self._offsets, len(self._size)]
        longest = max((borders[c + 1] - borders[c] for c in chroms), default=0)
        structure, total, pairs = np.zeros((3, longest))
        for c in chroms:
            part = slice(borders[c], borders[c + 1])
            n = borders[c + 1] - borders[c]
            size = np.nan_to_num(self._size[part])
            n_pairs, sizes, squares = (
                np.maximum(correlate(x, x, method="fft")[n - 1 :], 0)
                for x in ((size > 0).astype(float), size, size**2)
            )
            counts, counts2, crossed = self._sums[:, part]
            expected = np.divide(counts, sizes, out=np.zeros(n), where=n_pairs > 0.5)
            squared = counts2 - 2 * expected * crossed + expected**2 * squares
            structure[:n] += squared - counts
            total[:n] += squared
            pairs[:n] += np.rint(n_pairs)
        grown = [self._ignore_diags]
        while grown[-1] < longest:
            grown.append(max(grown[-1] + 1, int(grown[-1] * _GROWTH)))
        edges = np.unique(np.minimum(grown, longest))
        first = edges[:-1]
        if not len(first):
            return np.empty(0, int), np.empty(0)
        structure, total, pairs = (np.add.reduceat(x, first) for x in (structure, total, pairs))
        share = np.divide(structure, total, out=np.full(len(first), np.nan), where=total > 0)
        share[pairs < _MIN_PAIRS] = np.nan
        return edges[1:] - 1, np.sqrt(np.clip(share, 0, None))

    def reliable_distance(self, chroms: list[int]) -> int:
        """Distance (bins) up to which, from the nearest on, `LIMIT` is reached; 0 for nowhere."""
        last, r = self.limits(chroms)
        reached = r >= LIMIT
        n = len(r) if reached.all() else int(np.argmin(reached))
        return int(last[n - 1]) if n else 0
