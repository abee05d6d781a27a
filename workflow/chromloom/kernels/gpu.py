"""The recurrence on the GPU, in Triton; torch tensors in and out, float32 only.

A program runs a block of rows side by side, (lanes, units) tensors in registers, one matrix product
a gate and step. Units are padded to a power of two with zeros, which stay zero all through. The
forward keeps h and c of every step; the backward computes the gates from them again, and the output
and the loss with them. Gradients of the two projections go to memory by (gate, step, lane, unit):
dU is one matrix product of them, dQ their sum along the diagonals, both in a fixed order, so that
results do not change from run to run on one kind of GPU.

Layer norm: P, Q and U are centred beforehand, so that only the variance is left to compute. With
TRITON_INTERPRET=1 all of it runs without a GPU, slowly. What is known of its speed: it has been
compiled for compute capability 9.0, never timed; `benchmarks/gpu.py` times and tunes it.
"""

import torch
import triton
import triton.language as tl

from chromloom.kernels.spec import LARGEST_LOG_RATE, UINT16_SCALE

TUNING = {4: (32, 1), 8: (32, 1), 16: (32, 4), 32: (32, 4), 64: (16, 4), 128: (16, 8)}
"""Rows and warps of a program by padded number of units: the fewest instructions a pair, and
registers spilled, of the code compiled for compute capability 9.0."""
PRECISION = "ieee"
"""Of matrix products; "tf32x3" uses tensor cores and is nearly as accurate."""
UINT16 = tl.constexpr(UINT16_SCALE)
HIGHEST = tl.constexpr(LARGEST_LOG_RATE)


@triton.jit
def _softsign(x):
    return x / (1.0 + tl.abs(x))


@triton.jit
def _load_gates(base, rows, unit, keep, H: tl.constexpr):
    """(lanes, units) of the four gates from rows of 4H numbers."""
    at = base + rows[:, None] * (4 * H) + unit[None, :]
    keep = keep[:, None] & (unit < H)[None, :]
    return (
        tl.load(at, keep, 0.0),
        tl.load(at + H, keep, 0.0),
        tl.load(at + 2 * H, keep, 0.0),
        tl.load(at + 3 * H, keep, 0.0),
    )


@triton.jit
def _load_vectors(base, unit, HP: tl.constexpr):
    """(1, units) of the four gates from packed weights."""
    at = base + unit[None, :]
    return tl.load(at), tl.load(at + HP), tl.load(at + 2 * HP), tl.load(at + 3 * HP)


@triton.jit
def _load_matrices(base, unit, HP: tl.constexpr):
    """(units, units) of the four gates."""
    at = base + unit[:, None] * HP + unit[None, :]
    return (
        tl.load(at),
        tl.load(at + HP * HP),
        tl.load(at + 2 * HP * HP),
        tl.load(at + 3 * HP * HP),
    )


@triton.jit
def _scale(a, b, c, d, n: tl.constexpr, eps):
    """1 / standard deviation over the four gates of every lane, (lanes, 1)."""
    squares = tl.sum(a * a + b * b + c * c + d * d, 1)
    return (1.0 / tl.sqrt(squares / n + eps))[:, None]


@triton.jit
def _project(h, U, PRECISION: tl.constexpr):
    if h.shape[1] < 16:  # too small for tl.dot
        return tl.sum(h[:, :, None] * U[None, :, :], 1)
    return tl.dot(h, U, input_precision=PRECISION)


@triton.jit
def _normed_projections(p, q, h, U, eps, H: tl.constexpr, NX: tl.constexpr, NU: tl.constexpr,
                        PRECISION: tl.constexpr):  # fmt: skip
    """Normed input and recurrent projections before gain and shift, and their scales."""
    x0, x1, x2, x3 = p[0] + q[0], p[1] + q[1], p[2] + q[2], p[3] + q[3]
    u0, u1 = _project(h, U[0], PRECISION), _project(h, U[1], PRECISION)
    u2, u3 = _project(h, U[2], PRECISION), _project(h, U[3], PRECISION)
    scale_x = tl.full((x0.shape[0], 1), 1.0, tl.float32)
    scale_u = scale_x
    if NX:
        scale_x = _scale(x0, x1, x2, x3, 4 * H, eps)
    if NU:
        scale_u = _scale(u0, u1, u2, u3, 4 * H, eps)
    x = (x0 * scale_x, x1 * scale_x, x2 * scale_x, x3 * scale_x)
    u = (u0 * scale_u, u1 * scale_u, u2 * scale_u, u3 * scale_u)
    return x, u, scale_x, scale_u


