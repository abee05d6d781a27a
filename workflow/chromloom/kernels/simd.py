"""Vectors of LANES numbers for numba code: what LLVM does with a register, as functions.

Exponentials are powers of two, by a polynomial; reciprocals and reciprocal roots are guessed by
AVX-512 where there is one, and polished by one step of Newton.
"""

import operator

import numba
from llvmlite import binding, ir
from numba import types
from numba.core import cgutils
from numba.core.imputils import lower_builtin
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import intrinsic, models, register_model

_NATIVE = not (numba.config.CPU_NAME or numba.config.CPU_FEATURES) and numba.config.ENABLE_AVX
AVX512 = bool(_NATIVE and binding.get_host_cpu_features().get("avx512f"))
LANES = 32 if AVX512 else 8  # two registers of AVX-512: two chains of dependent steps side by side
SATURATION = 43.0  # sigmoids are cut at 2^-43: (1 + 2^43)^2 still fits float32
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
