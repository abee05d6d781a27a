"""The fused kernels as torch functions: tensors in, gradients out, for the CPU and the GPU."""

import functools

import numpy as np
import torch

from chromloom.kernels.spec import Lanes, Spec, Weights


@functools.cache
def _cpu():
    from chromloom.kernels import cpu

    return cpu


def _array(tensor):
    return None if tensor is None else tensor.detach().contiguous().numpy()


def _prepare(spec, P, Q, A, C, weights, row_ok, col_ok):
    """Packed weights, inputs and masks as the CPU kernels take them."""
    P, Q, A, C = map(_array, (P, Q, A, C))
    if A is None:
        A, C = P[:, :0], Q[:, :0]
    inputs = tuple(np.ascontiguousarray(part) for part in (P, Q, A, C))
    packed = _cpu().pack_weights(spec, *map(_array, weights))
    return packed, inputs, (_array(row_ok), _array(col_ok))


class Forward(torch.autograd.Function):
    """`tile_forward` on the CPU; the backward runs the forward again and keeps nothing big."""

    @staticmethod
    def forward(ctx, spec, row_ok, col_ok, wanted, P, Q, A, C, h, c, *weights):
        cpu = _cpu()
        packed, inputs, ok = _prepare(spec, P, Q, A, C, weights, row_ok, col_ok)
        n_steps = len(Q) - len(P) + 1
        state = None if h is None else (_array(h), _array(c))
        y, hidden, last = cpu.forward(
            spec,
            packed,
            cpu.tile_blocks(len(P), n_steps),
            inputs,
            ok,
            n_lanes=len(P),
            n_steps=n_steps,
            n_threads=torch.get_num_threads(),
            state=state,
            return_hidden=wanted[0],
            return_state=wanted[1],
        )
        ctx.spec, ctx.wanted = spec, wanted
        ctx.save_for_backward(row_ok, col_ok, P, Q, A, C, h, c, *weights)
        ctx.set_materialize_grads(False)
        return tuple(map(torch.from_numpy, (y, hidden, *last)))

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, *grads):
        row_ok, col_ok, P, Q, A, C, h, c, *weights = ctx.saved_tensors
        spec = ctx.spec
        packed, inputs, ok = _prepare(spec, P, Q, A, C, weights, row_ok, col_ok)
        n_steps = len(Q) - len(P) + 1
        empty = [(0, 0), (0, 0, 0), (0, 0), (0, 0)]
        given = [P.new_zeros(shape) if grad is None else grad for grad, shape in zip(grads, empty)]
        if grads[0] is None:
            given[0] = P.new_zeros(n_steps, len(P))
        _, out = _cpu().backward(
            spec,
            packed,
            inputs,
            ok,
            n_steps=n_steps,
            n_threads=torch.get_num_threads(),
            state=None if h is None else (_array(h), _array(c)),
            grads=tuple(map(_array, given)),
        )
        return (None, None, None, None, *_grads(spec, out, A, h, weights))


def _grads(spec, out, A, h, weights):
    """Gradients in the order of the functions' arguments."""
    tensors = {name: torch.from_numpy(value) for name, value in out.items()}
    of_weights = _cpu().unpack_weight_grad(spec, out["weights"])
    return (
        *(tensors["P"], tensors["Q"]),
        *((None, None) if A is None else (tensors["A"], tensors["C"])),
        *((None, None) if h is None else (tensors["h"], tensors["c"])),
        *(
            None if weight is None or grad is None else torch.as_tensor(grad, dtype=weight.dtype)
            for grad, weight in zip(of_weights, weights)
        ),
    )


class Loss(torch.autograd.Function):
    """`tile_loss` on the CPU; all gradients are computed with the loss."""

    @staticmethod
    def forward(ctx, spec, row_ok, col_ok, target, dist_weight, sigmoid, P, Q, A, C, *weights):
        packed, inputs, ok = _prepare(spec, P, Q, A, C, weights, row_ok, col_ok)
        loss, out = _cpu().backward(
            spec,
            packed,
            inputs,
            ok,
            n_steps=len(target),
            n_threads=torch.get_num_threads(),
            loss=(_array(target), _array(dist_weight.to(P.dtype)), sigmoid),
        )
        P_grad, Q_grad, A_grad, C_grad, _, _, *of_weights = _grads(spec, out, A, None, weights)
        ctx.grads = (P_grad, Q_grad, A_grad, C_grad, *of_weights)
        return torch.tensor(loss, dtype=P.dtype)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad):
        scaled = (None if part is None else part * grad for part in ctx.grads)
        return (None, None, None, None, None, None, *scaled)


def tile_forward(P, Q, weights: Weights, spec: Spec, row_ok, col_ok, **options):
    """`chromloom.kernels.tile_forward` on the CPU."""
    wanted = (options.get("return_hidden", False), options.get("return_state", False))
    h, c = options.get("state") or (None, None)
    y, hidden, h_last, c_last = Forward.apply(
        spec, row_ok, col_ok, wanted, P, Q, options.get("A"), options.get("C"), h, c, *weights
    )
    result = (y, *((hidden,) if wanted[0] else ()), *(((h_last, c_last),) if wanted[1] else ()))
    return result if len(result) > 1 else y


def tile_loss(
    P,
    Q,
    weights: Weights,
    spec: Spec,
    row_ok,
    col_ok,
    target,
    dist_weight,
    *,
    A=None,
    C=None,
    sigmoid=False,
):
    """`chromloom.kernels.tile_loss` on the CPU."""
    return Loss.apply(spec, row_ok, col_ok, target, dist_weight, sigmoid, P, Q, A, C, *weights)


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
    n_steps = int(lanes.lengths.max()) if n_lanes else 0
    if not n_lanes:
        return P.new_zeros(n_steps, 0)
    packed, inputs, ok = _prepare(spec, P, Q, A, C, weights, row_ok, col_ok)
    if edits is not None:
        bins, *values = map(_array, edits)
        edits = (bins, *values[:2], *(v if v is not None else values[0][:, :0] for v in values[2:]))
        edits = tuple(np.ascontiguousarray(part) for part in edits)
    y, _, _ = _cpu().forward(
        spec,
        packed,
        _lane_blocks(lanes, _cpu().ROWS),
        inputs,
        ok,
        n_lanes=n_lanes,
        n_steps=n_steps,
        n_threads=torch.get_num_threads(),
        edits=edits,
    )
    return torch.from_numpy(y)
