"""The recurrence in plain torch: short, obviously right, any float dtype, gradients by autograd.

The oracle of every test of the fused backends and the baseline of the benchmarks. The meaning of
every argument is in `chromloom.kernels`.
"""

import torch
from torch.nn.functional import layer_norm, softsign

from chromloom.kernels.spec import LARGEST_LOG_RATE, UINT16_SCALE, Inputs, Lanes, Spec, Weights


def read_mask(row_ok, col_ok, n_steps):
    """Which (step, lane) reads its column: row_ok[b] and col_ok[b + t]; bool (L, B)."""
    return col_ok.unfold(0, n_steps, 1).T & row_ok


def step(x, h, c, weights, spec):
    """One step of the recurrence: the new h and c, (B, H) each, from x = P_i + Q_j (B, 4H)."""
    H = spec.hidden
    if spec.norm_input:
        x = layer_norm(x, (4 * H,), weights.gain_input, weights.shift_input, spec.eps)
    u = h @ weights.U.T  # (B, 4H)
    if spec.norm_recurrent:
        u = layer_norm(u, (4 * H,), weights.gain_recurrent, weights.shift_recurrent, spec.eps)
    i, f, g, o = (x + u + weights.b).chunk(4, dim=1)  # (B, H) each
    c = torch.sigmoid(f) * c + torch.sigmoid(i) * softsign(g)
    n = c
    if spec.norm_cell:
        n = layer_norm(n, (H,), weights.gain_cell, weights.shift_cell, spec.eps)
    return torch.sigmoid(o) * softsign(n), c


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
):
    """Raw outputs of a tile; see `chromloom.kernels.tile_forward`."""
    B, H = P.shape[0], spec.hidden
    L = Q.shape[0] - B + 1
    h, c = state if state is not None else (P.new_zeros(B, H), P.new_zeros(B, H))
    ok = read_mask(row_ok, col_ok, L)  # (L, B)
    Q = torch.where(col_ok[:, None], Q, 0.0)
    outputs: list[torch.Tensor] = []
    hiddens: list[torch.Tensor] = []
    for t in reversed(range(L)) if spec.reverse else range(L):
        h_new, c_new = step(P + Q[t : t + B], h, c, weights, spec)
        h = torch.where(ok[t, :, None], h_new, h)
        c = torch.where(ok[t, :, None], c_new, c)
        y = h @ weights.w + weights.bias  # (B,)
        if A is not None:
            y = y + (A * torch.where(col_ok[t : t + B, None], C[t : t + B], 0.0)).sum(1)
        outputs.append(torch.where(ok[t], y, 0.0))
        hiddens.append(h.T)
    if spec.reverse:
        outputs.reverse()
        hiddens.reverse()
    result: tuple = (torch.stack(outputs),)  # (L, B)
    if return_hidden:
        result += (torch.stack(hiddens),)  # (L, H, B)
    if return_state:
        result += ((h, c),)
    return result if len(result) > 1 else result[0]


def lanes_forward(
    P, Q, weights: Weights, spec: Spec, lanes: Lanes, row_ok, col_ok, *, A=None, C=None, edits=None
):
    """Raw outputs of any set of lanes; see `chromloom.kernels.lanes_forward`."""
    n_lanes, n_bins = len(lanes.rows), len(Q)
    n_steps = int(lanes.lengths.max()) if n_lanes else 0

    def values_of(bins, table, column):
        values = table[bins]
        if edits is None:
            return values
        number = lanes.edits.clamp(min=0)
        hit = (lanes.edits >= 0) & (bins == edits.bins[number])
        return torch.where(hit[:, None], edits[column][number], values)

    P_lane = values_of(lanes.rows, P, 1)
    A_lane = None if A is None else values_of(lanes.rows, A, 3)
    h = c = P.new_zeros(n_lanes, spec.hidden)
    y = P.new_zeros(n_steps, n_lanes)
    for t in reversed(range(n_steps)) if spec.reverse else range(n_steps):
        columns = lanes.starts + t
        inside = (columns < n_bins) & (t < lanes.lengths)
        columns = columns.clamp(max=n_bins - 1)
        ok = inside & row_ok[lanes.rows] & col_ok[columns]
        h_new, c_new = step(P_lane + values_of(columns, Q, 2), h, c, weights, spec)
        h, c = torch.where(ok[:, None], h_new, h), torch.where(ok[:, None], c_new, c)
        out = h @ weights.w + weights.bias
        if A is not None:
            out = out + (A_lane * values_of(columns, C, 4)).sum(1)
        y[t] = torch.where(ok, out, 0.0)
    return y


def decode_target(target, dtype):
    """Targets as (value, known): NaN, infinite or 0xFFFF targets are not known and become 0."""
    if target.dtype == torch.uint16:
        code = target.to(torch.int32)
        known = code != 0xFFFF
        value = code.to(dtype) / UINT16_SCALE
    else:
        known = torch.isfinite(target)
        value = target.to(dtype)
    return torch.where(known, value, 0.0), known


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
):
    """Weighted loss of a tile; see `chromloom.kernels.tile_loss`."""
    y = tile_forward(P, Q, weights, spec, row_ok, col_ok, A=A, C=C)
    if offset is not None:
        y = y + offset
    value, known = decode_target(target, P.dtype)
    known = known & read_mask(row_ok, col_ok, len(y))
    if exposure is None:
        out = torch.sigmoid(y) if sigmoid else y
        terms = (out - value) ** 2
    else:
        terms = exposure * (torch.exp(y.clamp(max=LARGEST_LOG_RATE)) - value * y)
    return (dist_weight[:, None] * torch.where(known, terms, 0.0)).sum()


def tile_gradients(
    P, Q, weights: Weights, spec: Spec, row_ok, col_ok, target, dist_weight, **options
):
    """Loss of a tile and its gradients; see `chromloom.kernels.tile_gradients`."""
    leaves = {**dict(zip("PQ", (P, Q))), **{k: options.get(k) for k in ("A", "C", "offset")}}
    leaves |= weights._asdict()
    leaves = {k: v.detach().requires_grad_() for k, v in leaves.items() if v is not None}
    of_weights = Weights._make(leaves.get(name) for name in Weights._fields)
    inputs = Inputs._make(leaves.get(name) for name in Inputs._fields)
    options |= {name: getattr(inputs, name) for name in ("A", "C", "offset")}
    with torch.enable_grad():
        loss = tile_loss(
            *(inputs.P, inputs.Q, of_weights, spec, row_ok, col_ok, target, dist_weight), **options
        )
        gradients = dict(zip(leaves, torch.autograd.grad(loss, list(leaves.values()))))
    return (
        loss.detach(),
        Inputs._make(gradients.get(name) for name in Inputs._fields),
        Weights._make(gradients.get(name) for name in Weights._fields),
    )
