"""Leading eigenvectors of log observed/expected: a baseline, and where `refined` starts.

Pairs without a contact make log O/E dense, but their values depend on distance alone (within a
pair of the regions that the expected is known for): the matrix is Toeplitz, region by region, plus
a sparse part at the observed pairs. The Toeplitz part is applied by FFT, the sparse part as a CSR
matrix, and the eigenvectors are taken by Lanczos (scipy's `eigsh`, ARPACK), so that the cost grows
with the number of observed pairs.
"""

import logging
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numba
import numpy as np
from scipy import fft
from scipy.sparse import csr_matrix
from scipy.sparse.linalg import LinearOperator, eigsh

from chromloom.kernels.threads import n_threads
from chromloom.normalize.maps import Expected, NormalizedMap
from chromloom.normalize.probability import PSEUDOCOUNT

logger = logging.getLogger(__name__)

DENSE_BELOW = 128
"""Matrices of fewer unmasked bins are decomposed densely."""


ROWS = 1024
"""Rows whose pixels are read at once."""

NNZ_OF_A_THREAD = 500_000
"""Contacts below which threads do not pay."""

CHUNKS = 8
"""Parts of the sparse product; fixed, so that sums do not depend on the number of threads."""


@numba.njit(cache=True, nogil=True)
def _multiply_upper(pointer, columns, data, first, last, x, y):
    """Add (U + U') x of the rows [first, last) of an upper triangle without a diagonal to y."""
    for i in range(first, last):
        total, x_i = 0.0, x[i]
        for at in range(pointer[i], pointer[i + 1]):
            j, value = columns[at], data[at]
            total += value * x[j]
            y[j] += value * x_i
        y[i] += total


class LogOE:
    """The symmetric matrix of log((value + k) / (expected + k)) of one chromosome, as an operator.

    Entries of masked bins and at distances below `ignore_diags` are 0 (as expected).

    Parameters
    ----------
    normalized : NormalizedMap
    chrom : str
    k : float
        Pseudocount, on the scale of counts.

    Attributes
    ----------
    n : int
        Bins, masked ones too.
    """

    def __init__(self, normalized: NormalizedMap, chrom: str, *, k: float = PSEUDOCOUNT):
        self.unmasked = ~normalized.mask(chrom)
        self.n = len(self.unmasked)
        expected = normalized.expected(chrom)
        self._sparse = self._observed(normalized, chrom, k)
        ends = np.linspace(0, self._sparse.nnz, CHUNKS + 1)
        self._edges = np.searchsorted(self._sparse.indptr, ends)
        self._edges[[0, -1]] = 0, self.n
        self._size = fft.next_fast_len(2 * self.n, real=True)
        self._toeplitz = self._regions(expected, k, normalized.ignore_diags)

    def _observed(self, normalized: NormalizedMap, chrom: str, k: float) -> csr_matrix:
        """Upper triangle: log((value + k) / k) at the observed pairs, what zero pairs lack."""
        parts = []
        for lo in range(0, self.n, ROWS):
            pixels = normalized.pixels(chrom, lo, min(lo + ROWS, self.n))
            data = np.log1p(pixels["value"].to_numpy() / np.float32(k))
            counts = np.bincount(pixels["i"] - lo, minlength=min(ROWS, self.n - lo))
            parts.append([data, pixels["j"].to_numpy(dtype=np.int32), counts])
        # column by column, so that pixels are not held twice
        data, columns, counts = (np.concatenate([part.pop(0) for part in parts]) for _ in range(3))
        pointer = np.append(0, np.cumsum(counts))
        return csr_matrix((data, columns, pointer), shape=(self.n, self.n))

    def _regions(self, expected: Expected, k: float, ignore_diags: int) -> list[tuple]:
        """(rows, columns, transformed Toeplitz kernel) of each pair of regions, a <= b."""
        bounds = np.flatnonzero(np.diff(expected.region)) + 1
        edges = [0, *bounds.tolist(), self.n]
        parts = []
        regions = list(pairwise(edges))
        for a, (a0, a1) in enumerate(regions):
            for b0, b1 in regions[a:]:
                dist = np.arange(max(b0 - a1 + 1, ignore_diags), b1 - a0)
                i = np.clip(b0 - dist, a0, a1 - 1)  # any pair of the two regions at that distance
                curve = np.zeros(self._size)
                zero = np.log(k / (expected.at(i, i + dist).astype(float) + k))
                curve[(-dist) % self._size] = zero  # y_i = sum over d of zero_d x_(i + d)
                parts.append((slice(a0, a1), slice(b0, b1), fft.rfft(curve)))
        return parts

    def matvec(self, x: np.ndarray) -> np.ndarray:
        """Matrix times vector, (n,), float64; rows and columns of masked bins count as 0."""
        x = np.where(self.unmasked, np.ravel(x), 0.0)
        parts = np.zeros((CHUNKS, self.n))
        spans = zip(self._edges, self._edges[1:], parts)
        threads = min(n_threads(), CHUNKS)
        if threads > 1 and self._sparse.nnz > NNZ_OF_A_THREAD:
            with ThreadPoolExecutor(threads) as pool:
                list(pool.map(lambda span: self._multiply(x, *span), spans))
        else:
            for span in spans:
                self._multiply(x, *span)
        y = parts.sum(0)
        for rows, columns, kernel in self._toeplitz:
            for source, target, transfer in (
                (columns, rows, kernel),
                (rows, columns, kernel.conj()),
            ):
                part = np.zeros(self.n)
                part[source] = x[source]
                product = fft.irfft(fft.rfft(part, self._size) * transfer, self._size)
                y[target] += product[target]
        return np.where(self.unmasked, y, 0.0)

    def _multiply(self, x: np.ndarray, first: int, last: int, y: np.ndarray) -> None:
        """Add what the rows [first, last) of the sparse part and their mirror give to y."""
        upper = self._sparse
        _multiply_upper(upper.indptr, upper.indices, upper.data, first, last, x, y)

    def to_dense(self) -> np.ndarray:
        """The matrix itself, (n, n), float64; for small chromosomes and tests."""
        return np.column_stack([self.matvec(e) for e in np.eye(self.n)])


