"""The recurrence forward: outputs of blocks of rows, group by group."""

from chromloom.kernels.cache import compiled
from chromloom.kernels.simd import (
    LANES,
    vabs,
    vexp2s,
    vfill,
    vload,
    vreciprocal,
    vrsqrt,
    vselect,
    vsplat,
    vstore,
)


@compiled(nogil=True, error_model="numpy")
def _fill_slab(slab, source, first, width, ok, n_gates, centre, edit, edit_bin, edit_source):
    """Transpose rows first … first + width - 1 of `source` into `slab`, gates of a unit together.

    Rows that are not ok are 0; the row that the edit replaces comes from `edit_source`.
    """
    depth = source.shape[1]
    if depth == 0:
        return
    stride, n_units = slab.size // depth, depth // n_gates
    slab[:] = 0
    for r in range(min(width, source.shape[0] - first)):
        if not ok[first + r]:
            continue
        row = source[first + r]
        if edit >= 0 and first + r == edit_bin[edit]:
            row = edit_source[edit]
        mean = row[0] * 0
        if centre:
            for k in range(depth):
                mean += row[k]
            mean /= depth
        for gate in range(n_gates):
            for unit in range(n_units):
                to = unit * n_gates + gate
                slab[to * stride + r] = row[gate * n_units + unit] - mean


