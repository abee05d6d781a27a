"""The fused kernels as torch functions: what a backend computes, with its gradients.

A backend offers `forward(spec, weights, P, Q, A, C, row_ok, col_ok, state, wanted)`, which returns
y, hidden, h and c, and `backward(…, state, loss=Loss or None, grads=those of what forward returned,
None for zero)`, which returns the loss, gradients by name (`offset` where there is one) and those
of the weights. `gpu.py` is one; the other, here, brings tensors to the numpy code of `cpu.py`.
"""

import functools
import types

import numpy as np
import torch

from chromloom.kernels.spec import Inputs, Lanes, Loss, Spec, Weights
from chromloom.kernels.threads import n_threads


class Forward(torch.autograd.Function):
    """`tile_forward`; the backward runs the forward again, so that little is kept."""

    @staticmethod
    def forward(ctx, backend, spec, wanted, row_ok, col_ok, P, Q, A, C, h, c, *weights):
        ctx.backend, ctx.spec = backend, spec
        ctx.save_for_backward(row_ok, col_ok, P, Q, A, C, h, c, *weights)
        ctx.set_materialize_grads(False)
        state = None if h is None else (h, c)
        return backend.forward(spec, Weights(*weights), P, Q, A, C, row_ok, col_ok, state, wanted)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, *grads):
        row_ok, col_ok, P, Q, A, C, h, c, *weights = ctx.saved_tensors
        state = None if h is None else (h, c)
        _, out, of_weights = ctx.backend.backward(
            ctx.spec, Weights(*weights), P, Q, A, C, row_ok, col_ok, state, grads=grads
        )
        terms = (None, None) if A is None else (out["A"], out["C"])
        states = (None, None) if h is None else (out["h"], out["c"])
        return (*(None,) * 5, out["P"], out["Q"], *terms, *states, *of_weights)


class TileLoss(torch.autograd.Function):
    """`tile_loss`; all gradients are computed with the loss."""

    @staticmethod
    def forward(ctx, backend, spec, loss, row_ok, col_ok, P, Q, A, C, offset, *weights):
        loss = loss._replace(offset=offset)
        value, of_inputs, of_weights = _gradients(
            backend, spec, loss, row_ok, col_ok, P, Q, A, C, Weights(*weights)
        )
        ctx.grads = (*of_inputs, *of_weights)
        return value

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad):
        return (*(None,) * 5, *(None if part is None else part * grad for part in ctx.grads))


def _gradients(backend, spec, loss, row_ok, col_ok, P, Q, A, C, weights):
    """A loss and its gradients by `Inputs` and by `Weights`."""
    value, out, of_weights = backend.backward(
        spec, weights, P, Q, A, C, row_ok, col_ok, None, loss=loss
    )
    of_inputs = Inputs(out["P"], out["Q"], offset=out.get("offset"))
    if A is not None:
        of_inputs = of_inputs._replace(A=out["A"], C=out["C"])
    return value, of_inputs, Weights(*of_weights)


def tile_forward(
    P,
    Q,
    weights: Weights,
    spec: Spec,
    row_ok,
    col_ok,
    *,
    A=None,
    C=None,
    state=None,
    return_hidden=False,
    return_state=False,
    backend=None,
):
    """`chromloom.kernels.tile_forward` by a fused backend, the CPU's by default."""
    wanted = (return_hidden, return_state)
    h, c = state or (None, None)
    y, hidden, h_last, c_last = Forward.apply(
        backend or cpu_backend(), spec, wanted, row_ok, col_ok, P, Q, A, C, h, c, *weights
    )
    result = (
        y,
        *((hidden,) if return_hidden else ()),
        *(((h_last, c_last),) if return_state else ()),
    )
    return result if len(result) > 1 else y


def _loss(P, target, dist_weight, sigmoid=False, exposure=None, offset=None):
    dist_weight, exposure, offset = (
        None if part is None else part.to(P.dtype).contiguous()
        for part in (dist_weight, exposure, offset)
    )
    return Loss(target, dist_weight, sigmoid, exposure, offset)


def tile_loss(
    P, Q, weights: Weights, spec: Spec, row_ok, col_ok, target, dist_weight, *,
    A=None, C=None, backend=None, **options,
):  # fmt: skip
    """`chromloom.kernels.tile_loss` by a fused backend, the CPU's by default."""
    loss = _loss(P, target, dist_weight, **options)
    return TileLoss.apply(
        backend or cpu_backend(), spec, loss, row_ok, col_ok, P, Q, A, C, loss.offset, *weights
    )


@torch.no_grad()
def tile_gradients(
    P, Q, weights: Weights, spec: Spec, row_ok, col_ok, target, dist_weight, *,
    A=None, C=None, backend=None, **options,
):  # fmt: skip
    """`chromloom.kernels.tile_gradients` by a fused backend, the CPU's by default."""
    loss = _loss(P, target, dist_weight, **options)
    return _gradients(backend or cpu_backend(), spec, loss, row_ok, col_ok, P, Q, A, C, weights)