def leading_eigenvectors(
    matrix: LogOE, n_components: int, *, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvectors whose eigenvalues are largest in magnitude.

    Parameters
    ----------
    matrix : LogOE
    n_components : int
    seed : int
        Of the vector that Lanczos starts from.

    Returns
    -------
    values : ndarray, (n_components,), float64
        Descending in magnitude; 0 where the chromosome has fewer unmasked bins.
    vectors : ndarray, (n, n_components), float64
        Orthonormal, 0 at masked bins.
    """
    kept = np.flatnonzero(matrix.unmasked)
    values, vectors = np.zeros(n_components), np.zeros((matrix.n, n_components))
    if len(kept) < max(DENSE_BELOW, 3 * n_components):
        units = np.zeros((matrix.n, len(kept)))
        units[kept, np.arange(len(kept))] = 1
        dense = np.column_stack([matrix.matvec(u)[kept] for u in units.T])
        found, basis = np.linalg.eigh((dense + dense.T) / 2)
    else:

        def compact(x: np.ndarray) -> np.ndarray:
            whole = np.zeros(matrix.n)
            whole[kept] = np.ravel(x)
            return matrix.matvec(whole)[kept]

        operator = LinearOperator((len(kept), len(kept)), matvec=compact, dtype=np.float64)
        start = np.random.default_rng(seed).standard_normal(len(kept))
        found, basis = eigsh(operator, k=n_components, which="LM", v0=start, tol=1e-5)
    order = np.argsort(-np.abs(found))[:n_components]
    values[: len(order)] = found[order]
    vectors[kept, : len(order)] = basis[:, order]
    return values, vectors


def orient(vectors: np.ndarray, track: np.ndarray) -> np.ndarray:
    """Flip eigenvectors so that each correlates positively with a track.

    Parameters
    ----------
    vectors : ndarray, (n, d)
    track : ndarray, (n,)
        GC content or gene density, as for compartments; where nothing is known of the genome,
        coverage by raw contacts. NaN takes no part.

    Returns
    -------
    ndarray, (n, d)
        An axis that does not correlate at all is left as it is.
    """
    known = np.isfinite(track)
    centred = np.where(known, track - track[known].mean(), 0.0) if known.any() else 0 * track
    signs = np.where(centred @ vectors < 0, -1.0, 1.0)
    return vectors * signs


def coverage(normalized: NormalizedMap, chrom: str) -> np.ndarray:
    """Raw contacts of each bin with its chromosome, (n,), float64; NaN at masked bins."""
    mask = normalized.mask(chrom)
    total = np.zeros(len(mask))
    for lo in range(0, len(mask), ROWS):
        pixels = normalized.pixels(chrom, lo, min(lo + ROWS, len(mask)))
        for end in "ij":
            total += np.bincount(pixels[end], weights=pixels["count"], minlength=len(mask))
    return np.where(mask, np.nan, total)


def eigen_representation(
    normalized: NormalizedMap,
    chrom: str,
    n_components: int,
    *,
    k: float = PSEUDOCOUNT,
    seed: int = 0,
    track: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Representations R and axes' weights S with R S R' the best low-rank log O/E.

    Parameters
    ----------
    normalized : NormalizedMap
    chrom : str
    n_components : int
        d.
    k : float
        Pseudocount.
    seed : int
    track : ndarray, (n,), optional
        What signs follow (`orient`); coverage by raw contacts by default.

    Returns
    -------
    R : ndarray, (n, d), float32
        Eigenvectors times the square root of the number of unmasked bins, so that their mean
        square is 1; 0 at masked bins.
    S : ndarray, (d, d), float32
        Diagonal: eigenvalues over the number of unmasked bins.
    """
    matrix = LogOE(normalized, chrom, k=k)
    values, vectors = leading_eigenvectors(matrix, n_components, seed=seed)
    vectors = orient(vectors, coverage(normalized, chrom) if track is None else track)
    n = max(int(matrix.unmasked.sum()), 1)
    logger.info("%s: eigenvalues %.3g … %.3g over %d bins", chrom, values[0], values[-1], n)
    return (vectors * np.sqrt(n)).astype(np.float32), np.diag(values / n).astype(np.float32)
