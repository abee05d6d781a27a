"""The loss of a group of rows, and its slope by every output."""

import numpy as np

from chromloom.kernels.cache import compiled
from chromloom.kernels.layout import LOG2E
from chromloom.kernels.simd import (
    LANES,
    vabs,
    vbelow,
    vdecode,
    vexp2,
    vfill,
    vload,
    vreciprocal,
    vselect,
    vsplat,
    vstore,
    vsum,
)
from chromloom.kernels.spec import LARGEST_LOG_RATE


@compiled(nogil=True, error_model="numpy")
def _load_lanes(flat, start, n_lanes, tail):
    """A vector of n_lanes numbers, the others as they were in `tail`."""
    if n_lanes == LANES:
        return vload(flat, start)
    tail[:n_lanes] = flat[start : start + n_lanes]
    return vload(tail, 0)


@compiled(nogil=True, error_model="numpy")
def loss_group(
    scratch, first_column, n_read, targets, dist_weight, kind, sigmoid, y_grad, lane, n_lanes
):
    """Loss of one group; `ys` goes from raw outputs to their gradients, also put into `y_grad`.

    Targets are `values` (kind 1), or 16-bit `codes`: float16 (kind 2) or fixed point (kind 3).
    Counts where there is an exposure, else squared errors.
    """
    codes, values, exposure, offset = targets
    row, col, ys = scratch.row, scratch.col, scratch.ys
    W = LANES
    zero, one, two = vfill(ys, 0), vfill(ys, 1), vfill(ys, 2)
    log2e, highest = vfill(ys, LOG2E), vfill(ys, LARGEST_LOG_RATE)
    code_tail, value_tail = np.zeros(W, codes.dtype), np.zeros(W, values.dtype)
    flat_codes, flat_values = codes.reshape(-1), values.reshape(-1)
    flat_exposure, flat_offset = exposure.reshape(-1), offset.reshape(-1)
    flat_grad = y_grad.reshape(-1)
    n_columns = codes.shape[1] if kind > 1 else values.shape[1]
    largest = 3e38
    if kind == 2:
        largest = 65504
    elif kind == 3:
        largest = 1
    total = zero
    for t in range(n_read):
        start = t * n_columns + lane
        if kind == 1:
            target = _load_lanes(flat_values, start, n_lanes, value_tail)
        elif n_lanes == W:
            target = vdecode(ys, flat_codes, start, kind == 3)
        else:
            code_tail[:n_lanes] = flat_codes[start : start + n_lanes]
            target = vdecode(ys, code_tail, 0, kind == 3)
        known = vbelow(vabs(target), largest) * vload(row, 0) * vload(col, first_column + t)
        out, weight = vload(ys, t * W), vsplat(dist_weight, t)
        if offset.size:
            out = out + _load_lanes(flat_offset, start, n_lanes, value_tail)
        if exposure.size:
            weight = weight * _load_lanes(flat_exposure, start, n_lanes, value_tail)
            low = vbelow(out, LARGEST_LOG_RATE)
            rate = vexp2(vselect(low, out, highest) * log2e)
            loss = weight * (rate - target * out)
            slope = weight * (low * rate - target)
        else:
            slope = two
            if sigmoid:
                out = vreciprocal(one + vexp2(zero - out * log2e))
                slope = two * out * (one - out)
            error = out - target
            weight = weight * error
            loss = weight * error
            slope = weight * slope
        total = total + vselect(known, loss, zero)
        slope = vselect(known, slope, zero)
        vstore(ys, t * W, slope)
        if y_grad.size:
            if n_lanes == W:
                vstore(flat_grad, start, slope)
            else:
                flat_grad[start : start + n_lanes] = ys[t * W : t * W + n_lanes]
    return vsum(total)
