"""Inner loops of the log-linear count model, row by row: numba code over numpy arrays.

The model, and what the equations are for, is told in `chromloom.training.likelihood`.
"""

import numpy as np
from numba import njit, prange

CHUNK = 256
"""Columns that are worked on at once, so that they stay in cache."""
LARGEST_LOG_RATE = 15.0
"""Rates are cut at exp(15), so that a wild step cannot overflow."""


@njit(fastmath=True, parallel=True, cache=True)
def newton_rows(
    rows, R, SR, offset, knot, between, position, indptr, indices, counts, log_exposure,
    log_expected, region, dispersion, n_parts, hessian, gradient, weights,
):  # fmt: skip
    """Fisher information and gradient of the log likelihood with respect to some rows of R.

    Parameters
    ----------
    rows : ndarray, (m,), int64
        Rows of R to look at, all others held.
    R : ndarray, (n, d), float32
    SR : ndarray, (K, d, n), float32
        S_k R_j for every knot k.
    offset : ndarray, (K,), float32
    knot, between : ndarray, (span,), int64 and float32
        At each distance, the knot below and the share of the next one.
    position : ndarray, (n,), int64
        Bin number of each row, ascending.
    indptr, indices, counts : ndarray
        Symmetric CSR matrix of contacts, counts float32.
    log_exposure : ndarray, (n,), float32
        log(1 / weight): a bin's share in the count that a strength of 1 gives.
    log_expected : ndarray, (regions, regions, span), float32
        -1e4 = no such pair (its rate is 0, as is its count).
    region : ndarray, (n,), int64
    dispersion : float32
        phi of the variance mu + phi mu^2.
    n_parts : int
        Parts that the rows are cut into for threads; the result does not depend on it.
    hessian, gradient : ndarray, (m, d, d) and (m, d), float32
        Written: sum over j of W x x' and of (count - mu) / (1 + phi mu) x, where x is S(d) R_j and
        W = mu / (1 + phi mu).
    weights : ndarray, (m, n), float32
        Written: W.
    """
    n_knots, d, n = SR.shape
    size = (len(rows) + n_parts - 1) // n_parts
    for part in prange(n_parts):
        x = np.empty((d, CHUNK), np.float32)
        weighted = np.empty((d, CHUNK), np.float32)
        log_rate, share = np.empty(CHUNK, np.float32), np.empty(CHUNK, np.float32)
        score = np.empty(CHUNK, np.float32)
        row = np.zeros(n, np.float32)
        for a in range(part * size, min(len(rows), (part + 1) * size)):
            i = rows[a]
            for at in range(indptr[i], indptr[i + 1]):
                row[indices[at]] = counts[at]
            total = np.zeros((d, d), np.float32)
            first = 0
            while first < n:  # columns between the same two knots
                below = knot[abs(position[first] - position[i])]
                above = min(below + 1, n_knots - 1)
                last = first
                while (
                    last < n
                    and last - first < CHUNK
                    and knot[abs(position[last] - position[i])] == below
                ):
                    last += 1
                size_j = last - first
                weight = weights[a, first:last]
                for t in range(size_j):
                    j = first + t
                    dist = abs(position[j] - position[i])
                    share[t] = between[dist]
                    log_rate[t] = (
                        log_exposure[i] + log_exposure[j]
                        + log_expected[region[i], region[j], dist]
                        + offset[below] + (offset[above] - offset[below]) * share[t]
                    )  # fmt: skip
                for k in range(d):
                    low, high, r = SR[below, k], SR[above, k], R[i, k]
                    for t in range(size_j):
                        x[k, t] = low[first + t] + (high[first + t] - low[first + t]) * share[t]
                        log_rate[t] += r * x[k, t]
                for t in range(size_j):
                    j = first + t
                    rate = np.exp(min(log_rate[t], np.float32(LARGEST_LOG_RATE)))
                    scale = np.float32(1) / (np.float32(1) + dispersion * rate)
                    weight[t] = rate * scale
                    score[t] = (row[j] - rate) * scale
                for k in range(d):
                    slope = np.float32(0)
                    for t in range(size_j):
                        weighted[k, t] = x[k, t] * weight[t]
                        slope += score[t] * x[k, t]
                    gradient[a, k] += slope
                for k in range(d):
                    for m in range(k, d):
                        inner = np.float32(0)
                        for t in range(size_j):
                            inner += weighted[k, t] * x[m, t]
                        total[k, m] += inner
                first = last
            for k in range(d):
                for m in range(k, d):
                    hessian[a, k, m] = hessian[a, m, k] = total[k, m]
            for at in range(indptr[i], indptr[i + 1]):
                row[indices[at]] = 0


@njit(fastmath=True, inline="always")
def _products(x, y, out):
    """`symmetric_products` of one pair of rows."""
    d, at = len(x), 0
    for a in range(d):
        out[at] = x[a] * y[a]
        at += 1
        for b in range(a + 1, d):
            out[at] = x[a] * y[b] + x[b] * y[a]
            at += 1
    out[at] = 1


@njit(fastmath=True, cache=True)
def symmetric_products(left, right):
    """Features whose product with the upper triangle of a symmetric S is left' S right, and a 1.

    Parameters
    ----------
    left, right : ndarray, (pairs, d), float32

    Returns
    -------
    ndarray, (pairs, d (d + 1) / 2 + 1), float32
        In the order of `numpy.triu_indices`.
    """
    n_pairs, d = left.shape
    out = np.empty((n_pairs, d * (d + 1) // 2 + 1), np.float32)
    for p in range(n_pairs):
        _products(left[p], right[p], out[p])
    return out


@njit(fastmath=True, parallel=True, cache=True)
def drawn_products(i, j, R, root, noise, n_parts):
    """`symmetric_products` of pairs of rows, each row drawn anew from its posterior.

    Parameters
    ----------
    i, j : ndarray, (pairs,), int64
    R : ndarray, (n, d), float32
        Means of the rows.
    root : ndarray, (n, d, d), float32
        Upper triangular; root root' is the covariance of a row.
    noise : ndarray, (pairs, 2, d), float32
        Standard normal, for the row of i and that of j.
    n_parts : int
        As in `newton_rows`.

    Returns
    -------
    ndarray, (pairs, d (d + 1) / 2 + 1), float32
    """
    n_pairs, d = len(i), R.shape[1]
    out = np.empty((n_pairs, d * (d + 1) // 2 + 1), np.float32)
    size = (n_pairs + n_parts - 1) // n_parts
    for part in prange(n_parts):
        drawn = np.empty((2, d), np.float32)
        for p in range(part * size, min(n_pairs, (part + 1) * size)):
            for side in range(2):
                row = j[p] if side else i[p]
                for a in range(d):
                    value = R[row, a]
                    for b in range(a, d):
                        value += root[row, a, b] * noise[p, side, b]
                    drawn[side, a] = value
            _products(drawn[0], drawn[1], out[p])
    return out
