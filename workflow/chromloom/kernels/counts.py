"""Inner loops of the log-linear count model, row by row: numba code over numpy arrays.

The model, and what the equations are for, is told in `chromloom.training.likelihood`.
"""

import numpy as np

from chromloom.kernels.cache import compiled
from chromloom.kernels.spec import LARGEST_LOG_RATE
from chromloom.kernels.threads import n_threads, share

CHUNK = 256
"""Columns that are worked on at once, so that they stay in cache."""


def newton_rows(
    rows, R, SR, offset, barrier, passed, knot, between, position, indptr, indices, counts,
    log_exposure, log_expected, region, dispersion, hessian, gradient, weights,
):  # fmt: skip
    """Fisher information and gradient of the log likelihood with respect to some rows of R.

    Parameters
    ----------
    rows : ndarray, (m,), int64
        Rows of R to look at, all others held.
    R : ndarray, (n, d), float32
    SR : ndarray, (2, K, d, n), float32
        For every knot k, S_k R_j (what j is to a row upstream of it) and S_k' R_j.
    offset : ndarray, (K,), float32
    barrier : ndarray, (K,), float32
        h_k: what a barrier between two bins takes from their log rate.
    passed : ndarray, (n + 1,), float32
        Sum of the barriers of the rows before each row.
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
    hessian, gradient : ndarray, (m, d, d) and (m, d), float32
        Written: sum over j of W x x' and of (count - mu) / (1 + phi mu) x, where x is S(d) R_j and
        W = mu / (1 + phi mu).
    weights : ndarray, (m, n), float32
        Written: W.
    """
    args = (
        rows, R, SR, offset, barrier, passed, knot, between, position, indptr, indices, counts,
        log_exposure, log_expected, region, dispersion, hessian, gradient, weights,
    )  # fmt: skip
    share(lambda lo, hi: some_rows(lo, hi, *args), len(rows), n_threads(), pieces=1)