# --- the CPU's backend ----------------------------------------------------------------------------


@functools.cache
def cpu_backend():
    """The numba code as a backend; imported when it is first used."""
    return types.SimpleNamespace(forward=_cpu_forward, backward=_cpu_backward)


@functools.cache
def _cpu():
    from chromloom.kernels import cpu

    return cpu


def _array(tensor):
    return None if tensor is None else tensor.detach().contiguous().numpy()


def _prepare(spec, weights, P, Q, A, C, row_ok, col_ok):
    """Packed weights, inputs and masks as the numba code takes them."""
    from chromloom.kernels.layout import pack_weights

    P, Q, A, C = map(_array, (P, Q, A, C))
    if A is None:
        A, C = P[:, :0], Q[:, :0]
    inputs = tuple(np.ascontiguousarray(part) for part in (P, Q, A, C))
    packed = pack_weights(spec, *map(_array, weights))
    return packed, inputs, (_array(row_ok), _array(col_ok))


def _cpu_forward(spec, weights, P, Q, A, C, row_ok, col_ok, state, wanted):
    cpu = _cpu()
    packed, inputs, ok = _prepare(spec, weights, P, Q, A, C, row_ok, col_ok)
    n_steps = len(Q) - len(P) + 1
    y, hidden, last = cpu.forward(
        spec,
        packed,
        cpu.tile_blocks(len(P), n_steps),
        inputs,
        ok,
        n_lanes=len(P),
        n_steps=n_steps,
        n_threads=n_threads(),
        state=None if state is None else tuple(map(_array, state)),
        return_hidden=wanted[0],
        return_state=wanted[1],
    )
    return tuple(map(torch.from_numpy, (y, hidden, *last)))


def _cpu_backward(spec, weights, P, Q, A, C, row_ok, col_ok, state, *, loss=None, grads=None):
    cpu = _cpu()
    packed, inputs, ok = _prepare(spec, weights, P, Q, A, C, row_ok, col_ok)
    n_steps = len(Q) - len(P) + 1
    if loss is not None:
        numbers = (loss.target, loss.dist_weight, loss.exposure, loss.offset)
        target, dist_weight, exposure, offset = map(_array, numbers)
        loss = Loss(target, dist_weight, loss.sigmoid, exposure, offset)
    else:
        empty = ((n_steps, len(P)), (0, 0, 0), (0, 0), (0, 0))
        grads = tuple(
            _array(P.new_zeros(shape) if grad is None else grad)
            for grad, shape in zip(grads, empty)
        )
    value, out, of_weights = cpu.backward(
        spec,
        packed,
        inputs,
        ok,
        n_steps=n_steps,
        n_threads=n_threads(),
        state=None if state is None else tuple(map(_array, state)),
        loss=loss,
        grads=grads,
    )
    of_weights = tuple(None if grad is None else torch.from_numpy(grad) for grad in of_weights)
    out = {name: torch.from_numpy(grad) for name, grad in out.items()}
    return torch.tensor(value, dtype=P.dtype), out, of_weights


def _lane_blocks(lanes, rows_of_block):
    """Blocks of runs of lanes that can go side by side; see `cpu.forward_blocks`."""
    rows, starts, lengths, edits = map(_array, lanes)
    follows = (np.diff(rows) == 1) & (np.diff(starts) == 1)
    follows &= (np.diff(lengths) == 0) & (np.diff(edits) == 0)
    first = np.flatnonzero(np.append(True, ~follows))
    size = np.diff(np.append(first, len(rows)))
    pieces = -(-size // rows_of_block)
    nth = np.arange(pieces.sum()) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    lane = np.repeat(first, pieces) + nth * rows_of_block
    n_lanes = np.minimum(np.repeat(size, pieces) - nth * rows_of_block, rows_of_block)
    columns = (lane, n_lanes, rows[lane], starts[lane], lengths[lane], edits[lane])
    return np.stack(columns, axis=1)


def lanes_forward(
    P, Q, weights: Weights, spec: Spec, lanes: Lanes, row_ok, col_ok, *, A=None, C=None, edits=None
):
    """`chromloom.kernels.lanes_forward` on the CPU."""
    n_lanes = len(lanes.rows)
    if not n_lanes:
        return P.new_zeros(0, 0)
    n_steps = int(lanes.lengths.max())
    packed, inputs, ok = _prepare(spec, weights, P, Q, A, C, row_ok, col_ok)
    if edits is not None:
        bins, *values = map(_array, edits)
        values = [values[0][:, :0] if value is None else value for value in values]
        edits = tuple(np.ascontiguousarray(part) for part in (bins, *values))
    y, _, _ = _cpu().forward(
        spec,
        packed,
        _lane_blocks(lanes, _cpu().ROWS),
        inputs,
        ok,
        n_lanes=n_lanes,
        n_steps=n_steps,
        n_threads=n_threads(),
        edits=edits,
    )
    return torch.from_numpy(y)
