"""The recurrence backward: gradients of blocks of rows, forward included.

The gates of a group are kept in L2 from the forward instead of computed again: reading them back is
cheaper than 4H exponentials and 4H * H multiplications. The gradient of U h is never formed: what
follows from it is told from that of the gates (`unpack_weight_grad`).
"""

import numpy as np

from chromloom.kernels.cache import compiled
from chromloom.kernels.forward import forward_group, load_block, load_group, load_state, store_lanes
from chromloom.kernels.layout import LOG2E, ROWS
from chromloom.kernels.loss import loss_group
from chromloom.kernels.simd import LANES, vabs, vfill, vload, vselect, vshift, vsplat, vstore, vsum

CHUNK = 16  # steps whose gradients are summed together, from cache


@compiled(nogil=True, error_model="numpy")
def _outer_products(acc, acc_at, rows, n_rows, hs, H, first, last):
    """acc[k, l] += sum over steps of rows[k] hs[l], 2 x 4 sums at a time in registers."""
    W = LANES
    for k in range(0, n_rows, 2):
        for unit in range(0, H - 3, 4):
            i = (acc_at + k * H + unit) * W
            j = i + H * W
            s00, s01 = vload(acc, i), vload(acc, i + W)
            s02, s03 = vload(acc, i + 2 * W), vload(acc, i + 3 * W)
            s10, s11 = vload(acc, j), vload(acc, j + W)
            s12, s13 = vload(acc, j + 2 * W), vload(acc, j + 3 * W)
            for step in range(first, last):
                at, from_h = (step * n_rows + k) * W, (step * H + unit) * W
                r0, r1 = vload(rows, at), vload(rows, at + W)
                h = vload(hs, from_h)
                s00, s10 = s00 + r0 * h, s10 + r1 * h
                h = vload(hs, from_h + W)
                s01, s11 = s01 + r0 * h, s11 + r1 * h
                h = vload(hs, from_h + 2 * W)
                s02, s12 = s02 + r0 * h, s12 + r1 * h
                h = vload(hs, from_h + 3 * W)
                s03, s13 = s03 + r0 * h, s13 + r1 * h
            vstore(acc, i, s00)
            vstore(acc, i + W, s01)
            vstore(acc, i + 2 * W, s02)
            vstore(acc, i + 3 * W, s03)
            vstore(acc, j, s10)
            vstore(acc, j + W, s11)
            vstore(acc, j + 2 * W, s12)
            vstore(acc, j + 3 * W, s13)
        for unit in range(H - H % 4, H):
            i = (acc_at + k * H + unit) * W
            j = i + H * W
            s00, s10 = vload(acc, i), vload(acc, j)
            for step in range(first, last):
                at, h = (step * n_rows + k) * W, vload(hs, (step * H + unit) * W)
                s00, s10 = s00 + vload(rows, at) * h, s10 + vload(rows, at + W) * h
            vstore(acc, i, s00)
            vstore(acc, j, s10)


