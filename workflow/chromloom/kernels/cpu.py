"""The recurrence on the CPU: numba code over numpy arrays, compiled once and cached on disk.

Consecutive rows sit side by side in one vector: lane b of step t reads column b + t, so every load
of a transposed slab of Q is contiguous. A *group* is `LANES` rows, a *block* is `ROWS` rows, the
unit of work and of summation: what a block computes never depends on the number of threads, and
blocks are added in their order, so results are the same bits for any number of threads (they may
differ between machines of different vector width). One compiled kernel per dtype serves every size.

Layer norm: P, Q and U are centred beforehand, so that only the variance is left to compute. The
exponentials are powers of two (the factor log2 e sits in the packed weights), and the sigmoids of
one unit share a division. The backward keeps the gates of a group in L2 instead of computing them
again: reading them back is cheaper than 4H exponentials and 4H * H multiplications.

Everything lives in one file because numba's cache looks at the date of this file only.
"""

import functools
import itertools
import math
import operator
import os
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor

import numba
import numpy as np
from llvmlite import binding, ir
from numba import njit, types
from numba.core import cgutils
from numba.core.imputils import lower_builtin
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import intrinsic, models, register_model

LANES = 16 if binding.get_host_cpu_features().get("avx512f") else 8
ROWS = 64
SATURATION = 43.0  # sigmoids are cut at 2^-43: (1 + 2^43)^2 still fits float32
LOG2E = math.log2(math.e)
# 2^r on [-1/2, 1/2]: interpolation at Chebyshev nodes, relative error 3e-9 and 4e-16
_EXP2 = {
    types.float32: (
        *(1.0000000000000002, 0.6931472067028323, 0.24022650922288832, 0.05550327226670787),
        *(0.009618056678525198, 0.0013400428177439477, 0.0001546144469698307),
    ),
    types.float64: (
        *(1.0000000000000002, 0.693147180559945, 0.24022650695910208, 0.05550410866483159),
        *(0.009618129107528016, 0.0013333558146221896, 0.00015403530517673548),
        *(1.5252732644232843e-05, 1.3215416953704777e-06, 1.0178916701475711e-07),
        *(7.075299992021681e-09, 4.293107136519342e-10),
    ),
}


def _find_cache():
    """Point numba's cache at a temporary folder where neither this folder nor home is writable."""
    here, home = os.path.dirname(__file__), os.path.expanduser("~")
    writable = any(os.access(folder, os.W_OK) for folder in (here, home))
    if not numba.config.CACHE_DIR and not writable:
        numba.config.CACHE_DIR = os.path.join(tempfile.gettempdir(), f"chromloom-{os.getuid()}")


_find_cache()


# --- vectors of LANES numbers ---------------------------------------------------------------------


class Vector(types.Type):
    """LANES numbers in vector registers."""

    def __init__(self, dtype):
        self.dtype = dtype
        super().__init__(f"Vector({dtype}, {LANES})")


@register_model(Vector)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, dmm, fe_type):
        number = ir.FloatType() if fe_type.dtype == types.float32 else ir.DoubleType()
        super().__init__(dmm, fe_type, ir.VectorType(number, LANES))


def _define_operator(op, instruction):
    @infer_global(op)
    class _Template(AbstractTemplate):
        def generic(self, args, kws):
            if len(args) == 2 and all(isinstance(arg, Vector) for arg in args):
                return signature(args[0], *args)

    @lower_builtin(op, Vector, Vector)
    def _lower(context, builder, sig, args):
        return getattr(builder, instruction)(*args, flags=("contract",))


for _op, _instruction in (
    (operator.add, "fadd"),
    (operator.sub, "fsub"),
    (operator.mul, "fmul"),
    (operator.truediv, "fdiv"),
):
    _define_operator(_op, _instruction)


def _element_pointer(context, builder, array_type, array, index):
    data = context.make_array(array_type)(context, builder, array).data
    return builder.gep(data, [index])


def _splat(builder, number, vector_type):
    first = builder.insert_element(
        ir.Constant(vector_type, ir.Undefined), number, ir.Constant(ir.IntType(32), 0)
    )
    zeros = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
    return builder.shuffle_vector(first, first, zeros)


def _constant(vector_type, value):
    return ir.Constant(vector_type, [value] * LANES)


def _call(builder, name, result, args):
    kind = "f32" if isinstance(result.element, ir.FloatType) else "f64"
    function_type = ir.FunctionType(result, [arg.type for arg in args])
    function = cgutils.get_or_insert_function(
        builder.module, function_type, f"llvm.{name}.v{LANES}{kind}"
    )
    return builder.call(function, args)


@intrinsic
def vload(typingctx, array, index):
    """LANES consecutive numbers of a flat array, from `index`."""

    def codegen(context, builder, sig, args):
        pointer = _element_pointer(context, builder, sig.args[0], *args)
        vector = context.get_value_type(sig.return_type)
        return builder.load(
            builder.bitcast(pointer, vector.as_pointer()), align=sig.args[0].dtype.bitwidth // 8
        )

    return signature(Vector(array.dtype), array, types.intp), codegen


