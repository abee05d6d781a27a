"""What the CPU's code works on: scratch of one thread, and weights packed in its order.

Inside, the 4H gate rows are in unit-major order (row 4k + gate of unit k), padded to an even number
of units where the recurrent projection is computed eight rows at a time. A row of a scratch array
is one vector; the columns of the slabs `q`, `c` and `col` are contiguous.
"""

import math
from typing import NamedTuple

import numpy as np

from chromloom.kernels.cache import compiled
from chromloom.kernels.simd import LANES

ROWS = 64
LOG2E = math.log2(math.e)


def slab_width(n_steps):
    """Columns that a block's lanes read, and room for a vector on either side, in whole vectors."""
    return (ROWS + n_steps - 1) // LANES * LANES + 3 * LANES


class Scratch(NamedTuple):
    """Arrays of one thread, each row of them one vector; by step where the forward is kept."""

    p: np.ndarray  # projection of the rows, (4H)
    a: np.ndarray  # (D)
    row: np.ndarray  # 1 = row is ok
    q: np.ndarray  # (4H, columns), as are c (D, columns) and col
    c: np.ndarray
    col: np.ndarray
    hs: np.ndarray  # states before each step and after the last, (steps + 1, H)
    cs: np.ndarray
    ss: np.ndarray  # softsign of the cell, (steps, H)
    gs: np.ndarray  # gates, then their gradients, (steps, 4H)
    xs: np.ndarray  # of one step: input and recurrent projections, (4H)
    us: np.ndarray
    ms: np.ndarray  # scales of x, u, cell and the cell's mean, (steps, 4)
    ys: np.ndarray  # outputs, then their gradients, (steps)
    p_grad: np.ndarray
    a_grad: np.ndarray
    acc: np.ndarray  # gradients of gain and shift of the gates, (2, 4H)
    acc_unit: np.ndarray  # those of gain and shift of the cell, of w and of the bias, (3H + 1)
    u_acc: np.ndarray  # sums of products with h, (4H + H, H)
    dh: np.ndarray
    dc: np.ndarray


def make_scratch(hidden, depth, n_steps, keep, dtype):
    """Scratch of one thread; `keep` for the backward, which needs the forward of every step."""
    H4, H2, slab = 4 * hidden, hidden + hidden % 2, slab_width(n_steps) // LANES
    slots, kept, back = (n_steps + 1, n_steps, 1) if keep else (2, 1, 0)
    rows = {
        **{"p": H4, "a": depth, "row": 1, "q": H4 * slab, "c": depth * slab, "col": slab},
        **{"hs": slots * hidden, "cs": slots * hidden, "ss": kept * H2, "gs": kept * H4},
        **{"xs": H4, "us": 4 * H2, "ms": kept * 4, "ys": n_steps},
        **{"p_grad": back * H4, "a_grad": back * depth},
        **{"acc": back * 2 * H4, "acc_unit": back * (3 * hidden + 1)},
        **{"u_acc": back * (H4 + H2) * hidden, "dh": back * hidden, "dc": back * hidden},
    }
    memory = np.zeros(sum(rows.values()) * LANES + 64, dtype)
    start = -memory.ctypes.data % 64 // memory.itemsize
    ends = start + LANES * np.cumsum((0, *rows.values()))
    return Scratch(**{name: memory[a:b] for name, a, b in zip(rows, ends, ends[1:])})


@compiled(nogil=True, error_model="numpy")
def _pack(norm_x, norm_u, values, packed):
    """Fill `packed`, zero before, from `values`, where absent vectors are empty."""
    U, b, gains_x, shift_x, gains_u, shift_u, gains_c, shifts_c, w, bias = values
    rows, columns, gram, gain_x2, gain_u2, shift2, gain_x, gain_c, shift_c, head = packed
    H = w.size
    H4 = 4 * H
    for unit in range(H):
        mean = w[0] * 0
        if norm_u:
            for row in range(H4):
                mean += U[row, unit]
            mean /= H4
        block = unit // 8 * H4 * 8 + unit % 8
        for k in range(H4):
            row = k % 4 * H + k // 4
            value = U[row, unit] - mean
            rows[(k // 8 * H + unit) * 8 + k % 8] = value
            columns[block + k * 8] = value * gains_u[row] if norm_u else value
    for m in range(H):
        for unit in range(H):
            total = w[0] * 0
            for k in range(H4):
                at = k // 8 * H * 8 + k % 8
                total += rows[at + m * 8] * rows[at + unit * 8]
            gram[(unit // 8 * H + m) * 8 + unit % 8] = total
    for k in range(H4):
        row = k % 4 * H + k // 4
        exponent = 1 if k % 4 == 2 else -LOG2E
        gain_x[k] = gains_x[row] if norm_x else 1
        gain_x2[k] = gain_x[k] * exponent
        gain_u2[k] = (gains_u[row] if norm_u else 1) * exponent
        total = b[row]
        if norm_x:
            total += shift_x[row]
        if norm_u:
            total += shift_u[row]
        shift2[k] = total * exponent
    for unit in range(H):
        gain_c[unit] = gains_c[unit] if gains_c.size else 1
        shift_c[unit] = shifts_c[unit] if gains_c.size else 0
        head[unit] = w[unit]
    head[H] = bias[0]


def pack_weights(spec, *weights):
    """Weights (numpy, None where a norm is off) in the order and scale of the kernels.

    Returns
    -------
    tuple of flat arrays
        U centred, (blocks of 8 rows, l, 8); its rows times their gains, (blocks of 8 l, row, 8);
        its Gram matrix U'U, (blocks of 8 l, m, 8); gains and shifts of the gates times -log2 e
        (candidate: as they are); gains of the input as they are; those of the cell; w and bias.
    """
    H, dtype = spec.hidden, weights[0].dtype
    H8, H4p = (H + 7) // 8 * 8, 4 * (H + H % 2)
    sizes = (H4p * H, 4 * H * H8, H * H8, 4 * H, H4p, 4 * H, 4 * H, H, H, H + 1)
    packed = tuple(np.zeros(size, dtype) for size in sizes)
    none = np.empty(0, dtype)
    values = tuple(none if part is None else np.atleast_1d(part) for part in weights)
    _pack(spec.norm_input, spec.norm_recurrent, values, packed)
    return packed