@compiled(nogil=True, error_model="numpy")
def _input_grads(scratch, q_grad, gain_x, H4, norm_x, reverse, first_column, n_read, first, last):
    """Gradients of P, Q, gain and shift from those of the gates, `gs`, of at most LANES steps.

    A step reads one column beyond the last one's: `q_sum` moves down a lane a step, and the column
    that is not read again goes to `q_done`. Added in memory, each step would wait for the last one.
    """
    p, q, col, gs, ms = scratch.p, scratch.q, scratch.col, scratch.gs, scratch.ms
    p_grad, acc = scratch.p_grad, scratch.acc
    W, q_stride = LANES, col.size
    zero = vfill(ms, 0)
    n_steps = last - first
    start = first_column + (n_read - last if reverse else first)
    for k in range(H4):
        p_k, gain = vload(p, k * W), vsplat(gain_x, k)
        p_sum, gain_sum = vload(p_grad, k * W), vload(acc, k * W)
        shift_sum = vload(acc, (H4 + k) * W)
        q_sum, q_done = zero, zero
        for step in range(n_steps):
            n = last - 1 - step if reverse else first + step
            dz = vload(gs, (n * H4 + k) * W)
            dx = dz
            if norm_x:
                x = p_k + vload(q, k * q_stride + start + step)
                scaled = dz * vload(ms, n * 4 * W)
                gain_sum = gain_sum + scaled * x
                dx = scaled * gain - x * vload(ms, (n * 4 + 1) * W)
            shift_sum, p_sum = shift_sum + dz, p_sum + dx
            q_sum = q_sum + dx
            q_done, q_sum = vshift(q_done, q_sum), vshift(q_sum, zero)
        vstore(p_grad, k * W, p_sum)
        vstore(acc, k * W, gain_sum)
        vstore(acc, (H4 + k) * W, shift_sum)
        at = k * q_stride + start + n_steps
        vstore(q_grad, at, vload(q_grad, at) + q_done)
        at += W
        vstore(q_grad, at, vload(q_grad, at) + q_sum)


@compiled(nogil=True, error_model="numpy")
def _add_hidden_grad(dh, hidden_grad, t, n_units, lane, n_lanes):
    for unit in range(n_units):
        for b in range(n_lanes):
            dh[unit * LANES + b] += hidden_grad[t, unit, lane + b]