@intrinsic
def vstore(typingctx, array, index, value):
    """Write LANES consecutive numbers."""

    def codegen(context, builder, sig, args):
        pointer = _element_pointer(context, builder, sig.args[0], *args[:2])
        pointer = builder.bitcast(pointer, args[2].type.as_pointer())
        builder.store(args[2], pointer, align=sig.args[0].dtype.bitwidth // 8)
        return context.get_dummy_value()

    return signature(types.void, array, types.intp, Vector(array.dtype)), codegen


@intrinsic
def vsplat(typingctx, array, index):
    """One number of a flat array in every lane."""

    def codegen(context, builder, sig, args):
        number = builder.load(_element_pointer(context, builder, sig.args[0], *args))
        return _splat(builder, number, context.get_value_type(sig.return_type))

    return signature(Vector(array.dtype), array, types.intp), codegen


@intrinsic
def vfill(typingctx, array, number):
    """`number` in every lane, in the dtype of `array`."""

    def codegen(context, builder, sig, args):
        return _splat(builder, args[1], context.get_value_type(sig.return_type))

    return signature(Vector(array.dtype), array, array.dtype), codegen


@intrinsic
def vsqrt(typingctx, x):
    """Square root."""

    def codegen(context, builder, sig, args):
        return _call(builder, "sqrt", args[0].type, args)

    return signature(x, x), codegen


@intrinsic
def vabs(typingctx, x):
    """Absolute value."""

    def codegen(context, builder, sig, args):
        return _call(builder, "fabs", args[0].type, args)

    return signature(x, x), codegen


@intrinsic
def vselect(typingctx, mask, x, y):
    """x where mask is not 0, else y."""

    def codegen(context, builder, sig, args):
        read = builder.fcmp_unordered("!=", args[0], _constant(args[0].type, 0.0))
        return builder.select(read, args[1], args[2])

    return signature(x, mask, x, y), codegen


@intrinsic
def vexp2(typingctx, x):
    """2^x for x cut to [-SATURATION, SATURATION]."""
    coefficients = _EXP2[x.dtype]
    bits, mantissa = (32, 23) if x.dtype == types.float32 else (64, 52)

    def codegen(context, builder, sig, args):
        (value,) = args
        vector, integer = value.type, ir.VectorType(ir.IntType(bits), LANES)
        for comparison, bound in (("<", -SATURATION), (">", SATURATION)):
            limit = _constant(vector, bound)
            outside = builder.fcmp_ordered(comparison, value, limit)
            value = builder.select(outside, limit, value)
        whole = _call(builder, "rint", vector, [value])
        rest = builder.fsub(value, whole)
        result = _constant(vector, coefficients[-1])
        for coefficient in coefficients[-2::-1]:
            result = builder.fmul(result, rest, flags=("contract",))
            result = builder.fadd(result, _constant(vector, coefficient), flags=("contract",))
        exponent = builder.shl(builder.fptosi(whole, integer), _constant(integer, mantissa))
        return builder.bitcast(builder.add(builder.bitcast(result, integer), exponent), vector)

    return signature(x, x), codegen


@intrinsic
def vsum(typingctx, x):
    """Sum of the lanes, pairwise."""

    def codegen(context, builder, sig, args):
        parts = [
            builder.extract_element(args[0], ir.Constant(ir.IntType(32), lane))
            for lane in range(LANES)
        ]
        while len(parts) > 1:
            half = len(parts) // 2
            parts = [builder.fadd(a, b) for a, b in zip(parts[:half], parts[half:])]
        return parts[0]

    return signature(x.dtype, x), codegen


@intrinsic
def vdecode(typingctx, like, codes, index, fixed):
    """LANES 16-bit targets as numbers in the dtype of `like`.

    Where `fixed`, code / 65534; else float16, with infinities and NaN above 65504.
    """
    bits, shift, exponent = (32, 13, 112) if like.dtype == types.float32 else (64, 42, 1008)

    def codegen(context, builder, sig, args):
        _, codes_value, index_value, is_fixed = args
        vector = context.get_value_type(sig.return_type)
        integer, half = ir.VectorType(ir.IntType(bits), LANES), ir.VectorType(ir.IntType(16), LANES)
        pointer = _element_pointer(context, builder, sig.args[1], codes_value, index_value)
        code = builder.zext(
            builder.load(builder.bitcast(pointer, half.as_pointer()), align=2), integer
        )
        linear = builder.fmul(builder.uitofp(code, vector), _constant(vector, 1 / 65534))
        magnitude = builder.shl(
            builder.and_(code, _constant(integer, 0x7FFF)), _constant(integer, shift)
        )
        magnitude = builder.fmul(
            builder.bitcast(magnitude, vector), _constant(vector, 2.0**exponent)
        )
        negative = builder.icmp_unsigned(">", code, _constant(integer, 0x7FFF))
        floating = builder.select(negative, builder.fneg(magnitude), magnitude)
        return builder.select(is_fixed, linear, floating)

    return signature(Vector(like.dtype), like, codes, types.intp, types.boolean), codegen


@intrinsic
def vwithin(typingctx, x, limit):
    """1 where |x| <= limit, else (also for NaN) 0."""

    def codegen(context, builder, sig, args):
        vector = args[0].type
        size = _call(builder, "fabs", vector, args[:1])
        inside = builder.fcmp_ordered("<=", size, _splat(builder, args[1], vector))
        return builder.select(inside, _constant(vector, 1.0), _constant(vector, 0.0))

    return signature(x, x, x.dtype), codegen


# --- scratch and packed weights -------------------------------------------------------------------
#
# Inside, the 4H gate rows are in unit-major order (row 4k + gate of unit k), padded to an even
# number of units where the recurrent projection is computed eight rows at a time. A row of a
# scratch array is one vector; the columns of the slabs `q`, `c` and `col` are contiguous.


def slab_width(n_steps):
    """Columns that a block's lanes read, and room for the last vector, in whole vectors."""
    return (ROWS + n_steps - 1) // LANES * LANES + 2 * LANES


def make_scratch(hidden, depth, n_steps, keep, dtype):
    """Arrays of one thread: the order is that of the unpacking in the kernels."""
    W, H4, slab = LANES, 4 * hidden, slab_width(n_steps)
    H4p = H4 + 4 * (hidden % 2)
    slots, kept, back = (n_steps + 1, n_steps, 1) if keep else (2, 1, 0)
    sizes = (
        *(H4 * W, depth * W, W, H4 * slab, depth * slab, slab),  # p a row q c col
        *(slots * hidden * W, slots * hidden * W, kept * hidden * W),  # hs cs ss
        *(kept * H4 * W, kept * H4p * W, kept * 4 * W, n_steps * W),  # gs us ms ys
        *(back * H4 * W, back * depth * W),  # p_grad a_grad
        *(back * 3 * H4 * W, back * (3 * hidden + 1) * W),  # gate_acc unit_acc
        *(back * H4p * hidden * W, back * (hidden + 7) * W, back * hidden * W),  # u_acc dh dc
    )
    memory = np.empty(sum(sizes) + 64, dtype)
    start = -memory.ctypes.data % 64 // memory.itemsize
    ends = start + np.cumsum((0, *sizes))
    return tuple(memory[a:b] for a, b in itertools.pairwise(ends))


def unit_major(hidden):
    """Where the rows of the unit-major order stand in the order i, f, g, o."""
    return np.arange(4 * hidden).reshape(4, hidden).T.ravel()


def pack_weights(spec, U, b, gain_x, shift_x, gain_u, shift_u, gain_c, shift_c, w, bias):
    """Weights (numpy, None where a norm is off) in the order and scale of the kernels."""
    H = spec.hidden
    order, dtype = unit_major(H), U.dtype
    if spec.norm_recurrent:
        U = U - U.mean(0)
    shift = b.copy()
    for extra in (shift_x if spec.norm_input else None, shift_u if spec.norm_recurrent else None):
        if extra is not None:
            shift += extra
    ones = np.ones(4 * H, dtype)
    gain_x = (gain_x if spec.norm_input else ones)[order]
    gain_u = (gain_u if spec.norm_recurrent else ones)[order]
    gain_c, shift_c = (gain_c, shift_c) if spec.norm_cell else (ones[:H], ones[:H] * 0)
    log2e = np.tile(np.array([-LOG2E, -LOG2E, 1, -LOG2E], dtype), H)
    rows = np.zeros((4 * (H + H % 2), H), dtype)
    rows[: 4 * H] = U[order]
    columns = np.zeros((len(rows), (H + 7) // 8 * 8), dtype)
    columns[:, :H] = rows
    return tuple(
        np.ascontiguousarray(part, dtype).ravel()
        for part in (
            rows.reshape(-1, 8, H).transpose(0, 2, 1),  # (row block, l, 8 rows)
            columns.reshape(len(rows), -1, 8).transpose(1, 0, 2),  # (l block, row, 8 l)
            *(gain_x * log2e, gain_u * log2e, shift[order] * log2e),
            *(gain_x, gain_u, gain_c, shift_c, np.append(w, bias)),
        )
    )


# --- forward --------------------------------------------------------------------------------------


@njit(nogil=True, cache=True, error_model="numpy")
def _fill_slab(slab, source, first, width, ok, n_units, centre, edit, edit_bin, edit_source):
    """Transpose rows first … first + width - 1 of `source` into `slab`, unit-major if n_units.

    Rows that are not ok are 0; the row that the edit replaces comes from `edit_source`.
    """
    depth = source.shape[1]
    if depth == 0:
        return
    stride = slab.size // depth
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
        for k in range(depth):
            to = (k % n_units) * 4 + k // n_units if n_units else k
            slab[to * stride + r] = row[k] - mean


@njit(nogil=True, cache=True, error_model="numpy")
def _forward_group(
    dims, flags, eps, weights, scratch, first_column, n_read, keep, hidden, lane, n_lanes
):
    """Run one group from the state in slot 0 over its first n_read steps; the last slot used."""
    H, D, _ = dims
    reverse, norm_x, norm_u, norm_c = flags
    U, _, gain_x, gain_u, shift, _, _, gain_c, shift_c, head = weights
    p, a, row, q, c, col, hs, cs, ss, gs, us, ms, ys, _, _, _, _, _, _, _ = scratch
    W = LANES
    H4, H4p = 4 * H, 4 * (H + H % 2)
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
        u_at, g_at, s_at = kept * H4p * W, kept * H4 * W, kept * H * W
        mask = vload(row, 0) * vload(col, at)

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
            i = u_at + k * W
            vstore(us, i, u0)
            vstore(us, i + W, u1)
            vstore(us, i + 2 * W, u2)
            vstore(us, i + 3 * W, u3)
            vstore(us, i + 4 * W, u4)
            vstore(us, i + 5 * W, u5)
            vstore(us, i + 6 * W, u6)
            vstore(us, i + 7 * W, u7)
            if norm_u:
                squares = squares + ((u0 * u0 + u1 * u1) + (u2 * u2 + u3 * u3))
                squares = squares + ((u4 * u4 + u5 * u5) + (u6 * u6 + u7 * u7))
        scale_u = one
        if norm_u:
            scale_u = one / vsqrt(squares * per_gates + epsilon)
        scale_x = one
        if norm_x:
            squares = zero
            for k in range(0, H4, 4):
                x0 = vload(p, k * W) + vload(q, k * q_stride + at)
                x1 = vload(p, (k + 1) * W) + vload(q, (k + 1) * q_stride + at)
                x2 = vload(p, (k + 2) * W) + vload(q, (k + 2) * q_stride + at)
                x3 = vload(p, (k + 3) * W) + vload(q, (k + 3) * q_stride + at)
                squares = squares + ((x0 * x0 + x1 * x1) + (x2 * x2 + x3 * x3))
            scale_x = one / vsqrt(squares * per_gates + epsilon)

        total = zero
        for unit in range(H):
            k = 4 * unit
            x = (vload(p, k * W) + vload(q, k * q_stride + at)) * scale_x
            u = vload(us, u_at + k * W) * scale_u
            z = x * vsplat(gain_x, k) + (u * vsplat(gain_u, k) + vsplat(shift, k))
            in_i = one + vexp2(z)
            k += 1
            x = (vload(p, k * W) + vload(q, k * q_stride + at)) * scale_x
            u = vload(us, u_at + k * W) * scale_u
            z = x * vsplat(gain_x, k) + (u * vsplat(gain_u, k) + vsplat(shift, k))
            in_f = one + vexp2(z)
            k += 1
            x = (vload(p, k * W) + vload(q, k * q_stride + at)) * scale_x
            u = vload(us, u_at + k * W) * scale_u
            z_g = x * vsplat(gain_x, k) + (u * vsplat(gain_u, k) + vsplat(shift, k))
            in_g = one + vabs(z_g)
            k += 1
            x = (vload(p, k * W) + vload(q, k * q_stride + at)) * scale_x
            u = vload(us, u_at + k * W) * scale_u
            z = x * vsplat(gain_x, k) + (u * vsplat(gain_u, k) + vsplat(shift, k))
            vstore(gs, g_at + k * W, vexp2(z))
            shared = one / (in_i * in_f * in_g)  # one division for three gates
            gate_i = shared * in_f * in_g
            gate_f = shared * in_i * in_g
            gate_g = shared * in_i * in_f * z_g
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
            scale_c = one / vsqrt(squares * per_units + epsilon)
        y = vsplat(head, H)
        for unit in range(H):
            cell = (vload(cs, h_new + unit * W) - mean) * scale_c
            cell = cell * vsplat(gain_c, unit) + vsplat(shift_c, unit)
            in_o = one + vload(gs, g_at + (4 * unit + 3) * W)
            in_c = one + vabs(cell)
            both = one / (in_o * in_c)
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


@njit(nogil=True, cache=True, error_model="numpy")
def _load_block(first, width, edit, dims, norm_x, scratch, Q, C, col_ok, edit_bin, edit_Q, edit_C):
    """Fill the column slabs of a block; the last readable column of its slab."""
    _, _, _, q, c, col, _, _, _, _, _, _, _, _, _, _, _, _, _, _ = scratch
    _fill_slab(q, Q, first, width, col_ok, dims[0], norm_x, edit, edit_bin, edit_Q)
    _fill_slab(c, C, first, width, col_ok, 0, False, edit, edit_bin, edit_C)
    col[:] = 0
    last = -1
    for r in range(min(width, col_ok.size - first)):
        if col_ok[first + r]:
            col[r], last = 1, r
    return last


@njit(nogil=True, cache=True, error_model="numpy")
def _load_group(
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
    p, a, row, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _ = scratch
    _fill_slab(p, P, first, n_lanes, row_ok, dims[0], norm_x, edit, edit_bin, edit_P)
    _fill_slab(a, A, first, n_lanes, row_ok, 0, False, edit, edit_bin, edit_A)
    row[:] = 0
    some = False
    for b in range(n_lanes):
        if row_ok[first + b]:
            row[b], some = 1, True
    return min(max(last - column + 1, 0), n_steps) if some else 0


@njit(nogil=True, cache=True, error_model="numpy")
def _load_state(state, source, n_units, lane, n_lanes):
    state[: n_units * LANES] = 0
    if source.size:
        for unit in range(n_units):
            for b in range(n_lanes):
                state[unit * LANES + b] = source[lane + b, unit]


@njit(nogil=True, cache=True, error_model="numpy")
def _store_lanes(target, values, n_units, lane, n_lanes):
    if target.size:
        for unit in range(n_units):
            for b in range(n_lanes):
                target[lane + b, unit] = values[unit * LANES + b]


@njit(nogil=True, cache=True, error_model="numpy")
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
    _, _, _, _, _, _, hs, cs, _, _, _, _, ys, _, _, _, _, _, _, _ = scratch
    H, W = dims[0], LANES
    reverse, norm_x = flags[0], flags[1]
    for number in range(lo, hi):
        first_lane, n_block = blocks[number, 0], blocks[number, 1]
        first_row, first_column = blocks[number, 2], blocks[number, 3]
        n_steps, edit = blocks[number, 4], blocks[number, 5]
        width = n_block + n_steps - 1
        last = _load_block(
            first_column, width, edit, dims, norm_x, scratch, Q, C, col_ok, edit_bin, edit_Q, edit_C
        )
        for g in range(0, n_block, W):
            lane, n_lanes = first_lane + g, min(W, n_block - g)
            n_read = _load_group(
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
            _load_state(hs, h_first, H, lane, n_lanes)
            _load_state(cs, c_first, H, lane, n_lanes)
            slot = _forward_group(
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
            _store_lanes(h_last, hs[slot * H * W :], H, lane, n_lanes)
            _store_lanes(c_last, cs[slot * H * W :], H, lane, n_lanes)


# --- backward -------------------------------------------------------------------------------------


@njit(nogil=True, cache=True, error_model="numpy")
def _outer_products(u_acc, us, hs, H, H4p, first, last):
    """u_acc[k, l] += sum over steps of us[k] hs[l], 4 x 4 sums at a time in registers."""
    W = LANES
    for k in range(0, H4p, 4):
        for unit in range(0, H - 3, 4):
            i = (k * H + unit) * W
            j, m, n = i + H * W, i + 2 * H * W, i + 3 * H * W
            s00, s01 = vload(u_acc, i), vload(u_acc, i + W)
            s02, s03 = vload(u_acc, i + 2 * W), vload(u_acc, i + 3 * W)
            s10, s11 = vload(u_acc, j), vload(u_acc, j + W)
            s12, s13 = vload(u_acc, j + 2 * W), vload(u_acc, j + 3 * W)
            s20, s21 = vload(u_acc, m), vload(u_acc, m + W)
            s22, s23 = vload(u_acc, m + 2 * W), vload(u_acc, m + 3 * W)
            s30, s31 = vload(u_acc, n), vload(u_acc, n + W)
            s32, s33 = vload(u_acc, n + 2 * W), vload(u_acc, n + 3 * W)
            for step in range(first, last):
                at, from_h = (step * H4p + k) * W, (step * H + unit) * W
                u0, u1 = vload(us, at), vload(us, at + W)
                u2, u3 = vload(us, at + 2 * W), vload(us, at + 3 * W)
                h = vload(hs, from_h)
                s00, s10, s20, s30 = s00 + u0 * h, s10 + u1 * h, s20 + u2 * h, s30 + u3 * h
                h = vload(hs, from_h + W)
                s01, s11, s21, s31 = s01 + u0 * h, s11 + u1 * h, s21 + u2 * h, s31 + u3 * h
                h = vload(hs, from_h + 2 * W)
                s02, s12, s22, s32 = s02 + u0 * h, s12 + u1 * h, s22 + u2 * h, s32 + u3 * h
                h = vload(hs, from_h + 3 * W)
                s03, s13, s23, s33 = s03 + u0 * h, s13 + u1 * h, s23 + u2 * h, s33 + u3 * h
            vstore(u_acc, i, s00)
            vstore(u_acc, i + W, s01)
            vstore(u_acc, i + 2 * W, s02)
            vstore(u_acc, i + 3 * W, s03)
            vstore(u_acc, j, s10)
            vstore(u_acc, j + W, s11)
            vstore(u_acc, j + 2 * W, s12)
            vstore(u_acc, j + 3 * W, s13)
            vstore(u_acc, m, s20)
            vstore(u_acc, m + W, s21)
            vstore(u_acc, m + 2 * W, s22)
            vstore(u_acc, m + 3 * W, s23)
            vstore(u_acc, n, s30)
            vstore(u_acc, n + W, s31)
            vstore(u_acc, n + 2 * W, s32)
            vstore(u_acc, n + 3 * W, s33)
        for unit in range(H - H % 4, H):
            for row in range(k, k + 4):
                i = (row * H + unit) * W
                total = vload(u_acc, i)
                for step in range(first, last):
                    u = vload(us, (step * H4p + row) * W)
                    total = total + u * vload(hs, (step * H + unit) * W)
                vstore(u_acc, i, total)


@njit(nogil=True, cache=True, error_model="numpy")
def _add_hidden_grad(dh, hidden_grad, t, n_units, lane, n_lanes):
    for unit in range(n_units):
        for b in range(n_lanes):
            dh[unit * LANES + b] += hidden_grad[t, unit, lane + b]


@njit(nogil=True, cache=True, error_model="numpy")
def _backward_group(
    dims, flags, weights, scratch, first_column, n_read, q_grad, c_grad, hidden_grad, lane, n_lanes
):
    """Gradients of one group; `ys` holds those of the outputs, `dh` and `dc` of the last state."""
    H, D, _ = dims
    reverse, norm_x, norm_u, norm_c = flags
    _, U, _, _, _, gain_x, gain_u, gain_c, _, head = weights
    (
        p,
        a,
        row,
        q,
        c,
        col,
        hs,
        cs,
        ss,
        gs,
        us,
        ms,
        ys,
        p_grad,
        a_grad,
        acc,
        acc_unit,
        u_acc,
        dh,
        dc,
    ) = scratch
    W = LANES
    H4, H4p = 4 * H, 4 * (H + H % 2)
    q_stride = col.size
    zero, one = vfill(ys, 0), vfill(ys, 1)
    per_gates, per_units = vfill(ys, 1 / H4), vfill(ys, 1 / H)
    chunk = max(16, H // 2)
    for n in range(n_read - 1, -1, -1):
        t = n_read - 1 - n if reverse else n
        at = first_column + t
        old, new = n * H * W, (n + 1) * H * W
        u_at, g_at, s_at = n * H4p * W, n * H4 * W, n * H * W
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
        sum_x, sum_u = zero, zero
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
            vstore(gs, k, d_cell * gate_g * gate_i * (one - gate_i))
            vstore(gs, k + W, d_cell * vload(cs, old + i) * gate_f * (one - gate_f))
            vstore(gs, k + 2 * W, d_cell * gate_i * slope * slope)
            for k in range(4 * unit, 4 * unit + 4):
                dz = vload(gs, g_at + k * W)
                vstore(acc, (2 * H4 + k) * W, vload(acc, (2 * H4 + k) * W) + dz)
                if norm_x:
                    x = (vload(p, k * W) + vload(q, k * q_stride + at)) * scale_x
                    dx = dz * x
                    vstore(acc, k * W, vload(acc, k * W) + dx)
                    sum_x = sum_x + dx * vsplat(gain_x, k)
                if norm_u:
                    du = dz * vload(us, u_at + k * W) * scale_u
                    vstore(acc, (H4 + k) * W, vload(acc, (H4 + k) * W) + du)
                    sum_u = sum_u + du * vsplat(gain_u, k)
        sum_x, sum_u = sum_x * per_gates, sum_u * per_gates

        # projections; the gradient of U h takes its place in `us`
        for k in range(H4):
            dz = vload(gs, g_at + k * W)
            dx = dz
            if norm_x:
                x = (vload(p, k * W) + vload(q, k * q_stride + at)) * scale_x
                dx = scale_x * (dz * vsplat(gain_x, k) - x * sum_x)
            du = dz
            if norm_u:
                u = vload(us, u_at + k * W) * scale_u
                du = scale_u * (dz * vsplat(gain_u, k) - u * sum_u)
            vstore(us, u_at + k * W, du)
            vstore(p_grad, k * W, vload(p_grad, k * W) + dx)
            vstore(q_grad, k * q_stride + at, vload(q_grad, k * q_stride + at) + dx)
        for d in range(D):
            da = vload(a_grad, d * W) + dy * vload(c, d * q_stride + at)
            vstore(a_grad, d * W, da)
            d_column = vload(c_grad, d * q_stride + at) + dy * vload(a, d * W)
            vstore(c_grad, d * q_stride + at, d_column)

        # state before the step
        for first in range(0, H, 8):
            h0, h1, h2, h3, h4, h5, h6, h7 = zero, zero, zero, zero, zero, zero, zero, zero
            for k in range(H4):
                du = vload(us, u_at + k * W)
                i = first * H4p + k * 8
                h0 = h0 + vsplat(U, i) * du
                h1 = h1 + vsplat(U, i + 1) * du
                h2 = h2 + vsplat(U, i + 2) * du
                h3 = h3 + vsplat(U, i + 3) * du
                h4 = h4 + vsplat(U, i + 4) * du
                h5 = h5 + vsplat(U, i + 5) * du
                h6 = h6 + vsplat(U, i + 6) * du
                h7 = h7 + vsplat(U, i + 7) * du
            i = first * W
            vstore(dh, i, vselect(mask, h0, vload(dh, i)))
            vstore(dh, i + W, vselect(mask, h1, vload(dh, i + W)))
            vstore(dh, i + 2 * W, vselect(mask, h2, vload(dh, i + 2 * W)))
            vstore(dh, i + 3 * W, vselect(mask, h3, vload(dh, i + 3 * W)))
            vstore(dh, i + 4 * W, vselect(mask, h4, vload(dh, i + 4 * W)))
            vstore(dh, i + 5 * W, vselect(mask, h5, vload(dh, i + 5 * W)))
            vstore(dh, i + 6 * W, vselect(mask, h6, vload(dh, i + 6 * W)))
            vstore(dh, i + 7 * W, vselect(mask, h7, vload(dh, i + 7 * W)))
        if n % chunk == 0:
            _outer_products(u_acc, us, hs, H, H4p, n, min(n + chunk, n_read))


@njit(nogil=True, cache=True, error_model="numpy")
def _loss_group(
    scratch, first_column, n_read, codes, values, kind, dist_weight, sigmoid, lane, n_lanes
):
    """Squared error of one group; `ys` goes from raw outputs to their gradients.

    Targets are `values` (kind 1), or 16-bit `codes`: float16 (kind 2) or fixed point (kind 3).
    """
    _, _, row, _, _, col, _, _, _, _, _, _, ys, _, _, _, _, _, _, _ = scratch
    W = LANES
    zero, one, two = vfill(ys, 0), vfill(ys, 1), vfill(ys, 2)
    to_exponent = vfill(ys, -LOG2E)
    code_tail, value_tail = np.zeros(W, codes.dtype), np.zeros(W, values.dtype)
    flat_codes, flat_values = codes.reshape(-1), values.reshape(-1)
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
            if n_lanes == W:
                target = vload(flat_values, start)
            else:
                value_tail[:n_lanes] = flat_values[start : start + n_lanes]
                target = vload(value_tail, 0)
        elif n_lanes == W:
            target = vdecode(ys, flat_codes, start, kind == 3)
        else:
            code_tail[:n_lanes] = flat_codes[start : start + n_lanes]
            target = vdecode(ys, code_tail, 0, kind == 3)
        known = vwithin(target, largest) * vload(row, 0) * vload(col, first_column + t)
        out = vload(ys, t * W)
        slope = one
        if sigmoid:
            out = one / (one + vexp2(out * to_exponent))
            slope = out * (one - out)
        error = vselect(known, out - target, zero)
        weighted = error * vsplat(dist_weight, t)
        total = total + weighted * error
        vstore(ys, t * W, two * weighted * slope)
    return vsum(total)


@njit(nogil=True, cache=True, error_model="numpy")
def _sum_lanes(out, at, acc, n_rows):
    for k in range(n_rows):
        out[at + k] = vsum(vload(acc, k * LANES))
    return at + n_rows


@njit(nogil=True, cache=True, error_model="numpy")
def _store_row_grad(out, grad, n_units, centre, lane, n_lanes):
    """Copy a group's gradient to rows of `out`; back to the order i, f, g, o if n_units."""
    depth = out.shape[1]
    for b in range(n_lanes):
        mean = grad[0] * 0 if depth else 0
        if centre:
            for k in range(depth):
                mean += grad[k * LANES + b]
            mean /= depth
        for k in range(depth):
            to = (k % 4) * n_units + k // 4 if n_units else k
            out[lane + b, to] = grad[k * LANES + b] - mean


@njit(nogil=True, cache=True, error_model="numpy")
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
    loss_settings,
    grads_in,
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
    codes, values, dist_weight = targets
    kind, sigmoid = loss_settings
    y_grad, hidden_grad, h_grad, c_grad = grads_in
    P_grad, A_grad, h_first_grad, c_first_grad = grads_out
    Q_slabs, C_slabs = slabs
    _, _, _, _, _, _, hs, cs, _, _, _, _, ys, p_grad, a_grad, acc, acc_unit, u_acc, dh, dc = scratch
    H, _, L = dims
    W, reverse, norm_x = LANES, flags[0], flags[1]
    none = np.empty(0, np.int64)
    no_hidden = np.empty((0, 0, 0), ys.dtype)
    for number in range(lo, hi):
        first_lane = number * ROWS
        n_block = min(ROWS, n_rows - first_lane)
        width = n_block + L - 1
        last = _load_block(first_lane, width, -1, dims, norm_x, scratch, Q, C, col_ok, none, Q, C)
        acc[:], acc_unit[:], u_acc[:] = 0, 0, 0
        q_slab, c_slab = Q_slabs[number], C_slabs[number]
        q_slab[:], c_slab[:] = 0, 0
        loss = 0.0
        for g in range(0, n_block, W):
            lane, n_lanes = first_lane + g, min(W, n_block - g)
            n_read = _load_group(
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
            _load_state(hs, h_first, H, lane, n_lanes)
            _load_state(cs, c_first, H, lane, n_lanes)
            _forward_group(dims, flags, eps, weights, scratch, g, n_read, True, no_hidden, 0, 0)
            if kind:
                loss += _loss_group(
                    scratch,
                    g,
                    n_read,
                    codes,
                    values,
                    kind,
                    dist_weight,
                    sigmoid,
                    lane,
                    n_lanes,
                )
            else:
                ys[:] = 0
                for t in range(n_read):
                    for b in range(n_lanes):
                        ys[t * W + b] = y_grad[t, lane + b]
            _load_state(dh, h_grad, H, lane, n_lanes)
            _load_state(dc, c_grad, H, lane, n_lanes)
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
            _store_row_grad(P_grad, p_grad, H, norm_x, lane, n_lanes)
            _store_row_grad(A_grad, a_grad, 0, False, lane, n_lanes)
            _store_lanes(h_first_grad, dh, H, lane, n_lanes)
            _store_lanes(c_first_grad, dc, H, lane, n_lanes)
        at = _sum_lanes(weight_grads[number], 0, u_acc, 4 * H * H)
        at = _sum_lanes(weight_grads[number], at, acc, 12 * H)
        _sum_lanes(weight_grads[number], at, acc_unit, 3 * H + 1)
        losses[number] = loss


@njit(nogil=True, cache=True, error_model="numpy")
def reduce_slabs(lo, hi, slabs, n_units, centre, out):
    """Columns lo … hi - 1 of the gradient: the blocks' slabs added in order."""
    depth = out.shape[1]
    if depth == 0:
        return
    stride = slabs.shape[1] // depth
    out[lo:hi] = 0
    for number in range(slabs.shape[0]):
        start = number * ROWS
        for k in range(depth):
            to = (k % 4) * n_units + k // 4 if n_units else k
            for r in range(max(lo, start), min(hi, start + stride)):
                out[r, to] += slabs[number, k * stride + r - start]
    if centre:
        for r in range(lo, hi):
            mean = out[r, 0] * 0
            for k in range(depth):
                mean += out[r, k]
            mean /= depth
            for k in range(depth):
                out[r, k] -= mean


# --- threads --------------------------------------------------------------------------------------

_local = threading.local()


@functools.lru_cache(1)
def _pool(n_threads, process):
    """Threads of this process (a forked one would wait for its parent's for ever)."""
    return ThreadPoolExecutor(n_threads, thread_name_prefix="kernels")


def _scratch(*key):
    """This thread's scratch; only the last two sizes are kept."""
    kept = _local.__dict__.setdefault("kept", {})
    if key not in kept:
        if len(kept) > 1:
            kept.pop(next(iter(kept)))
        kept[key] = make_scratch(*key)
    return kept[key]


def _share(work, n_items, n_threads, pieces=4):
    """Call work(lo, hi) over 0 … n_items, cut finer than the threads so that none waits long."""
    if n_threads == 1 or n_items < 2:
        work(0, n_items)
        return
    cuts = np.linspace(0, n_items, min(n_items, pieces * n_threads) + 1).astype(int)
    list(_pool(n_threads, os.getpid()).map(work, cuts[:-1], cuts[1:]))


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

    _share(work, len(blocks), n_threads)
    return y, hidden, last


def backward(spec, weights, inputs, ok, *, n_steps, n_threads, state=None, loss=None, grads=None):
    """Gradients of a tile: of a loss = (target, dist_weight, sigmoid), or given those of outputs.

    Parameters
    ----------
    grads : (y, hidden, h, c)
        Gradients of what `forward` returned; empty arrays for zero.

    Returns
    -------
    loss : float
    grads : dict of arrays P, Q, A, C, h, c and `weights` (float64, see `unpack_weight_grad`)
    """
    P, Q, A, C = inputs
    dims, flags = _dims(spec, A, n_steps)
    (H, D, _), dtype, B = dims, P.dtype, len(P)
    n_blocks = -(-B // ROWS)
    none = np.empty((0, 0), dtype)
    first = state or (none, none)
    targets, settings = (np.empty((0, 0), np.uint16), none, none[0:0].ravel()), (0, False)
    grads = grads or (none, none.reshape(0, 0, 0), none, none)
    if loss is not None:
        target, dist_weight, sigmoid = loss
        kind = {"float16": 2, "uint16": 3}.get(target.dtype.name, 1)
        codes = target.view(np.uint16) if kind > 1 else targets[0]
        targets = (codes, none if kind > 1 else target.astype(dtype, copy=False), dist_weight)
        settings = (kind, sigmoid)
    slab = slab_width(n_steps)
    slabs = np.empty((n_blocks, 4 * H * slab), dtype), np.empty((n_blocks, D * slab), dtype)
    weight_grads = np.empty((n_blocks, 4 * H * H + 15 * H + 1), dtype)
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
            *(targets, settings, grads, rows_out, slabs, weight_grads, losses),
        )

    def reduce(lo, hi):
        reduce_slabs(lo, hi, slabs[0], H, spec.norm_input, out["Q"])
        reduce_slabs(lo, hi, slabs[1], 0, False, out["C"])

    _share(work, n_blocks, n_threads)
    _share(reduce, len(Q), n_threads, pieces=1)
    out["weights"] = weight_grads.sum(0, dtype=np.float64)
    return losses.sum(), out


def unpack_weight_grad(spec, flat):
    """Gradients in the order of `Weights` from the flat sums of `backward`; None for absent."""
    H = spec.hidden
    order = np.argsort(unit_major(H))
    sizes = np.cumsum((4 * H * H, *([4 * H] * 3), H, H, H))
    U, gain_x, gain_u, shift, gain_c, shift_c, w, bias = np.split(flat, sizes)
    U = U.reshape(4 * H, H)[order]
    if spec.norm_recurrent:
        U = U - U.mean(0)
    shift = shift[order]
    return (
        *(U, shift),
        *((gain_x[order], shift) if spec.norm_input else (None, None)),
        *((gain_u[order], shift) if spec.norm_recurrent else (None, None)),
        *((gain_c, shift_c) if spec.norm_cell else (None, None)),
        *(w, bias[0]),
    )