@triton.jit
def _gate_inputs(x, u, gain_x, gain_u, shift):
    return (
        x[0] * gain_x[0] + u[0] * gain_u[0] + shift[0],
        x[1] * gain_x[1] + u[1] * gain_u[1] + shift[1],
        x[2] * gain_x[2] + u[2] * gain_u[2] + shift[2],
        x[3] * gain_x[3] + u[3] * gain_u[3] + shift[3],
    )


@triton.jit
def _norm_cell(c, unit, eps, H: tl.constexpr, NC: tl.constexpr):
    """Normed cell and its scale (lanes, 1)."""
    scale = tl.full((c.shape[0], 1), 1.0, tl.float32)
    normed = c
    if NC:
        centred = tl.where((unit < H)[None, :], c - tl.sum(c, 1)[:, None] / H, 0.0)
        scale = (1.0 / tl.sqrt(tl.sum(centred * centred, 1) / H + eps))[:, None]
        normed = centred * scale
    return normed, scale


@triton.jit
def _forward(
    P, Q, A, C, row_ok, col_ok, h_first, c_first, U_packed, packed, y, hs, cs, h_last, c_last,
    B, L, eps,
    H: tl.constexpr, HP: tl.constexpr, D: tl.constexpr, DP: tl.constexpr,
    NX: tl.constexpr, NU: tl.constexpr, NC: tl.constexpr,
    REVERSE: tl.constexpr, KEEP: tl.constexpr, BLOCK: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """y (L, B), the last state, and with KEEP all states hs and cs (L + 1, B, H)."""
    lane = (tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)).to(tl.int64)
    unit = tl.arange(0, HP)
    lanes = tl.full((), 1, tl.int64) * B
    states = lanes * H
    inside = lane < B
    own = inside[:, None] & (unit < H)[None, :]
    at_state = lane[:, None] * H + unit[None, :]
    row = tl.load(row_ok + lane, inside, 0) != 0
    p = _load_gates(P, lane, unit, inside, H)
    U = _load_matrices(U_packed, unit, HP)
    gain_x = _load_vectors(packed, unit, HP)
    gain_u = _load_vectors(packed + 4 * HP, unit, HP)
    shift = _load_vectors(packed + 8 * HP, unit, HP)
    gain_c = tl.load(packed + 12 * HP + unit[None, :])
    shift_c = tl.load(packed + 13 * HP + unit[None, :])
    w = tl.load(packed + 14 * HP + unit[None, :])
    bias = tl.load(packed + 15 * HP)
    h = tl.load(h_first + at_state, own, 0.0)
    c = tl.load(c_first + at_state, own, 0.0)
    depth = tl.arange(0, DP)
    at_term = lane[:, None] * D + depth[None, :]
    if D:
        a = tl.load(A + at_term, inside[:, None] & (depth < D)[None, :], 0.0)
    for n in range(L):
        t = L - 1 - n if REVERSE else n
        if KEEP:
            tl.store(hs + n * states + at_state, h, own)
            tl.store(cs + n * states + at_state, c, own)
        read = row & (tl.load(col_ok + lane + t, inside, 0) != 0)
        q = _load_gates(Q, lane + t, unit, read, H)
        x, u, _, _ = _normed_projections(p, q, h, U, eps, H, NX, NU, PRECISION)
        z = _gate_inputs(x, u, gain_x, gain_u, shift)
        c_new = tl.sigmoid(z[1]) * c + tl.sigmoid(z[0]) * _softsign(z[2])
        normed, _ = _norm_cell(c_new, unit, eps, H, NC)
        h_new = tl.sigmoid(z[3]) * _softsign(normed * gain_c + shift_c)
        h = tl.where(read[:, None], h_new, h)
        c = tl.where(read[:, None], c_new, c)
        out = tl.sum(h * w, 1) + bias
        if D:
            keep = read[:, None] & (depth < D)[None, :]
            out += tl.sum(a * tl.load(C + at_term + t * D, keep, 0.0), 1)
        tl.store(y + t * lanes + lane, tl.where(read, out, 0.0), inside)
    if KEEP:
        tl.store(hs + L * states + at_state, h, own)
        tl.store(cs + L * states + at_state, c, own)
    tl.store(h_last + at_state, h, own)
    tl.store(c_last + at_state, c, own)