@compiled(nogil=True, error_model="numpy")
def _backward_group(
    dims, flags, weights, scratch, first_column, n_read, q_grad, c_grad, hidden_grad, lane, n_lanes
):
    """Gradients of one group; `ys` holds those of the outputs, `dh` and `dc` of the last state."""
    H, D, _ = dims
    reverse, norm_x, norm_u, norm_c = flags
    _, U, gram, _, _, _, gain_x, gain_c, _, head = weights
    p, a, row, q, c, col = scratch.p, scratch.a, scratch.row, scratch.q, scratch.c, scratch.col
    hs, cs, ss, gs, us = scratch.hs, scratch.cs, scratch.ss, scratch.gs, scratch.us
    ms, ys, a_grad, acc_unit = scratch.ms, scratch.ys, scratch.a_grad, scratch.acc_unit
    u_acc, dh, dc = scratch.u_acc, scratch.dh, scratch.dc
    W = LANES
    H4, H2 = 4 * H, H + H % 2
    q_stride = col.size
    zero, one = vfill(ys, 0), vfill(ys, 1)
    per_gates, per_units = vfill(ys, 1 / H4), vfill(ys, 1 / H)
    chunk = max(CHUNK, H // 4)
    for n in range(n_read - 1, -1, -1):
        t = n_read - 1 - n if reverse else n
        at = first_column + t
        old, new = n * H * W, (n + 1) * H * W
        g_at, s_at = n * H4 * W, n * H2 * W
        scale_x, scale_u = vload(ms, n * 4 * W), vload(ms, (n * 4 + 1) * W)
        scale_c, mean = vload(ms, (n * 4 + 2) * W), vload(ms, (n * 4 + 3) * W)
        mask = vload(row, 0) * vload(col, at)
        dy = vload(ys, t * W) * mask
        if hidden_grad.size:
            _add_hidden_grad(dh, hidden_grad, t, H, lane, n_lanes)

        # output, h and cell norm; dh of unit k moves to the cell's softsign and gate o
        i = 3 * H * W
        vstore(acc_unit, i, vload(acc_unit, i) + dy)
        sum_1, sum_n = zero, zero
        for unit in range(H):
            i = unit * W
            dh_unit = vload(dh, i) + dy * vsplat(head, unit)
            vstore(dh, i, dh_unit)
            soft, gate_o = vload(ss, s_at + i), vload(gs, g_at + (4 * unit + 3) * W)
            d_cell = mask * dh_unit
            vstore(gs, g_at + (4 * unit + 3) * W, d_cell * soft * gate_o * (one - gate_o))
            slope = one - vabs(soft)
            d_cell = d_cell * gate_o * slope * slope
            vstore(acc_unit, 2 * H * W + i, vload(acc_unit, 2 * H * W + i) + dy * soft * gate_o)
            if norm_c:
                normed = (vload(cs, new + i) - mean) * scale_c
                vstore(acc_unit, i, vload(acc_unit, i) + d_cell * normed)
                vstore(acc_unit, H * W + i, vload(acc_unit, H * W + i) + d_cell)
                d_cell = d_cell * vsplat(gain_c, unit)
                sum_1, sum_n = sum_1 + d_cell, sum_n + d_cell * normed
            vstore(ss, s_at + i, d_cell)
        sum_1, sum_n = sum_1 * per_units, sum_n * per_units

        # cell, gates
        sum_x = zero
        for unit in range(H):
            i = unit * W
            d_cell = vload(ss, s_at + i)
            if norm_c:
                normed = (vload(cs, new + i) - mean) * scale_c
                d_cell = scale_c * (d_cell - sum_1 - normed * sum_n)
            dc_unit = vload(dc, i)
            d_cell = mask * (dc_unit + d_cell)
            k = g_at + 4 * unit * W
            gate_i, gate_f, gate_g = vload(gs, k), vload(gs, k + W), vload(gs, k + 2 * W)
            vstore(dc, i, vselect(mask, d_cell * gate_f, dc_unit))
            slope = one - vabs(gate_g)
            dz_i = d_cell * gate_g * gate_i * (one - gate_i)
            dz_f = d_cell * vload(cs, old + i) * gate_f * (one - gate_f)
            dz_g = d_cell * gate_i * slope * slope
            vstore(gs, k, dz_i)
            vstore(gs, k + W, dz_f)
            vstore(gs, k + 2 * W, dz_g)
            if norm_x:
                dz_o = vload(gs, k + 3 * W)
                k = 4 * unit
                j = k * q_stride + at
                x_i = (vload(p, k * W) + vload(q, j)) * vsplat(gain_x, k)
                k, j = k + 1, j + q_stride
                x_f = (vload(p, k * W) + vload(q, j)) * vsplat(gain_x, k)
                k, j = k + 1, j + q_stride
                x_g = (vload(p, k * W) + vload(q, j)) * vsplat(gain_x, k)
                k, j = k + 1, j + q_stride
                x_o = (vload(p, k * W) + vload(q, j)) * vsplat(gain_x, k)
                sum_x = sum_x + ((dz_i * x_i + dz_f * x_f) + (dz_g * x_g + dz_o * x_o))
        # the share of x in its own gradient takes the place of the scale of u
        vstore(ms, (n * 4 + 1) * W, sum_x * per_gates * scale_x * scale_x * scale_x)
        for d in range(D):
            da = vload(a_grad, d * W) + dy * vload(c, d * q_stride + at)
            vstore(a_grad, d * W, da)
            i = d * q_stride + W + at
            vstore(c_grad, i, vload(c_grad, i) + dy * vload(a, d * W))

        # state before the step
        for first in range(0, H, 8):
            h0, h1, h2, h3, h4, h5, h6, h7 = zero, zero, zero, zero, zero, zero, zero, zero
            for k in range(H4):
                dz = vload(gs, g_at + k * W)
                i = first * H4 + k * 8
                h0 = h0 + vsplat(U, i) * dz
                h1 = h1 + vsplat(U, i + 1) * dz
                h2 = h2 + vsplat(U, i + 2) * dz
                h3 = h3 + vsplat(U, i + 3) * dz
                h4 = h4 + vsplat(U, i + 4) * dz
                h5 = h5 + vsplat(U, i + 5) * dz
                h6 = h6 + vsplat(U, i + 6) * dz
                h7 = h7 + vsplat(U, i + 7) * dz
            i = first * W
            vstore(us, i, h0)
            vstore(us, i + W, h1)
            vstore(us, i + 2 * W, h2)
            vstore(us, i + 3 * W, h3)
            vstore(us, i + 4 * W, h4)
            vstore(us, i + 5 * W, h5)
            vstore(us, i + 6 * W, h6)
            vstore(us, i + 7 * W, h7)
        if norm_u:
            sum_u = zero
            for unit in range(H):
                sum_u = sum_u + vload(us, unit * W) * vload(hs, old + unit * W)
            sum_u = sum_u * per_gates * scale_u * scale_u
            for first in range(0, H, 8):
                h0, h1, h2, h3, h4, h5, h6, h7 = zero, zero, zero, zero, zero, zero, zero, zero
                for unit in range(H):
                    h = vload(hs, old + unit * W)
                    i = first * H + unit * 8
                    h0 = h0 + vsplat(gram, i) * h
                    h1 = h1 + vsplat(gram, i + 1) * h
                    h2 = h2 + vsplat(gram, i + 2) * h
                    h3 = h3 + vsplat(gram, i + 3) * h
                    h4 = h4 + vsplat(gram, i + 4) * h
                    h5 = h5 + vsplat(gram, i + 5) * h
                    h6 = h6 + vsplat(gram, i + 6) * h
                    h7 = h7 + vsplat(gram, i + 7) * h
                i = first * W
                vstore(us, i, scale_u * (vload(us, i) - sum_u * h0))
                vstore(us, i + W, scale_u * (vload(us, i + W) - sum_u * h1))
                vstore(us, i + 2 * W, scale_u * (vload(us, i + 2 * W) - sum_u * h2))
                vstore(us, i + 3 * W, scale_u * (vload(us, i + 3 * W) - sum_u * h3))
                vstore(us, i + 4 * W, scale_u * (vload(us, i + 4 * W) - sum_u * h4))
                vstore(us, i + 5 * W, scale_u * (vload(us, i + 5 * W) - sum_u * h5))
                vstore(us, i + 6 * W, scale_u * (vload(us, i + 6 * W) - sum_u * h6))
                vstore(us, i + 7 * W, scale_u * (vload(us, i + 7 * W) - sum_u * h7))
            for unit in range(H):  # factors of the products in `unpack_weight_grad`
                h = vload(hs, old + unit * W)
                vstore(ss, s_at + unit * W, sum_u * h)
                vstore(hs, old + unit * W, scale_u * h)
        for unit in range(H):
            i = unit * W
            vstore(dh, i, vselect(mask, vload(us, i), vload(dh, i)))
        if n % chunk == 0:
            end = min(n + chunk, n_read)
            for first in range(n, end, W):
                _input_grads(
                    *(scratch, q_grad, gain_x, H4, norm_x, reverse, first_column, n_read),
                    *(first, min(first + W, end)),
                )
            _outer_products(u_acc, 0, gs, H4, hs, H, n, end)
            if norm_u:
                _outer_products(u_acc, H4 * H, ss, H2, hs, H, n, end)


@compiled(nogil=True, error_model="numpy")
def _sum_lanes(out, at, acc, n_rows):
    for k in range(n_rows):
        out[at + k] = vsum(vload(acc, k * LANES))
    return at + n_rows


@compiled(nogil=True, error_model="numpy")
def _store_row_grad(out, grad, n_gates, centre, lane, n_lanes):
    """Copy a group's gradient to rows of `out`, back to the order i, f, g, o."""
    depth = out.shape[1]
    n_units = depth // n_gates
    for b in range(n_lanes):
        mean = grad[0] * 0 if depth else 0
        if centre:
            for k in range(depth):
                mean += grad[k * LANES + b]
            mean /= depth
        for gate in range(n_gates):
            for unit in range(n_units):
                k = unit * n_gates + gate
                out[lane + b, gate * n_units + unit] = grad[k * LANES + b] - mean


@compiled(nogil=True, error_model="numpy")
def backward_blocks(
    lo,
    hi,
    n_rows,
    dims,
    flags,
    eps,
    weights,
    scratch,
    inputs,
    ok,
    states,
    targets,
    dist_weight,
    loss_settings,
    grads_in,
    offset_grad,
    grads_out,
    slabs,
    weight_grads,
    losses,
):
    """Gradients of blocks lo … hi - 1 of a tile of n_rows rows, forward included.

    With a target the gradients of the outputs come from the loss, else from `grads_in`. Every block
    writes its own column slabs, weight gradients and loss; the caller adds them in order.
    """
    P, Q, A, C = inputs
    row_ok, col_ok = ok
    h_first, c_first = states
    kind, sigmoid = loss_settings
    y_grad, hidden_grad, h_grad, c_grad = grads_in
    P_grad, A_grad, h_first_grad, c_first_grad = grads_out
    Q_slabs, C_slabs = slabs
    hs, cs, ys, dh, dc = scratch.hs, scratch.cs, scratch.ys, scratch.dh, scratch.dc
    p_grad, a_grad = scratch.p_grad, scratch.a_grad
    acc, acc_unit, u_acc = scratch.acc, scratch.acc_unit, scratch.u_acc
    H, _, L = dims
    W, reverse, norm_x = LANES, flags[0], flags[1]
    none = np.empty(0, np.int64)
    no_hidden = np.empty((0, 0, 0), ys.dtype)
    for number in range(lo, hi):
        first_lane = number * ROWS
        n_block = min(ROWS, n_rows - first_lane)
        width = n_block + L - 1
        last = load_block(first_lane, width, -1, dims, norm_x, scratch, Q, C, col_ok, none, Q, C)
        acc[:], acc_unit[:], u_acc[:] = 0, 0, 0
        q_slab, c_slab = Q_slabs[number], C_slabs[number]
        q_slab[:], c_slab[:] = 0, 0
        loss = 0.0
        for g in range(0, n_block, W):
            lane, n_lanes = first_lane + g, min(W, n_block - g)
            n_read = load_group(
                lane,
                g,
                n_lanes,
                L,
                last,
                dims,
                norm_x,
                scratch,
                P,
                A,
                row_ok,
                -1,
                none,
                P,
                A,
            )
            load_state(hs, h_first, H, lane, n_lanes)
            load_state(cs, c_first, H, lane, n_lanes)
            forward_group(dims, flags, eps, weights, scratch, g, n_read, True, no_hidden, 0, 0)
            if kind:
                loss += loss_group(
                    scratch,
                    g,
                    n_read,
                    targets,
                    dist_weight,
                    kind,
                    sigmoid,
                    offset_grad,
                    lane,
                    n_lanes,
                )
            else:
                ys[:] = 0
                for t in range(n_read):
                    for b in range(n_lanes):
                        ys[t * W + b] = y_grad[t, lane + b]
            load_state(dh, h_grad, H, lane, n_lanes)
            load_state(dc, c_grad, H, lane, n_lanes)
            p_grad[:], a_grad[:] = 0, 0
            if hidden_grad.size and not reverse:
                for t in range(n_read, L):
                    _add_hidden_grad(dh, hidden_grad, t, H, lane, n_lanes)
            _backward_group(
                dims,
                flags,
                weights,
                scratch,
                g,
                n_read,
                q_slab,
                c_slab,
                hidden_grad,
                lane,
                n_lanes,
            )
            if hidden_grad.size and reverse:
                for t in range(n_read, L):
                    _add_hidden_grad(dh, hidden_grad, t, H, lane, n_lanes)
            _store_row_grad(P_grad, p_grad, 4, norm_x, lane, n_lanes)
            _store_row_grad(A_grad, a_grad, 1, False, lane, n_lanes)
            store_lanes(h_first_grad, dh, H, lane, n_lanes)
            store_lanes(c_first_grad, dc, H, lane, n_lanes)
        at = _sum_lanes(weight_grads[number], 0, u_acc, 5 * H * H)
        at = _sum_lanes(weight_grads[number], at, acc, 8 * H)
        _sum_lanes(weight_grads[number], at, acc_unit, 3 * H + 1)
        losses[number] = loss


@compiled(nogil=True, error_model="numpy")
def reduce_slabs(lo, hi, slabs, n_gates, centre, out):
    """Columns lo … hi - 1 of the gradient: the blocks' slabs added in order."""
    depth = out.shape[1]
    if depth == 0:
        return
    stride, n_units = slabs.shape[1] // depth, depth // n_gates
    total = np.zeros((depth, hi - lo), slabs.dtype)
    for number in range(slabs.shape[0]):
        start = number * ROWS
        first, last = max(lo, start), min(hi, start + stride - LANES)
        for k in range(depth):
            at = k * stride + LANES - start
            for r in range(first, last):
                total[k, r - lo] += slabs[number, at + r]
    for r in range(hi - lo):
        mean = total[0, 0] * 0
        if centre:
            for k in range(depth):
                mean += total[k, r]
            mean /= depth
        for gate in range(n_gates):
            for unit in range(n_units):
                out[lo + r, gate * n_units + unit] = total[unit * n_gates + gate, r] - mean


@compiled(nogil=True, error_model="numpy")
def _unpack(weights, parts, norm_u, U_grad, gain_x_grad, gain_u_grad, shift_grad, rest_grad):
    """Add the blocks' sums, bring them to the order i, f, g, o, and see `unpack_weight_grad`."""
    rows, gain_u, H = weights[0], weights[4], weights[7].size
    H4 = 4 * H
    total = np.zeros(parts.shape[1])
    for number in range(parts.shape[0]):
        for k in range(parts.shape[1]):
            total[k] += parts[number, k]
    inner, acc = total[H4 * H :], total[5 * H * H :]
    for k in range(H4):
        row = k % 4 * H + k // 4
        gain_x_grad[row], shift_grad[row] = acc[k], acc[H4 + k]
        gain = gain_u[k] if k % 4 == 2 else gain_u[k] / -LOG2E
        along = 0.0
        for unit in range(H):
            value = total[k * H + unit]
            if norm_u:
                at = k // 8 * H * 8 + k % 8
                along += rows[at + unit * 8] * value
                value *= gain
                for m in range(H):
                    value -= rows[at + m * 8] * inner[m * H + unit]
            U_grad[row, unit] = value
        gain_u_grad[row] = along
    if norm_u:
        for unit in range(H):
            mean = 0.0
            for row in range(H4):
                mean += U_grad[row, unit]
            for row in range(H4):
                U_grad[row, unit] -= mean / H4
    rest_grad[:] = acc[2 * H4 :]


def unpack_weight_grad(spec, weights, parts):
    """Gradients in the order of `Weights` from the sums of `backward`; None for absent.

    Through the recurrent norm, u = U h with U centred and scale s, the gradient of u is
    s (gain dz - u s^2 mean(gain dz u)): its product with h' is told from the sums of dz (s h)' and
    of (s^2 mean(…) h) (s h)'.
    """
    H, dtype = spec.hidden, parts.dtype
    U, gain_x, gain_u, shift = np.empty((4 * H, H), dtype), *np.empty((3, 4 * H), dtype)
    rest = np.empty(3 * H + 1, dtype)
    _unpack(weights, parts, spec.norm_recurrent, U, gain_x, gain_u, shift, rest)
    return (
        *(U, shift),
        *((gain_x, shift) if spec.norm_input else (None, None)),
        *((gain_u, shift) if spec.norm_recurrent else (None, None)),
        *((rest[:H], rest[H : 2 * H]) if spec.norm_cell else (None, None)),
        *(rest[2 * H : 3 * H], rest[3 * H :].reshape(())),
    )
