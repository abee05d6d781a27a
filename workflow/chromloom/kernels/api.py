"""The functions that models call; they choose the backend and say so in the log."""

import functools
import importlib.util
import logging

import torch

from chromloom.errors import InputError
from chromloom.kernels import autograd, reference
from chromloom.kernels.spec import Edits, Inputs, Lanes, Spec, Weights

logger = logging.getLogger(__name__)
BACKENDS = ("auto", "reference", "cpu", "gpu")


@functools.cache
def _automatic(device_type, dtype):
    """The backend for tensors of a device and dtype; logged the first time."""
    fused = {"cpu": ("cpu", "numba"), "cuda": ("gpu", "triton")}.get(device_type)
    if dtype == torch.float64 and device_type != "cpu":
        fused = None
    if fused is not None and importlib.util.find_spec(fused[1]):
        logger.info("kernels on %s: %s backend (%s)", device_type, *fused)
        return fused[0]
    logger.warning(
        "kernels on %s, %s: plain torch, slow; there is no fused backend", device_type, dtype
    )
    return "reference"


def choose_backend(backend, tensor):
    """Name of the backend that computes on `tensor` when `backend` is asked for."""
    if backend not in BACKENDS:
        raise InputError(f"backend {backend!r} is not one of {', '.join(BACKENDS)}")
    return _automatic(tensor.device.type, tensor.dtype) if backend == "auto" else backend


def _function(name, backend, tensor):
    """The function of that name of the chosen backend."""
    chosen = choose_backend(backend, tensor)
    if chosen == "reference":
        return getattr(reference, name)
    function = getattr(autograd, name)
    if chosen == "cpu":
        return function
    from chromloom.kernels import gpu

    return functools.partial(function, backend=gpu)


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
    backend="auto",
):
    """Raw outputs of a tile, differentiable in P, Q, A, C, the state and the weights.

    Parameters
    ----------
    P, Q : Tensor, (B, 4H) and (B + L - 1, 4H)
        Row and column parts of the input projection, R W_row^T and R W_col^T.
    row_ok, col_ok : Tensor, (B,) and (B + L - 1,), bool
        False = masked, or beyond the chromosome.
    A, C : Tensor, (B, D) and (B + L - 1, D), optional
        Bilinear term A_i . C_j.
    state : (h, c), each (B, H), optional
        Where every lane starts; zero by default.
    return_hidden
        Also return the hidden state after every step, (L, H, B): lanes last, so that
        `hidden.reshape(L * H, B)` is what a linear head over the whole frame multiplies.
    return_state
        Also return the final state (h, c), each (B, H), to carry into the next frame.
    backend : {"auto", "reference", "cpu", "gpu"}

    Returns
    -------
    y : Tensor, (L, B), or a tuple (y[, hidden][, state])
        0 where the pair is masked.
    """
    return _function("tile_forward", backend, P)(
        P,
        Q,
        weights,
        spec,
        row_ok,
        col_ok,
        A=A,
        C=C,
        state=state,
        return_hidden=return_hidden,
        return_state=return_state,
    )


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
    exposure=None,
    offset=None,
    backend="auto",
):
    """Sum over known pairs of dist_weight * (out - target)^2, forward and backward in one pass.

    With an exposure, the sum of dist_weight * exposure * (exp(out) - target * out): minus the log
    likelihood, up to a constant, of Poisson counts exposure * target whose mean is
    exposure * exp(out), where exp(out) is cut at exp(15).

    Parameters
    ----------
    target : Tensor, (L, B), float16, float32, float64 or uint16
        Band layout. NaN or infinite, or 0xFFFF = not in the loss; a uint16 t means t / 65534.
    dist_weight : Tensor, (L,)
        Weight of each distance; no gradient.
    sigmoid
        Whether out is the sigmoid of the raw output; not with an exposure.
    exposure : Tensor, (L, B), optional
        Count expected of each pair; no gradient.
    offset : Tensor, (L, B), optional
        Added to the raw outputs.

    Returns
    -------
    loss : Tensor, ()
    """
    return _function("tile_loss", backend, P)(
        P,
        Q,
        weights,
        spec,
        row_ok,
        col_ok,
        target,
        dist_weight,
        A=A,
        C=C,
        sigmoid=sigmoid,
        exposure=exposure,
        offset=offset,
    )


def tile_gradients(P, Q, weights: Weights, spec: Spec, row_ok, col_ok, target, dist_weight, *,
                   backend="auto", **options) -> tuple[torch.Tensor, Inputs, Weights]:  # fmt: skip
    """The loss of `tile_loss` and its gradients, without a graph: for training, where that counts.

    Parameters
    ----------
    As of `tile_loss`.

    Returns
    -------
    loss : Tensor, ()
    of_inputs : Inputs
    of_weights : Weights
        None for what is not there.
    """
    function = _function("tile_gradients", backend, P)
    return function(P, Q, weights, spec, row_ok, col_ok, target, dist_weight, **options)


@torch.no_grad()
def lanes_forward(
    P,
    Q,
    weights: Weights,
    spec: Spec,
    lanes: Lanes,
    row_ok,
    col_ok,
    *,
    A=None,
    C=None,
    edits: Edits | None = None,
    backend="auto",
):
    """Raw outputs of any set of lanes of one chromosome of n bins, each with its own point edit.

    What perturbation needs: a point edit changes only the frames that contain the bin, see
    `lanes_of_bins`. No gradients.

    Parameters
    ----------
    P, Q : Tensor, (n, 4H)
        Row and column parts of the input projection of all bins.
    row_ok, col_ok : Tensor, (n,), bool
    A, C : Tensor, (n, D), optional
    edits
        What replaces the vectors of the edited bins.

    Returns
    -------
    y : Tensor, (longest length, N)
        0 where the pair is masked, beyond the chromosome or beyond the lane's length.
    """
    module = reference if choose_backend(backend, P) != "cpu" else autograd
    return module.lanes_forward(P, Q, weights, spec, lanes, row_ok, col_ok, A=A, C=C, edits=edits)


def lanes_of_bins(bins, n_bins, *, reach, frame) -> Lanes:
    """The frames that a point edit of each bin changes: forward reading, state zero at the start.

    Parameters
    ----------
    bins : Tensor, (E,), int64
        Edited bins; lanes carry their number as `edits`.
    n_bins : int
        Bins of the chromosome.
    reach : int
        Distances below this are wanted (bins); a frame is cut there.
    frame : int
        Bins of a frame.

    Returns
    -------
    Lanes
        For each bin: all rows whose frame reads it as a column, and all frames of its own row.
    """
    parts = []
    for d0 in range(0, reach, frame):
        length = min(frame, reach - d0)
        back = torch.arange(d0 + length - 1, d0 - 1, -1)  # distances at which the bin is read
        if d0:
            back = torch.cat([back, torch.zeros(1, dtype=back.dtype)])  # its own row
        rows = bins[:, None] - back  # (E, length or length + 1)
        number = torch.arange(len(bins))[:, None].expand_as(rows)
        keep = (rows >= 0) & (rows + d0 < n_bins)
        rows, number = rows[keep], number[keep]
        parts.append(Lanes(rows, rows + d0, torch.full_like(rows, length), number))
    return Lanes(*(torch.cat(columns) for columns in zip(*parts)))