@triton.jit
def _backward(
    P, Q, A, C, row_ok, col_ok, U_packed, U_back, packed, hs, cs,
    target, exposure, offset, dist_weight, y_grad, hidden_grad, h_grad, c_grad,
    loss, P_grad, A_grad, dx_all, du_all, dy_all, h_first_grad, c_first_grad, sums,
    B, L, eps,
    H: tl.constexpr, HP: tl.constexpr, D: tl.constexpr, DP: tl.constexpr,
    NX: tl.constexpr, NU: tl.constexpr, NC: tl.constexpr,
    REVERSE: tl.constexpr, KIND: tl.constexpr, SIGMOID: tl.constexpr, POISSON: tl.constexpr,
    OFFSET: tl.constexpr, HIDDEN: tl.constexpr, BLOCK: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """Gradients of BLOCK lanes. KIND: 0 given `y_grad`, 1 floating targets, 2 uint16 targets.

    Gradients of the normed projections go to dx_all and du_all (4, L, B, H); those of the packed
    vectors, summed over lanes and steps, to `sums` (programs, 16, HP).
    """
    program = tl.program_id(0)
    lane = (program * BLOCK + tl.arange(0, BLOCK)).to(tl.int64)
    unit = tl.arange(0, HP)
    lanes = tl.full((), 1, tl.int64) * B
    states = lanes * H
    inside = lane < B
    own = inside[:, None] & (unit < H)[None, :]
    at_state = lane[:, None] * H + unit[None, :]
    row = tl.load(row_ok + lane, inside, 0) != 0
    p = _load_gates(P, lane, unit, inside, H)
    U = _load_matrices(U_packed, unit, HP)
    V = _load_matrices(U_back, unit, HP)
    gain_x = _load_vectors(packed, unit, HP)
    gain_u = _load_vectors(packed + 4 * HP, unit, HP)
    shift = _load_vectors(packed + 8 * HP, unit, HP)
    gain_c = tl.load(packed + 12 * HP + unit[None, :])
    shift_c = tl.load(packed + 13 * HP + unit[None, :])
    w = tl.load(packed + 14 * HP + unit[None, :])
    bias = tl.load(packed + 15 * HP)
    dh = tl.load(h_grad + at_state, own, 0.0)
    dc = tl.load(c_grad + at_state, own, 0.0)
    depth = tl.arange(0, DP)
    at_term = lane[:, None] * D + depth[None, :]
    if D:
        a = tl.load(A + at_term, inside[:, None] & (depth < D)[None, :], 0.0)
        da = tl.zeros((BLOCK, DP), tl.float32)
    zero = tl.zeros((BLOCK, HP), tl.float32)
    total = tl.zeros((BLOCK,), tl.float32)
    d_bias = tl.zeros((BLOCK,), tl.float32)
    dw, d_gain_c, d_shift_c = zero, zero, zero
    dp0, dp1, dp2, dp3 = zero, zero, zero, zero
    dgx0, dgx1, dgx2, dgx3 = zero, zero, zero, zero
    dgu0, dgu1, dgu2, dgu3 = zero, zero, zero, zero
    ds0, ds1, ds2, ds3 = zero, zero, zero, zero
    for back in range(L):
        n = L - 1 - back
        t = L - 1 - n if REVERSE else n
        read = row & (tl.load(col_ok + lane + t, inside, 0) != 0)
        mask = read[:, None]
        h = tl.load(hs + n * states + at_state, own, 0.0)
        c = tl.load(cs + n * states + at_state, own, 0.0)
        q = _load_gates(Q, lane + t, unit, read, H)
        x, u, scale_x, scale_u = _normed_projections(p, q, h, U, eps, H, NX, NU, PRECISION)
        z = _gate_inputs(x, u, gain_x, gain_u, shift)
        gate_i, gate_f, gate_o = tl.sigmoid(z[0]), tl.sigmoid(z[1]), tl.sigmoid(z[3])
        slope_g = 1.0 / (1.0 + tl.abs(z[2]))
        gate_g = z[2] * slope_g
        c_new = gate_f * c + gate_i * gate_g
        normed, scale_c = _norm_cell(c_new, unit, eps, H, NC)
        cell = normed * gain_c + shift_c
        slope_c = 1.0 / (1.0 + tl.abs(cell))
        soft = cell * slope_c

        # output and loss
        at_pair = t * lanes + lane
        if KIND == 0:
            dy = tl.where(read, tl.load(y_grad + at_pair, inside, 0.0), 0.0)
        else:
            out = tl.sum(gate_o * soft * w, 1) + bias
            if D:
                keep = mask & (depth < D)[None, :]
                out += tl.sum(a * tl.load(C + at_term + t * D, keep, 0.0), 1)
            if OFFSET:
                out += tl.load(offset + at_pair, inside, 0.0)
            if KIND == 2:
                code = tl.load(target + at_pair, inside, 0).to(tl.int32) & 0xFFFF
                known = read & (code != 0xFFFF)
                value = code.to(tl.float32) / UINT16
            else:
                value = tl.load(target + at_pair, inside, 0.0).to(tl.float32)
                known = read & (tl.abs(value) < float("inf"))
            value = tl.where(known, value, 0.0)
            weight = tl.where(known, tl.load(dist_weight + t), 0.0)
            if POISSON:
                weight *= tl.where(known, tl.load(exposure + at_pair, inside, 0.0), 0.0)
                rate = tl.exp(tl.minimum(out, HIGHEST))
                total += weight * (rate - value * out)
                dy = weight * (tl.where(out <= HIGHEST, rate, 0.0) - value)
            else:
                slope = tl.full((BLOCK,), 2.0, tl.float32)
                if SIGMOID:
                    out = tl.sigmoid(out)
                    slope = 2.0 * out * (1.0 - out)
                error = out - value
                total += weight * error * error
                dy = weight * error * slope
        tl.store(dy_all + at_pair, dy, inside)
        d_bias += dy
        if D:
            keep = mask & (depth < D)[None, :]
            da += dy[:, None] * tl.load(C + at_term + t * D, keep, 0.0)

        # h, cell norm, cell
        if HIDDEN:
            dh += tl.load(hidden_grad + at_pair[:, None] * H + unit[None, :], own, 0.0)
        dw += dy[:, None] * gate_o * soft
        dh += dy[:, None] * w
        d_out = tl.where(mask, dh, 0.0)
        dz3 = d_out * soft * gate_o * (1.0 - gate_o)
        d_cell = d_out * gate_o * slope_c * slope_c
        if NC:
            d_gain_c += d_cell * normed
            d_shift_c += d_cell
            d_cell = d_cell * gain_c
            mean = tl.sum(d_cell, 1)[:, None] / H
            along = tl.sum(d_cell * normed, 1)[:, None] / H
            d_cell = tl.where((unit < H)[None, :], scale_c * (d_cell - mean - normed * along), 0.0)
        d_cell = tl.where(mask, dc + d_cell, 0.0)
        dc = tl.where(mask, d_cell * gate_f, dc)
        dz0 = d_cell * gate_g * gate_i * (1.0 - gate_i)
        dz1 = d_cell * c * gate_f * (1.0 - gate_f)
        dz2 = d_cell * gate_i * slope_g * slope_g
        ds0, ds1, ds2, ds3 = ds0 + dz0, ds1 + dz1, ds2 + dz2, ds3 + dz3

        # projections
        dx0, dx1, dx2, dx3 = dz0 * gain_x[0], dz1 * gain_x[1], dz2 * gain_x[2], dz3 * gain_x[3]
        if NX:
            dgx0, dgx1 = dgx0 + dz0 * x[0], dgx1 + dz1 * x[1]
            dgx2, dgx3 = dgx2 + dz2 * x[2], dgx3 + dz3 * x[3]
            along = dx0 * x[0] + dx1 * x[1] + dx2 * x[2] + dx3 * x[3]
            along = tl.sum(along, 1)[:, None] / (4 * H)
            dx0, dx1 = scale_x * (dx0 - x[0] * along), scale_x * (dx1 - x[1] * along)
            dx2, dx3 = scale_x * (dx2 - x[2] * along), scale_x * (dx3 - x[3] * along)
        dp0, dp1, dp2, dp3 = dp0 + dx0, dp1 + dx1, dp2 + dx2, dp3 + dx3
        at = dx_all + t * states + at_state
        tl.store(at, dx0, own)
        tl.store(at + L * states, dx1, own)
        tl.store(at + 2 * L * states, dx2, own)
        tl.store(at + 3 * L * states, dx3, own)
        du0, du1, du2, du3 = dz0 * gain_u[0], dz1 * gain_u[1], dz2 * gain_u[2], dz3 * gain_u[3]
        if NU:
            dgu0, dgu1 = dgu0 + dz0 * u[0], dgu1 + dz1 * u[1]
            dgu2, dgu3 = dgu2 + dz2 * u[2], dgu3 + dz3 * u[3]
            along = du0 * u[0] + du1 * u[1] + du2 * u[2] + du3 * u[3]
            along = tl.sum(along, 1)[:, None] / (4 * H)
            du0, du1 = scale_u * (du0 - u[0] * along), scale_u * (du1 - u[1] * along)
            du2, du3 = scale_u * (du2 - u[2] * along), scale_u * (du3 - u[3] * along)
        at = du_all + n * states + at_state
        tl.store(at, du0, own)
        tl.store(at + L * states, du1, own)
        tl.store(at + 2 * L * states, du2, own)
        tl.store(at + 3 * L * states, du3, own)
        before = _project(du0, V[0], PRECISION) + _project(du1, V[1], PRECISION)
        before += _project(du2, V[2], PRECISION) + _project(du3, V[3], PRECISION)
        dh = tl.where(mask, before, dh)
    at = P_grad + lane[:, None] * (4 * H) + unit[None, :]
    tl.store(at, dp0, own)
    tl.store(at + H, dp1, own)
    tl.store(at + 2 * H, dp2, own)
    tl.store(at + 3 * H, dp3, own)
    if D:
        tl.store(A_grad + at_term, da, inside[:, None] & (depth < D)[None, :])
    tl.store(h_first_grad + at_state, dh, own)
    tl.store(c_first_grad + at_state, dc, own)
    tl.store(loss + program, tl.sum(total, 0))
    at = sums + program * 16 * HP + unit
    tl.store(at, tl.sum(dgx0, 0))
    tl.store(at + HP, tl.sum(dgx1, 0))
    tl.store(at + 2 * HP, tl.sum(dgx2, 0))
    tl.store(at + 3 * HP, tl.sum(dgx3, 0))
    tl.store(at + 4 * HP, tl.sum(dgu0, 0))
    tl.store(at + 5 * HP, tl.sum(dgu1, 0))
    tl.store(at + 6 * HP, tl.sum(dgu2, 0))
    tl.store(at + 7 * HP, tl.sum(dgu3, 0))
    tl.store(at + 8 * HP, tl.sum(ds0, 0))
    tl.store(at + 9 * HP, tl.sum(ds1, 0))
    tl.store(at + 10 * HP, tl.sum(ds2, 0))
    tl.store(at + 11 * HP, tl.sum(ds3, 0))
    tl.store(at + 12 * HP, tl.sum(d_gain_c, 0))
    tl.store(at + 13 * HP, tl.sum(d_shift_c, 0))
    tl.store(at + 14 * HP, tl.sum(dw, 0))
    tl.store(at + 15 * HP, tl.sum(d_bias, 0) + tl.zeros((HP,), tl.float32))


@triton.jit
def _sum_diagonals(
    values, weights, out, B, L, groups, size,
    WEIGHTED: tl.constexpr, SIZE: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """out[r, g] = sum over t of values[g, t, r - t]; weighted: of weights[t, r - t] values[r - t].

    values (groups, L, B, size), or (B, size) if weighted; out (B + L - 1, groups, size).
    """
    r = (tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)).to(tl.int64)
    group = tl.program_id(1)
    k = tl.arange(0, SIZE)
    lanes = tl.full((), 1, tl.int64) * B
    total = tl.zeros((BLOCK, SIZE), tl.float32)
    for t in range(L):
        lane = r - t
        inside = (lane >= 0) & (lane < B)
        keep = inside[:, None] & (k < size)[None, :]
        at = lane[:, None] * size + k[None, :]
        if WEIGHTED:
            weight = tl.load(weights + t * lanes + lane, inside, 0.0)
            total += weight[:, None] * tl.load(values + at, keep, 0.0)
        else:
            total += tl.load(values + (group * L + t) * lanes * size + at, keep, 0.0)
    at = out + (r[:, None] * groups + group) * size + k[None, :]
    tl.store(at, total, (r < B + L - 1)[:, None] & (k < size)[None, :])


# --- torch side -----------------------------------------------------------------------------------


def _pad(values, size):
    """Zeros after the last axis up to `size`."""
    return torch.nn.functional.pad(values, (0, size - values.shape[-1]))


def _pack(spec, weights):
    """Matrices U for h -> U h and back, (4, HP, HP), and all vectors with the bias, (16, HP)."""
    H = spec.hidden
    HP = max(4, triton.next_power_of_2(H))
    U, ones = weights.U, torch.ones_like(weights.b)
    if spec.norm_recurrent:
        U = U - U.mean(0)
    shift = weights.b
    shift = shift + weights.shift_input if spec.norm_input else shift
    shift = shift + weights.shift_recurrent if spec.norm_recurrent else shift
    back = U.new_zeros(4, HP, HP)
    back[:, :H, :H] = U.view(4, H, H)  # (gate, unit of the gate, unit of h)
    vectors = torch.cat(
        [
            (weights.gain_input if spec.norm_input else ones).view(4, H),
            (weights.gain_recurrent if spec.norm_recurrent else ones).view(4, H),
            shift.view(4, H),
            (weights.gain_cell if spec.norm_cell else ones[:H])[None],
            (weights.shift_cell if spec.norm_cell else 0 * ones[:H])[None],
            weights.w[None],
            weights.bias.expand(1, H),
        ]
    )
    return back.transpose(1, 2).contiguous(), back, _pad(vectors, HP).contiguous(), HP


def _centre(values, on):
    return values - values.mean(1, keepdim=True) if on else values


def _options(spec, HP, A):
    depth = 0 if A is None else A.shape[1]
    return {
        **{"H": spec.hidden, "HP": HP, "D": depth, "DP": max(16, triton.next_power_of_2(depth))},
        **{"NX": spec.norm_input, "NU": spec.norm_recurrent, "NC": spec.norm_cell},
        **{"REVERSE": spec.reverse, "PRECISION": PRECISION},
        **dict(zip(("BLOCK", "num_warps"), TUNING.get(HP, (16, 8)))),
    }


def _run(spec, weights, P, Q, A, C, row_ok, col_ok, state, *, keep):
    """y, states h and c of all steps (L + 1, B, H) if kept, last state, packed inputs."""
    B, H = len(P), spec.hidden
    L = len(Q) - B + 1
    U, back, vectors, HP = _pack(spec, weights)
    P, Q = (_centre(x, spec.norm_input).contiguous() for x in (P, Q))
    h, c = (x.contiguous() for x in state) if state else (P.new_zeros(B, H), P.new_zeros(B, H))
    terms = (P, P) if A is None else (A.contiguous(), C.contiguous())
    ok = row_ok.to(torch.int8), col_ok.to(torch.int8)
    slots = L + 1 if keep else 1
    hs, cs = P.new_empty(slots, B, H), P.new_empty(slots, B, H)
    h_last, c_last = torch.empty_like(h), torch.empty_like(c)
    y = P.new_empty(L, B)
    options = _options(spec, HP, A)
    _forward[(triton.cdiv(B, options["BLOCK"]),)](
        *(P, Q, *terms, *ok, h, c, U, vectors, y, hs, cs, h_last, c_last),
        *(B, L, spec.eps),
        KEEP=keep,
        **options,
    )
    inputs = (P, Q, *terms, *ok, U, back, vectors, hs, cs)
    return y, hs, (h_last, c_last), inputs, options


def forward(spec, weights, P, Q, A, C, row_ok, col_ok, state, wanted):
    """y, hidden states (empty unless wanted[0]) and the last h and c."""
    y, hs, last, *_ = _run(spec, weights, P, Q, A, C, row_ok, col_ok, state, keep=wanted[0])
    hidden = P.new_empty(0, 0, 0)
    if wanted[0]:
        steps = hs[1:].flip(0) if spec.reverse else hs[1:]  # (L, B, H)
        hidden = steps.transpose(1, 2).contiguous()
    return y, hidden, *last


def backward(spec, weights, P, Q, A, C, row_ok, col_ok, state, *, loss=None, grads=None):
    """Loss and gradients by name; see `chromloom.kernels.autograd`."""
    B, H = len(P), spec.hidden
    L = len(Q) - B + 1
    _, hs, _, inputs, options = _run(spec, weights, P, Q, A, C, row_ok, col_ok, state, keep=True)
    y_grad, hidden_grad, h_grad, c_grad = grads or (None,) * 4
    none = P.new_zeros(1)
    kind, sigmoid, target, dist_weight, exposure, offset = 0, False, none, none, None, None
    if loss is not None:
        target, dist_weight, sigmoid, exposure, offset = loss
        kind = 2 if target.dtype == torch.uint16 else 1
        target = target.contiguous()
        target = target.view(torch.int16) if kind == 2 else target
    if kind == 0:
        y_grad = P.new_zeros(L, B) if y_grad is None else y_grad.contiguous()
    if hidden_grad is not None:
        hidden_grad = hidden_grad.transpose(1, 2).contiguous()  # (L, B, H)
    h_grad, c_grad = (
        P.new_zeros(B, H) if grad is None else grad.contiguous() for grad in (h_grad, c_grad)
    )
    HP, block = options["HP"], options["BLOCK"]
    programs = triton.cdiv(B, block)
    losses, sums = P.new_empty(programs), P.new_empty(programs, 16, HP)
    out = {"P": torch.empty_like(P), "A": P.new_empty(B, options["D"])}
    out |= {"h": P.new_empty(B, H), "c": P.new_empty(B, H)}
    dx, du = P.new_empty(4, L, B, H), P.new_empty(4, L, B, H)
    dy = P.new_empty(L, B)
    _backward[(programs,)](
        *inputs,
        *(target, *(none if part is None else part for part in (exposure, offset)), dist_weight),
        *(none if part is None else part for part in (y_grad, hidden_grad)),
        *(h_grad, c_grad),
        *(losses, out["P"], out["A"], dx, du, dy, out["h"], out["c"], sums),
        *(B, L, spec.eps),
        KIND=kind,
        SIGMOID=sigmoid,
        POISSON=exposure is not None,
        OFFSET=offset is not None,
        HIDDEN=hidden_grad is not None,
        **options,
    )
    columns = (triton.cdiv(B + L - 1, block),)
    dQ = P.new_empty(B + L - 1, 4, H)
    _sum_diagonals[(*columns, 4)](
        *(dx, dx, dQ, B, L, 4, H), WEIGHTED=False, SIZE=triton.next_power_of_2(H), BLOCK=block
    )
    out["Q"] = _centre(dQ.view(B + L - 1, 4 * H), spec.norm_input)
    out["P"] = _centre(out["P"], spec.norm_input)
    if A is not None:
        out["C"] = P.new_empty(B + L - 1, A.shape[1])
        _sum_diagonals[(*columns, 1)](
            *(inputs[2], dy, out["C"], B, L, 1, A.shape[1]),
            WEIGHTED=True,
            SIZE=options["DP"],
            BLOCK=block,
        )
    if offset is not None:
        out["offset"] = dy
    before = hs[:-1].view(L * B, H)
    dU = torch.cat([gate.reshape(L * B, H).T @ before for gate in du])  # (4H, H)
    if spec.norm_recurrent:
        dU = dU - dU.mean(0)
    total = sums.sum(0)[:, :H]  # (16, H)
    shift = total[8:12].flatten()
    norm_x = (total[:4].flatten(), shift) if spec.norm_input else (None, None)
    norm_u = (total[4:8].flatten(), shift) if spec.norm_recurrent else (None, None)
    norm_c = (total[12], total[13]) if spec.norm_cell else (None, None)
    of_weights = (dU, shift, *norm_x, *norm_u, *norm_c, total[14], total[15, 0])
    return losses.sum(), out, of_weights