@compiled(nogil=True, error_model="numpy")
def forward_group(
    dims, flags, eps, weights, scratch, first_column, n_read, keep, hidden, lane, n_lanes
):
    """Run one group from the state in slot 0 over its first n_read steps; the last slot used."""
    H, D, _ = dims
    reverse, norm_x, norm_u, norm_c = flags
    U, _, _, gain_x, gain_u, shift, _, gain_c, shift_c, head = weights
    p, a, row, q, c = scratch.p, scratch.a, scratch.row, scratch.q, scratch.c
    col, hs, cs, ss, gs = scratch.col, scratch.hs, scratch.cs, scratch.ss, scratch.gs
    xs, us, ms, ys = scratch.xs, scratch.us, scratch.ms, scratch.ys
    W = LANES
    H4, H2 = 4 * H, H + H % 2
    H4p = 4 * H2
    q_stride = col.size
    zero, one = vfill(ys, 0), vfill(ys, 1)
    per_gates, per_units = vfill(ys, 1 / H4), vfill(ys, 1 / H)
    epsilon = vfill(ys, eps)
    for n in range(n_read):
        t = n_read - 1 - n if reverse else n
        at = first_column + t
        kept = n if keep else 0
        old = n if keep else n & 1
        new = n + 1 if keep else 1 - old
        h_old, h_new = old * H * W, new * H * W
        g_at, s_at = kept * H4 * W, kept * H2 * W
        mask = vload(row, 0) * vload(col, at)

        # inputs first: they do not wait for the state
        squares = zero
        for k in range(0, H4, 4):
            x0 = vload(p, k * W) + vload(q, k * q_stride + at)
            x1 = vload(p, (k + 1) * W) + vload(q, (k + 1) * q_stride + at)
            x2 = vload(p, (k + 2) * W) + vload(q, (k + 2) * q_stride + at)
            x3 = vload(p, (k + 3) * W) + vload(q, (k + 3) * q_stride + at)
            vstore(xs, k * W, x0 * vsplat(gain_x, k))
            vstore(xs, (k + 1) * W, x1 * vsplat(gain_x, k + 1))
            vstore(xs, (k + 2) * W, x2 * vsplat(gain_x, k + 2))
            vstore(xs, (k + 3) * W, x3 * vsplat(gain_x, k + 3))
            if norm_x:
                squares = squares + ((x0 * x0 + x1 * x1) + (x2 * x2 + x3 * x3))
        scale_x = one
        if norm_x:
            scale_x = vrsqrt(squares * per_gates + epsilon)

        squares = zero
        for k in range(0, H4p, 8):
            u0, u1, u2, u3, u4, u5, u6, u7 = zero, zero, zero, zero, zero, zero, zero, zero
            for unit in range(H):
                h = vload(hs, h_old + unit * W)
                i = k * H + unit * 8
                u0 = u0 + vsplat(U, i) * h
                u1 = u1 + vsplat(U, i + 1) * h
                u2 = u2 + vsplat(U, i + 2) * h
                u3 = u3 + vsplat(U, i + 3) * h
                u4 = u4 + vsplat(U, i + 4) * h
                u5 = u5 + vsplat(U, i + 5) * h
                u6 = u6 + vsplat(U, i + 6) * h
                u7 = u7 + vsplat(U, i + 7) * h
            i = k * W
            vstore(us, i, u0 * vsplat(gain_u, k))
            vstore(us, i + W, u1 * vsplat(gain_u, k + 1))
            vstore(us, i + 2 * W, u2 * vsplat(gain_u, k + 2))
            vstore(us, i + 3 * W, u3 * vsplat(gain_u, k + 3))
            vstore(us, i + 4 * W, u4 * vsplat(gain_u, k + 4))
            vstore(us, i + 5 * W, u5 * vsplat(gain_u, k + 5))
            vstore(us, i + 6 * W, u6 * vsplat(gain_u, k + 6))
            vstore(us, i + 7 * W, u7 * vsplat(gain_u, k + 7))
            if norm_u:
                squares = squares + ((u0 * u0 + u1 * u1) + (u2 * u2 + u3 * u3))
                squares = squares + ((u4 * u4 + u5 * u5) + (u6 * u6 + u7 * u7))
        scale_u = one
        if norm_u:
            scale_u = vrsqrt(squares * per_gates + epsilon)

        total = zero
        for unit in range(H):
            k = 4 * unit
            u = vload(us, k * W) * scale_u + vsplat(shift, k)
            z_i = vload(xs, k * W) * scale_x + u
            k += 1
            u = vload(us, k * W) * scale_u + vsplat(shift, k)
            z_f = vload(xs, k * W) * scale_x + u
            k += 1
            u = vload(us, k * W) * scale_u + vsplat(shift, k)
            z_g = vload(xs, k * W) * scale_x + u
            k += 1
            u = vload(us, k * W) * scale_u + vsplat(shift, k)
            z_o = vload(xs, k * W) * scale_x + u
            in_i, in_f, in_o = vexp2s(z_i, z_f, z_o)
            vstore(gs, g_at + k * W, in_o)
            in_i, in_f, in_g = one + in_i, one + in_f, one + vabs(z_g)
            both = in_f * in_g
            shared = vreciprocal(in_i * both)  # one division for three gates
            gate_i = shared * both
            both = shared * in_i
            gate_f = both * in_g
            gate_g = both * in_f * z_g
            cell_old = vload(cs, h_old + unit * W)
            cell = gate_f * cell_old + gate_i * gate_g
            if keep:
                k -= 3
                vstore(gs, g_at + k * W, gate_i)
                vstore(gs, g_at + (k + 1) * W, gate_f)
                vstore(gs, g_at + (k + 2) * W, gate_g)
            vstore(cs, h_new + unit * W, vselect(mask, cell, cell_old))
            total = total + cell
        mean, scale_c = zero, one
        if norm_c:
            mean = total * per_units
            squares = zero
            for unit in range(H):
                centred = vload(cs, h_new + unit * W) - mean
                squares = squares + centred * centred
            scale_c = vrsqrt(squares * per_units + epsilon)
        y = vsplat(head, H)
        for unit in range(H):
            cell = (vload(cs, h_new + unit * W) - mean) * scale_c
            cell = cell * vsplat(gain_c, unit) + vsplat(shift_c, unit)
            in_o = one + vload(gs, g_at + (4 * unit + 3) * W)
            in_c = one + vabs(cell)
            both = vreciprocal(in_o * in_c)
            gate_o, soft = both * in_c, both * in_o * cell
            h = gate_o * soft
            y = y + vsplat(head, unit) * h
            if keep:
                vstore(gs, g_at + (4 * unit + 3) * W, gate_o)
                vstore(ss, s_at + unit * W, soft)
            vstore(hs, h_new + unit * W, vselect(mask, h, vload(hs, h_old + unit * W)))
        if keep:
            vstore(ms, kept * 4 * W, scale_x)
            vstore(ms, (kept * 4 + 1) * W, scale_u)
            vstore(ms, (kept * 4 + 2) * W, scale_c)
            vstore(ms, (kept * 4 + 3) * W, mean)
        for d in range(D):
            y = y + vload(a, d * W) * vload(c, d * q_stride + at)
        vstore(ys, t * W, vselect(mask, y, zero))
        if hidden.size:
            for unit in range(H):
                for b in range(n_lanes):
                    hidden[t, unit, lane + b] = hs[h_new + unit * W + b]
    return n_read if keep else n_read & 1


