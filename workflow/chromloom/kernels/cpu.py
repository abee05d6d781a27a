"""The recurrence on the CPU: numba code over numpy arrays, compiled once and cached on disk.

Consecutive rows sit side by side in one vector: lane b of step t reads column b + t, so every load
of a transposed slab of Q is contiguous. A *group* is `LANES` rows, a *block* is `ROWS` rows, the
unit of work and of summation: what a block computes never depends on the number of threads, and
blocks are added in their order, so results are the same bits for any number of threads (they may
differ between machines of different vector width). One compiled kernel per dtype serves every size.

Layer norm: P, Q and U are centred beforehand, so that only the variance is left to compute. The
exponentials are powers of two (the factor log2 e sits in the packed weights), and the sigmoids of
one unit share a reciprocal.

Here tiles become blocks, shared among threads; what a block computes is in `forward`, `backward`
and `loss`, over the vectors of `simd` and the arrays of `layout`.
"""

import threading

import numpy as np

from chromloom.kernels.backward import backward_blocks, reduce_slabs, unpack_weight_grad
from chromloom.kernels.forward import forward_blocks
from chromloom.kernels.layout import ROWS, make_scratch, slab_width
from chromloom.kernels.threads import share

WORTH_SHARING = 200_000
"""Numbers to add up, below which waking another thread takes as long as it would save."""
_local = threading.local()


def _scratch(*key):
    """This thread's scratch; only the last two sizes are kept."""
    kept = _local.__dict__.setdefault("kept", {})
    if key not in kept:
        if len(kept) > 1:
            kept.pop(next(iter(kept)))
        kept[key] = make_scratch(*key)
    return kept[key]


def _dims(spec, A, n_steps):
    flags = (spec.reverse, spec.norm_input, spec.norm_recurrent, spec.norm_cell)
    return (spec.hidden, A.shape[1], n_steps), flags


def tile_blocks(n_rows, n_steps):
    """Blocks of a tile: (lane, n_lanes, row, column, n_steps, edit) each."""
    start = np.arange(0, n_rows, ROWS)
    blocks = np.empty((len(start), 6), np.int64)
    blocks[:, [0, 2, 3]] = start[:, None]
    blocks[:, 1] = np.minimum(ROWS, n_rows - start)
    blocks[:, 4:] = n_steps, -1
    return blocks


def forward(spec, weights, blocks, inputs, ok, *, n_lanes, n_steps, n_threads, **options):
    """Outputs y (n_steps, n_lanes) of blocks, hidden states, and the last state.

    `weights` from `pack_weights`; inputs = P, Q, A, C (A and C of no columns where there are none);
    ok = row_ok, col_ok. Options: `state` (h, c), `return_hidden`, `return_state`, and `edits` =
    bin, P, Q, A, C: what replaces the bin in both its roles.
    """
    P, _, A, _ = inputs
    dims, flags = _dims(spec, A, n_steps)
    H, dtype = spec.hidden, P.dtype
    edit_bin, *edits = options.get("edits") or (np.empty(0, np.int64), *inputs)
    y = np.empty((n_steps, n_lanes), dtype)
    hidden = np.empty((n_steps, H, n_lanes) if options.get("return_hidden") else (0, 0, 0), dtype)
    last = np.empty((2, n_lanes, H) if options.get("return_state") else (2, 0, 0), dtype)
    first = options.get("state") or np.empty((2, 0, 0), dtype)

    def work(lo, hi):
        scratch = _scratch(H, dims[1], n_steps, False, dtype)
        states = (*first, *last)
        forward_blocks(
            *(lo, hi, blocks, dims, flags, spec.eps, weights, scratch, inputs, ok),
            *(edit_bin, tuple(edits), states, y, hidden),
        )

    share(work, len(blocks), n_threads)
    return y, hidden, last


def backward(spec, weights, inputs, ok, *, n_steps, n_threads, state=None, loss=None, grads=None):
    """Gradients of a tile: of a `Loss` of arrays, or given those of the outputs.

    Parameters
    ----------
    grads : (y, hidden, h, c)
        Gradients of what `forward` returned; empty arrays for zero.

    Returns
    -------
    loss : float
    grads : dict of arrays P, Q, A, C, h, c
    of_weights : tuple, see `unpack_weight_grad`
    """
    P, Q, A, C = inputs
    dims, flags = _dims(spec, A, n_steps)
    (H, D, _), dtype, B = dims, P.dtype, len(P)
    n_blocks = -(-B // ROWS)
    none = np.empty((0, 0), dtype)
    first = state or (none, none)
    targets: tuple[np.ndarray, ...] = (np.empty((0, 0), np.uint16), none, none, none)
    settings = (0, False)
    dist_weight, offset_grad = none[0:0].ravel(), none
    grads = grads or (none, none.reshape(0, 0, 0), none, none)
    if loss is not None:
        kind = {"float16": 2, "uint16": 3}.get(loss.target.dtype.name, 1)
        codes = loss.target.view(np.uint16) if kind > 1 else targets[0]
        values = none if kind > 1 else loss.target.astype(dtype, copy=False)
        more = (none if part is None else part for part in (loss.exposure, loss.offset))
        targets, settings = (codes, values, *more), (kind, loss.sigmoid)
        dist_weight = loss.dist_weight
        if loss.offset is not None:
            offset_grad = np.zeros_like(loss.offset)
    slab = slab_width(n_steps)
    slabs = np.empty((n_blocks, 4 * H * slab), dtype), np.empty((n_blocks, D * slab), dtype)
    weight_grads = np.empty((n_blocks, 5 * H * H + 11 * H + 1), dtype)
    losses = np.empty(n_blocks)
    state_shape = (B, H) if state else (0, 0)
    out = {
        **{"P": np.empty_like(P), "A": np.empty_like(A)},
        **{"h": np.empty(state_shape, dtype), "c": np.empty(state_shape, dtype)},
        **{"Q": np.empty_like(Q), "C": np.empty_like(C)},
    }

    def work(lo, hi):
        scratch = _scratch(H, D, n_steps, True, dtype)
        rows_out = (out["P"], out["A"], out["h"], out["c"])
        backward_blocks(
            *(lo, hi, B, dims, flags, spec.eps, weights, scratch, inputs, ok, first),
            *(targets, dist_weight, settings, grads, offset_grad, rows_out),
            *(slabs, weight_grads, losses),
        )

    def reduce(lo, hi):
        reduce_slabs(lo, hi, slabs[0], 4, spec.norm_input, out["Q"])
        reduce_slabs(lo, hi, slabs[1], 1, False, out["C"])

    share(work, n_blocks, n_threads)
    worth = slabs[0].size > WORTH_SHARING
    share(reduce, len(Q), n_threads if worth else 1, pieces=1)
    if loss is not None and loss.offset is not None:
        out["offset"] = offset_grad
    return losses.sum(), out, unpack_weight_grad(spec, weights, weight_grads)