@compiled(nogil=True, fastmath=True)
def some_rows(
    lo, hi, rows, R, SR, offset, barrier, passed, knot, between, position, indptr, indices, counts,
    log_exposure, log_expected, region, dispersion, hessian, gradient, weights,
):  # fmt: skip
    """Rows lo … hi - 1 of `newton_rows`."""
    _, n_knots, d, n = SR.shape
    x = np.empty((d, CHUNK), np.float32)
    weighted = np.empty((d, CHUNK), np.float32)
    log_rate, share = np.empty(CHUNK, np.float32), np.empty(CHUNK, np.float32)
    score = np.empty(CHUNK, np.float32)
    row = np.zeros(n, np.float32)
    for a in range(lo, hi):
        i = rows[a]
        for at in range(indptr[i], indptr[i + 1]):
            row[indices[at]] = counts[at]
        total = np.zeros((d, d), np.float32)
        first = 0
        while first < n:  # columns of one side, between the same two knots
            below = knot[abs(position[first] - position[i])]
            above = min(below + 1, n_knots - 1)
            upstream = first > i  # row i is
            stop = n if upstream else i + 1
            last = first
            while (
                last < stop
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
            if barrier[below] != 0 or barrier[above] != 0:
                for t in range(size_j):
                    j = first + t
                    met = passed[j] - passed[i + 1] if upstream else passed[i] - passed[j + 1]
                    height = barrier[below] + (barrier[above] - barrier[below]) * share[t]
                    log_rate[t] -= height * met
            side = 0 if upstream else 1
            for k in range(d):
                low, high, r = SR[side, below, k], SR[side, above, k], R[i, k]
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


def n_products(d, oriented):
    """Number of features of a pair: those that S's entries are multiplied with, and a 1."""
    return (d * d if oriented else d * (d + 1) // 2) + 1


def drawn_products(i, j, R, root, noise, scale, out):
    """Features of pairs of rows, each row drawn anew from its posterior.

    Those whose product with the entries of S is R_i' S R_j: of the upper triangle of S's symmetric
    part and, in the longer form, of that of its antisymmetric part (without the diagonal), each in
    the order of `numpy.triu_indices`; then a 1.

    Parameters
    ----------
    i, j : ndarray, (pairs,), int64
        Upstream and downstream.
    R : ndarray, (n, d), float32
        Means of the rows.
    root : ndarray, (n, d, d), float32
        Upper triangular; root root' is the covariance of a row.
    noise : ndarray, (pairs, 2, d), float32
        Standard normal, for the row of i and that of j.
    scale : ndarray, (pairs,), float32
        What all features of a pair are multiplied by.
    out : ndarray, (d (d + 1) / 2 + 1, pairs) or (d^2 + 1, pairs), float32
        Written.
    """
    args, n_chunks = (i, j, R, root, noise, scale, out), -(-len(i) // CHUNK)
    share(lambda lo, hi: some_products(lo, hi, *args), n_chunks, n_threads(), pieces=1)


@compiled(nogil=True, fastmath=True)
def some_products(lo, hi, i, j, R, root, noise, scale, out):
    """Chunks lo … hi - 1 of `drawn_products`."""
    n_pairs, d = len(i), R.shape[1]
    x, y = np.empty((d, CHUNK), np.float32), np.empty((d, CHUNK), np.float32)
    for first in range(lo * CHUNK, min(hi * CHUNK, n_pairs), CHUNK):
        last = min(first + CHUNK, n_pairs)
        for p in range(first, last):
            up, down = i[p], j[p]
            for a in range(d):
                left, right = R[up, a], R[down, a]
                for b in range(a, d):
                    left += root[up, a, b] * noise[p, 0, b]
                    right += root[down, a, b] * noise[p, 1, b]
                x[a, p - first], y[a, p - first] = scale[p] * left, right
        width, at = last - first, 0
        for a in range(d):
            for t in range(width):
                out[at, first + t] = x[a, t] * y[a, t]
            at += 1
            for b in range(a + 1, d):
                for t in range(width):
                    out[at, first + t] = x[a, t] * y[b, t] + x[b, t] * y[a, t]
                at += 1
        if len(out) > at + 1:
            for a in range(d):
                for b in range(a + 1, d):
                    for t in range(width):
                        out[at, first + t] = x[a, t] * y[b, t] - x[b, t] * y[a, t]
                    at += 1
        out[at, first:last] = scale[first:last]


@compiled()
def fill_symmetric(i, j, count, at, indices, counts):
    """Enter pixels into a symmetric CSR matrix; called chunk by chunk in the order of the pixels.

    Parameters
    ----------
    i, j : ndarray, (pixels,), int
        i <= j; over all chunks sorted by i, then j, so that the columns of a row are ascending.
    count : ndarray, (pixels,)
    at : ndarray, (n,), int
        Where the next entry of each row goes; moved on.
    indices, counts : ndarray, int32 and float32
        Written.
    """
    for p in range(len(i)):
        a, b = i[p], j[p]
        indices[at[b]], counts[at[b]] = a, count[p]
        at[b] += 1
        if a == b:  # the matrix and its transpose are summed
            counts[at[b] - 1] *= 2
        else:
            indices[at[a]], counts[at[a]] = b, count[p]
            at[a] += 1


@compiled()
def counts_of(i, j, indptr, indices, counts, out):
    """Contacts of some pairs, by bisection of each row's columns.

    Parameters
    ----------
    i, j : ndarray, (pairs,), int64
    indptr, indices, counts : ndarray
        CSR matrix, columns of a row ascending.
    out : ndarray, (pairs,), float32
        Written.
    """
    for p in range(len(i)):
        first, last = indptr[i[p]], indptr[i[p] + 1]
        at = first + np.searchsorted(indices[first:last], j[p])
        out[p] = counts[at] if at < last and indices[at] == j[p] else 0


@compiled(fastmath=True)
def near_pairs(
    R, SR, offset, barrier, passed, knot, between, position, indptr, indices, counts,
    log_exposure, log_expected, region, dispersion, score, weight,
):  # fmt: skip
    """Score and Fisher weight of the pairs near the diagonal, where barriers act.

    Parameters
    ----------
    R, SR, offset, … dispersion
        As in `newton_rows`.
    score, weight : ndarray, (n, reach), float32
        Written: (count - mu) / (1 + phi mu) and mu / (1 + phi mu) of the rows i and i + 1 + t; 0
        beyond the last row, and where their bins lie more than `reach` apart.
    """
    _, n_knots, d, n = SR.shape
    reach = score.shape[1]
    score[:] = 0
    weight[:] = 0
    row = np.zeros(n, np.float32)
    for i in range(n):
        for at in range(indptr[i], indptr[i + 1]):
            row[indices[at]] = counts[at]
        j = i + 1
        while j < n and position[j] - position[i] <= reach:
            dist = position[j] - position[i]
            below, share = knot[dist], between[dist]
            above = min(below + 1, n_knots - 1)
            height = barrier[below] + (barrier[above] - barrier[below]) * share
            log_rate = (
                log_exposure[i] + log_exposure[j] + log_expected[region[i], region[j], dist]
                + offset[below] + (offset[above] - offset[below]) * share
                - height * (passed[j] - passed[i + 1])
            )  # fmt: skip
            for k in range(d):
                low, high = SR[0, below, k, j], SR[0, above, k, j]
                log_rate += R[i, k] * (low + (high - low) * share)
            rate = np.exp(min(log_rate, np.float32(LARGEST_LOG_RATE)))
            scale = np.float32(1) / (np.float32(1) + dispersion * rate)
            score[i, j - i - 1] = (row[j] - rate) * scale
            weight[i, j - i - 1] = rate * scale
            j += 1
        for at in range(indptr[i], indptr[i + 1]):
            row[indices[at]] = 0


@compiled()
def sum_across(near, out):
    """Sum of a value of near pairs over the pairs (i, j) with i < k < j, for every row k.

    Parameters
    ----------
    near : ndarray, (n, reach)
        `near[i, t]` belongs to the rows i and i + 1 + t; 0 beyond the last row.
    out : ndarray, (n,), float64
        Written.
    """
    n, reach = near.shape
    out[:] = 0
    for i in range(n):
        for t in range(min(reach, n - 1 - i)):
            if i + 1 < n:
                out[i + 1] += near[i, t]
            out[i + 1 + t] -= near[i, t]
    total = 0.0
    for k in range(n):
        total += out[k]
        out[k] = total


@compiled()
def apply_information(v, information, out):
    """Fisher information of barriers times a vector: J' W J v with (J v)_ij = sum over i < k < j.

    Parameters
    ----------
    v : ndarray, (n,), float64
    information : ndarray, (n, reach), float32
        W of the rows i and i + 1 + t, the square of a barrier's height at that distance in it.
    out : ndarray, (n,), float64
        Written.
    """
    n, reach = information.shape
    passed = np.zeros(n + 1)
    for k in range(n):
        passed[k + 1] = passed[k] + v[k]
    out[:] = 0
    for i in range(n):
        ahead = 0.0
        for t in range(min(reach, n - 1 - i)):
            push = information[i, t] * (passed[i + 1 + t] - passed[i + 1])
            ahead += push
            out[i + 1 + t] -= push
        if i + 1 < n:
            out[i + 1] += ahead
    total = 0.0
    for k in range(n):
        total += out[k]
        out[k] = total