@compiled(nogil=True, error_model="numpy")
def load_block(first, width, edit, dims, norm_x, scratch, Q, C, col_ok, edit_bin, edit_Q, edit_C):
    """Fill the column slabs of a block; the last readable column of its slab."""
    q, c, col = scratch.q, scratch.c, scratch.col
    _fill_slab(q, Q, first, width, col_ok, 4, norm_x, edit, edit_bin, edit_Q)
    _fill_slab(c, C, first, width, col_ok, 1, False, edit, edit_bin, edit_C)
    col[:] = 0
    last = -1
    for r in range(min(width, col_ok.size - first)):
        if col_ok[first + r]:
            col[r], last = 1, r
    return last


@compiled(nogil=True, error_model="numpy")
def load_group(
    first,
    column,
    n_lanes,
    n_steps,
    last,
    dims,
    norm_x,
    scratch,
    P,
    A,
    row_ok,
    edit,
    edit_bin,
    edit_P,
    edit_A,
):
    """Fill the row slabs of a group; how many steps its lanes read."""
    p, a, row = scratch.p, scratch.a, scratch.row
    _fill_slab(p, P, first, n_lanes, row_ok, 4, norm_x, edit, edit_bin, edit_P)
    _fill_slab(a, A, first, n_lanes, row_ok, 1, False, edit, edit_bin, edit_A)
    row[:] = 0
    some = False
    for b in range(n_lanes):
        if row_ok[first + b]:
            row[b], some = 1, True
    return min(max(last - column + 1, 0), n_steps) if some else 0


@compiled(nogil=True, error_model="numpy")
def load_state(state, source, n_units, lane, n_lanes):
    state[: n_units * LANES] = 0
    if source.size:
        for unit in range(n_units):
            for b in range(n_lanes):
                state[unit * LANES + b] = source[lane + b, unit]


@compiled(nogil=True, error_model="numpy")
def store_lanes(target, values, n_units, lane, n_lanes):
    if target.size:
        for unit in range(n_units):
            for b in range(n_lanes):
                target[lane + b, unit] = values[unit * LANES + b]


@compiled(nogil=True, error_model="numpy")
def forward_blocks(
    lo,
    hi,
    blocks,
    dims,
    flags,
    eps,
    weights,
    scratch,
    inputs,
    ok,
    edit_bin,
    edits,
    states,
    y,
    hidden,
):
    """Outputs of blocks lo … hi - 1.

    `blocks` holds one (lane, n_lanes, row, column, n_steps, edit) each: lanes are columns of `y`,
    row and column where the first lane reads; edit -1 = none.
    """
    P, Q, A, C = inputs
    row_ok, col_ok = ok
    edit_P, edit_Q, edit_A, edit_C = edits
    h_first, c_first, h_last, c_last = states
    hs, cs, ys = scratch.hs, scratch.cs, scratch.ys
    H, W = dims[0], LANES
    reverse, norm_x = flags[0], flags[1]
    for number in range(lo, hi):
        first_lane, n_block = blocks[number, 0], blocks[number, 1]
        first_row, first_column = blocks[number, 2], blocks[number, 3]
        n_steps, edit = blocks[number, 4], blocks[number, 5]
        width = n_block + n_steps - 1
        last = load_block(
            first_column, width, edit, dims, norm_x, scratch, Q, C, col_ok, edit_bin, edit_Q, edit_C
        )
        for g in range(0, n_block, W):
            lane, n_lanes = first_lane + g, min(W, n_block - g)
            n_read = load_group(
                first_row + g,
                g,
                n_lanes,
                n_steps,
                last,
                dims,
                norm_x,
                scratch,
                P,
                A,
                row_ok,
                edit,
                edit_bin,
                edit_P,
                edit_A,
            )
            load_state(hs, h_first, H, lane, n_lanes)
            load_state(cs, c_first, H, lane, n_lanes)
            slot = forward_group(
                dims, flags, eps, weights, scratch, g, n_read, False, hidden, lane, n_lanes
            )
            for t in range(n_read):
                for b in range(n_lanes):
                    y[t, lane + b] = ys[t * W + b]
            y[n_read:, lane : lane + n_lanes] = 0
            if hidden.size:
                for t in range(n_read, n_steps):
                    for unit in range(H):
                        for b in range(n_lanes):
                            if reverse:
                                hidden[t, unit, lane + b] = (
                                    h_first[lane + b, unit] if h_first.size else 0
                                )
                            else:
                                hidden[t, unit, lane + b] = hs[(slot * H + unit) * W + b]
            store_lanes(h_last, hs[slot * H * W :], H, lane, n_lanes)
            store_lanes(c_last, cs[slot * H * W :], H, lane, n_lanes)
