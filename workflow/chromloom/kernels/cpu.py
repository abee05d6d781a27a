"""The recurrence on the CPU: numba code over numpy arrays, compiled once and cached on disk.

Consecutive rows sit side by side in one vector: lane b of step t reads column b + t, so every load
of a transposed slab of Q is contiguous. A *group* is `LANES` rows, a *block* is `ROWS` rows, the
unit of work and of summation: what a block computes never depends on the number of threads, and
blocks are added in their order, so results are the same bits for any number of threads (they may
differ between machines of different vector width). One compiled kernel per dtype serves every size.

Layer norm: P, Q and U are centred beforehand, so that only the variance is left to compute. The
exponentials are powers of two (the factor log2 e sits in the packed weights), and the sigmoids of
one unit share a reciprocal. The backward keeps the gates of a group in L2 instead of computing them
again: reading them back is cheaper than 4H exponentials and 4H * H multiplications. It never forms
the gradient of U h: what follows from it is told from that of the gates (`unpack_weight_grad`).

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
from typing import NamedTuple

import numba
import numpy as np
from llvmlite import binding, ir
from numba import njit, types
from numba.core import cgutils
from numba.core.imputils import lower_builtin
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import intrinsic, models, register_model

from chromloom.kernels.spec import LARGEST_LOG_RATE

_NATIVE = not (numba.config.CPU_NAME or numba.config.CPU_FEATURES) and numba.config.ENABLE_AVX
AVX512 = bool(_NATIVE and binding.get_host_cpu_features().get("avx512f"))
LANES = 32 if AVX512 else 8  # two registers of AVX-512: two chains of dependent steps side by side
ROWS = 64
CHUNK = 16  # steps of the backward whose gradients are summed together, from cache
SATURATION = 43.0  # sigmoids are cut at 2^-43: (1 + 2^43)^2 still fits float32
LOG2E = math.log2(math.e)
# 2^r on [-1/2, 1/2]: interpolation at Chebyshev nodes, relative error 3e-9 and 4e-16
_EXP2 = {
    types.float32: (
        *(1.0, 0.6931472067028323, 0.24022650922288832, 0.05550327226670787),
        *(0.009618056678525198, 0.0013400428177439477, 0.0001546144469698307),
    ),
    types.float64: (
        *(1.0, 0.693147180559945, 0.24022650695910208, 0.05550410866483159),
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


def _approximate(builder, name, x):
    """14 bits of a reciprocal or reciprocal root, by AVX-512; `x` in float32."""
    part, mask = ir.VectorType(x.type.element, 16), ir.IntType(16)
    function = cgutils.get_or_insert_function(
        builder.module, ir.FunctionType(part, [part, part, mask]), f"llvm.x86.avx512.{name}.ps.512"
    )
    every = ir.VectorType(ir.IntType(32), 16)
    pieces = []
    for first in range(0, LANES, 16):
        piece = builder.shuffle_vector(x, x, ir.Constant(every, list(range(first, first + 16))))
        pieces.append(builder.call(function, [piece, piece, ir.Constant(mask, -1)]))
    if len(pieces) == 1:
        return pieces[0]
    return builder.shuffle_vector(
        *pieces, ir.Constant(ir.VectorType(ir.IntType(32), LANES), list(range(LANES)))
    )


@intrinsic
def vreciprocal(typingctx, x):
    """1 / x."""

    def codegen(context, builder, sig, args):
        (value,) = args
        one, contract = _constant(value.type, 1.0), ("contract",)
        if not (AVX512 and x.dtype == types.float32):
            return builder.fdiv(one, value)
        guess = _approximate(builder, "rcp14", value)  # and one step of Newton
        error = builder.fsub(one, builder.fmul(value, guess, flags=contract), flags=contract)
        return builder.fadd(guess, builder.fmul(guess, error, flags=contract), flags=contract)

    return signature(x, x), codegen


@intrinsic
def vrsqrt(typingctx, x):
    """1 / square root of x."""

    def codegen(context, builder, sig, args):
        (value,) = args
        one, contract = _constant(value.type, 1.0), ("contract",)
        if not (AVX512 and x.dtype == types.float32):
            return builder.fdiv(one, _call(builder, "sqrt", value.type, args))
        guess = _approximate(builder, "rsqrt14", value)  # and one step of Newton
        product = builder.fmul(builder.fmul(value, guess), guess, flags=contract)
        error = builder.fsub(one, product, flags=contract)
        half = builder.fmul(guess, _constant(value.type, 0.5))
        return builder.fadd(guess, builder.fmul(half, error, flags=contract), flags=contract)

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


def _exp2(builder, values, dtype):
    """2^x of each vector, step by step side by side: one alone is a chain of dependent steps."""
    coefficients = _EXP2[dtype]
    bits, mantissa = (32, 23) if dtype == types.float32 else (64, 52)
    vector, integer = values[0].type, ir.VectorType(ir.IntType(bits), LANES)
    for comparison, bound in (("<", -SATURATION), (">", SATURATION)):
        limit = _constant(vector, bound)
        outside = [builder.fcmp_ordered(comparison, value, limit) for value in values]
        values = [builder.select(out, limit, value) for out, value in zip(outside, values)]
    shift = _constant(vector, 1.5 * 2.0**mantissa)  # makes the last bits those of an integer
    shifted = [builder.fadd(value, shift) for value in values]
    whole = [builder.fsub(value, shift) for value in shifted]
    rests = [builder.fsub(value, n) for value, n in zip(values, whole)]
    results = [_constant(vector, coefficients[-1])] * len(values)
    for coefficient in coefficients[-2::-1]:
        term = _constant(vector, coefficient)
        results = [builder.fmul(r, x, flags=("contract",)) for r, x in zip(results, rests)]
        results = [builder.fadd(r, term, flags=("contract",)) for r in results]
    results = [builder.bitcast(result, integer) for result in results]
    exponents = [builder.bitcast(value, integer) for value in shifted]
    exponents = [builder.shl(n, _constant(integer, mantissa)) for n in exponents]
    results = [builder.add(result, n) for result, n in zip(results, exponents)]
    return [builder.bitcast(result, vector) for result in results]


@intrinsic
def vexp2(typingctx, x):
    """2^x for x cut to [-SATURATION, SATURATION]."""

    def codegen(context, builder, sig, args):
        return _exp2(builder, args, x.dtype)[0]

    return signature(x, x), codegen


@intrinsic
def vexp2s(typingctx, x, y, z):
    """2^x, 2^y and 2^z, each cut as by `vexp2`."""

    def codegen(context, builder, sig, args):
        return context.make_tuple(builder, sig.return_type, _exp2(builder, args, x.dtype))

    return signature(types.UniTuple(x, 3), x, x, x), codegen


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
def vshift(typingctx, low, high):
    """Lanes 1 … LANES - 1 of `low`, then lane 0 of `high`."""

    def codegen(context, builder, sig, args):
        lanes = ir.VectorType(ir.IntType(32), LANES)
        return builder.shuffle_vector(*args, ir.Constant(lanes, list(range(1, LANES + 1))))

    return signature(low, low, high), codegen


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
def vbelow(typingctx, x, limit):
    """1 where x <= limit, else (also for NaN) 0."""

    def codegen(context, builder, sig, args):
        vector = args[0].type
        inside = builder.fcmp_ordered("<=", args[0], _splat(builder, args[1], vector))
        return builder.select(inside, _constant(vector, 1.0), _constant(vector, 0.0))

    return signature(x, x, x.dtype), codegen


# --- scratch and packed weights -------------------------------------------------------------------
#
# Inside, the 4H gate rows are in unit-major order (row 4k + gate of unit k), padded to an even
# number of units where the recurrent projection is computed eight rows at a time. A row of a
# scratch array is one vector; the columns of the slabs `q`, `c` and `col` are contiguous.


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


@njit(nogil=True, cache=True, error_model="numpy")
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


# --- forward --------------------------------------------------------------------------------------


@njit(nogil=True, cache=True, error_model="numpy")
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


@njit(nogil=True, cache=True, error_model="numpy")
def _forward_group(
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


@njit(nogil=True, cache=True, error_model="numpy")
def _load_block(first, width, edit, dims, norm_x, scratch, Q, C, col_ok, edit_bin, edit_Q, edit_C):
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
    p, a, row = scratch.p, scratch.a, scratch.row
    _fill_slab(p, P, first, n_lanes, row_ok, 4, norm_x, edit, edit_bin, edit_P)
    _fill_slab(a, A, first, n_lanes, row_ok, 1, False, edit, edit_bin, edit_A)
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
    hs, cs, ys = scratch.hs, scratch.cs, scratch.ys
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


@njit(nogil=True, cache=True, error_model="numpy")
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


@njit(nogil=True, cache=True, error_model="numpy")
def _load_lanes(flat, start, n_lanes, tail):
    """A vector of n_lanes numbers, the others as they were in `tail`."""
    if n_lanes == LANES:
        return vload(flat, start)
    tail[:n_lanes] = flat[start : start + n_lanes]
    return vload(tail, 0)


@njit(nogil=True, cache=True, error_model="numpy")
def _loss_group(
    scratch, first_column, n_read, targets, dist_weight, kind, sigmoid, y_grad, lane, n_lanes
):
    """Loss of one group; `ys` goes from raw outputs to their gradients, also put into `y_grad`.

    Targets are `values` (kind 1), or 16-bit `codes`: float16 (kind 2) or fixed point (kind 3).
    Counts where there is an exposure, else squared errors.
    """
    codes, values, exposure, offset = targets
    row, col, ys = scratch.row, scratch.col, scratch.ys
    W = LANES
    zero, one, two = vfill(ys, 0), vfill(ys, 1), vfill(ys, 2)
    log2e, highest = vfill(ys, LOG2E), vfill(ys, LARGEST_LOG_RATE)
    code_tail, value_tail = np.zeros(W, codes.dtype), np.zeros(W, values.dtype)
    flat_codes, flat_values = codes.reshape(-1), values.reshape(-1)
    flat_exposure, flat_offset = exposure.reshape(-1), offset.reshape(-1)
    flat_grad = y_grad.reshape(-1)
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
            target = _load_lanes(flat_values, start, n_lanes, value_tail)
        elif n_lanes == W:
            target = vdecode(ys, flat_codes, start, kind == 3)
        else:
            code_tail[:n_lanes] = flat_codes[start : start + n_lanes]
            target = vdecode(ys, code_tail, 0, kind == 3)
        known = vbelow(vabs(target), largest) * vload(row, 0) * vload(col, first_column + t)
        out, weight = vload(ys, t * W), vsplat(dist_weight, t)
        if offset.size:
            out = out + _load_lanes(flat_offset, start, n_lanes, value_tail)
        if exposure.size:
            weight = weight * _load_lanes(flat_exposure, start, n_lanes, value_tail)
            low = vbelow(out, LARGEST_LOG_RATE)
            rate = vexp2(vselect(low, out, highest) * log2e)
            loss = weight * (rate - target * out)
            slope = weight * (low * rate - target)
        else:
            slope = two
            if sigmoid:
                out = vreciprocal(one + vexp2(zero - out * log2e))
                slope = two * out * (one - out)
            error = out - target
            weight = weight * error
            loss = weight * error
            slope = weight * slope
        total = total + vselect(known, loss, zero)
        slope = vselect(known, slope, zero)
        vstore(ys, t * W, slope)
        if y_grad.size:
            if n_lanes == W:
                vstore(flat_grad, start, slope)
            else:
                flat_grad[start : start + n_lanes] = ys[t * W : t * W + n_lanes]
    return vsum(total)


@njit(nogil=True, cache=True, error_model="numpy")
def _sum_lanes(out, at, acc, n_rows):
    for k in range(n_rows):
        out[at + k] = vsum(vload(acc, k * LANES))
    return at + n_rows


@njit(nogil=True, cache=True, error_model="numpy")
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
            _store_row_grad(P_grad, p_grad, 4, norm_x, lane, n_lanes)
            _store_row_grad(A_grad, a_grad, 1, False, lane, n_lanes)
            _store_lanes(h_first_grad, dh, H, lane, n_lanes)
            _store_lanes(c_first_grad, dc, H, lane, n_lanes)
        at = _sum_lanes(weight_grads[number], 0, u_acc, 5 * H * H)
        at = _sum_lanes(weight_grads[number], at, acc, 8 * H)
        _sum_lanes(weight_grads[number], at, acc_unit, 3 * H + 1)
        losses[number] = loss


@njit(nogil=True, cache=True, error_model="numpy")
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
    """Call work(lo, hi) over 0 … n_items, cut finer than the threads so that none waits long.

    This thread works too, and each takes the next piece when it is done with one: a thread is woken
    once a call, not once a piece.
    """
    if n_threads == 1 or n_items < 2:
        work(0, n_items)
        return
    n_pieces = min(n_items, pieces * n_threads)
    cuts = [n_items * k // n_pieces for k in range(n_pieces + 1)]
    spans = iter(list(itertools.pairwise(cuts)))

    def take_turns():
        for span in spans:
            work(*span)

    pool = _pool(n_threads - 1, os.getpid())
    helpers = [pool.submit(take_turns) for _ in range(min(n_threads, n_pieces) - 1)]
    take_turns()
    for helper in helpers:
        if not helper.cancel():
            helper.result()


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
    targets, settings = (np.empty((0, 0), np.uint16), none, none, none), (0, False)
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

    _share(work, n_blocks, n_threads)
    _share(reduce, len(Q), n_threads, pieces=1)
    if loss is not None and loss.offset is not None:
        out["offset"] = offset_grad
    return losses.sum(), out, unpack_weight_grad(spec, weights, weight_grads)


@njit(nogil=True, cache=True, error_model="numpy")
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
