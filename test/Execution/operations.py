# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Every operation of upstream's math, complex and arith dialects on scalars: its text, what NumPy calls it, and where.

In `text` the operands are %a, %b, %c (real) and %z, %w (complex), the result %r; T stands for the real type, C for the
complex one, I for i32, J for the integer type of the real one's width. The oracle gets float64 or long double arrays.
"""

import math
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Operation:
    name: str
    text: str
    oracle: object
    result: str = "T"  # T, C or I
    domain: str = "all"  # of the draws: see `draw`
    ulps: float = 4.0
    unit: str = ""  # the type that `ulps` counts in, the elements' own where nothing is said
    types: tuple = ("f32", "f64")


def real(name, oracle, domain="all", ulps=4.0):
    operands = "%a"
    return Operation(f"math.{name}", f"%r = math.{name} {operands} : T", oracle, domain=domain, ulps=ulps)


def each(function):
    """Of Python's math, for arrays: an oracle in float64."""
    return np.vectorize(lambda *x: function(*map(float, x)), otypes=[np.longdouble])


def roundeven(a):
    return np.rint(a)


def round_away(a):
    return np.copysign(np.floor(np.abs(a) + np.longdouble(0.5)), a)


def real_operations():
    def two(name, oracle, **rest):
        return Operation(f"math.{name}", f"%r = math.{name} %a, %b : T", oracle, **rest)

    def test(name, oracle):
        text = f"""%t = math.{name} %a : T
      %r = arith.extui %t : i1 to I"""
        return Operation(f"math.{name}", text, lambda a, b, c: oracle(a).astype(int), result="I", domain="special")

    def bits(name, oracle):
        text = f"""%i = arith.fptosi %a : T to I
      %r = math.{name} %i : I"""
        return Operation(f"math.{name}", text, lambda a, b, c: oracle(np.trunc(a)), result="I", domain="integers")

    def counted(function):
        return lambda a: np.vectorize(lambda x: function(int(x)), otypes=[int])(a)

    first = [
        ("absf", np.abs, "all"), ("acos", np.arccos, "unit"), ("acosh", np.arccosh, "from_one"), ("asin", np.arcsin, "unit"),
        ("asinh", np.arcsinh, "all"), ("atan", np.arctan, "all"), ("atanh", np.arctanh, "unit"), ("cbrt", np.cbrt, "all"),
        ("ceil", np.ceil, "all"), ("cos", np.cos, "angles"), ("cosh", np.cosh, "exponents"), ("erf", each(math.erf), "all"),
        ("erfc", each(math.erfc), "some"), ("exp", np.exp, "exponents"), ("exp2", np.exp2, "exponents"),
        ("expm1", np.expm1, "exponents"), ("floor", np.floor, "all"), ("log", np.log, "positive"), ("log10", np.log10, "positive"),
        ("log1p", np.log1p, "positive"), ("log2", np.log2, "positive"), ("round", round_away, "halves"),
        ("roundeven", roundeven, "halves"), ("rsqrt", lambda a: 1 / np.sqrt(a), "positive"), ("sin", np.sin, "angles"),
        ("sinh", np.sinh, "exponents"), ("sqrt", np.sqrt, "positive"), ("tan", np.tan, "angles"), ("tanh", np.tanh, "all"),
        ("trunc", np.trunc, "halves"),
    ]  # fmt: skip
    for name, oracle, domain in first:
        # A third of an ulp of erfc's argument is many of its value.
        yield real(name, lambda a, b, c, of=oracle: of(a), domain, 16.0 if name == "erfc" else 4.0)
    yield real("log1p", lambda a, b, c: np.log1p(a), "unit")
    yield two("atan2", lambda a, b, c: np.arctan2(a, b))
    yield two("copysign", lambda a, b, c: np.copysign(a, b))
    text = "%x = math.absf %a : T\n      %r = math.powf %x, %b : T"
    yield Operation("math.powf", text, lambda a, b, c: np.power(np.abs(a), b), domain="powers", ulps=8.0)
    text = "%n = arith.constant 3.0 : T\n      %r = math.powf %a, %n : T"
    yield Operation("math.powf", text, lambda a, b, c: a**3, domain="powers", ulps=8.0)
    text = "%r = math.fma %a, %b, %c : T"
    yield Operation("math.fma", text, lambda a, b, c: a * b + c, domain="some", ulps=1.0)
    text = "%r = math.clampf %a to [%b, %c] : T"
    yield Operation("math.clampf", text, lambda a, b, c: np.minimum(np.maximum(a, b), c), domain="some")
    for index, oracle in enumerate((np.sin, np.cos)):
        text = f"%both:2 = math.sincos %a : T\n      %r = arith.addf %both#{index}, %zero : T"
        yield Operation("math.sincos", text, lambda a, b, c, of=oracle: of(a), domain="angles")
    yield test("isnan", np.isnan)
    yield test("isinf", np.isinf)
    yield test("isfinite", np.isfinite)
    yield test("isnormal", lambda a: np.isfinite(a) & (np.abs(a) >= 1e-37))
    yield bits("absi", np.abs)
    yield bits("ctpop", lambda a: counted(lambda x: (x & BITS).bit_count())(a))
    yield bits("ctlz", lambda a: counted(lambda x: WIDTH - (x & BITS).bit_length())(a))
    yield bits("cttz", lambda a: counted(lambda x: (x & -x).bit_length() - 1 if x else WIDTH)(a))
    for power in (-3, -1, 0, 1, 2, 3, 7):
        text = f"%n = arith.constant {power} : i32\n      %r = math.fpowi %a, %n : T, i32"
        yield Operation("math.fpowi", text, lambda a, b, c, n=power: a**n, domain="some", ulps=8.0)
    text = "%n = arith.fptosi %b : T to i32\n      %r = math.fpowi %a, %n : T, i32"
    yield Operation("math.fpowi", text, lambda a, b, c: np.power(a, np.trunc(b)), domain="some", ulps=8.0)
    text = "%n = arith.fptosi %b : T to i64\n      %r = math.fpowi %a, %n : T, i64"
    yield Operation("math.fpowi", text, lambda a, b, c: np.power(a, np.trunc(b)), domain="some", ulps=8.0)
    text = "%i = arith.fptosi %a : T to I\n      %n = arith.constant 3 : I\n      %r = math.ipowi %i, %n : I"
    yield Operation("math.ipowi", text, lambda a, b, c: np.trunc(a) ** 3, result="I", domain="integers")
    text = """%i = arith.fptosi %a : T to I
      %j = arith.fptosi %b : T to I
      %n = math.absi %j : I
      %r = math.ipowi %i, %n : I"""
    yield Operation("math.ipowi", text, lambda a, b, c: np.trunc(a) ** np.abs(np.trunc(b)), result="I", domain="small")
    text = """%i = arith.constant 2 : I
      %j = arith.fptosi %b : T to I
      %r = math.ipowi %i, %j : I"""
    yield Operation(
        "math.ipowi", text, lambda a, b, c: np.where(b <= -1, 0, 2 ** np.abs(np.trunc(b))), result="I", domain="small"
    )


WIDTH, BITS = 32, (1 << 32) - 1  # of the integers that are counted in


def complex_expm1(z):
    """NumPy's own, and log1p, cancel near 0."""
    x, y = z.real, z.imag
    return np.expm1(x) * np.cos(y) - 2 * np.sin(y / 2) ** 2 + 1j * np.exp(x) * np.sin(y)


def complex_log1p(z):
    x, y = z.real, z.imag
    near = np.log1p(x * (2 + x) + y * y) / 2
    return np.where(np.abs(z) < 0.5, near, np.log(np.abs(1 + z))) + 1j * np.arctan2(y, 1 + x)


def complex_operations():
    def one(name, oracle, **rest):
        return Operation(f"complex.{name}", f"%r = complex.{name} %z : C", lambda z, w: oracle(z), result="C", **rest)

    def two(name, oracle, **rest):
        return Operation(f"complex.{name}", f"%r = complex.{name} %z, %w : C", oracle, result="C", **rest)

    def sign(z):
        return np.where(z == 0, z, z / np.where(z == 0, 1, np.abs(z)))

    for name, oracle in (
        ("conj", np.conj), ("cos", np.cos), ("exp", np.exp), ("expm1", complex_expm1), ("log", np.log), ("log1p", complex_log1p),
        ("neg", np.negative), ("rsqrt", lambda z: 1 / np.sqrt(z)), ("sign", sign), ("sin", np.sin), ("sqrt", np.sqrt),
        ("tan", np.tan), ("tanh", np.tanh),
    ):  # fmt: skip
        yield one(name, oracle)
    for name, oracle in (("abs", np.abs), ("angle", np.angle)):
        yield Operation(f"complex.{name}", f"%r = complex.{name} %z : C", lambda z, w, of=oracle: of(z))
    for name, oracle in (("re", np.real), ("im", np.imag)):
        yield Operation(f"complex.{name}", f"%r = complex.{name} %z : C", lambda z, w, of=oracle: of(z), ulps=0)
    for name, oracle in (("add", np.add), ("sub", np.subtract), ("mul", np.multiply), ("div", np.divide)):
        yield two(name, oracle)
    yield two("pow", lambda z, w: np.exp(w * np.log(z)), domain="powers", ulps=16.0)
    yield two("atan2", lambda z, w: -1j * np.log((w + 1j * z) / np.sqrt(w * w + z * z)), domain="some", ulps=64.0)
    for power in (-2, 0, 1, 3):
        text = f"%n = arith.constant {power} : i32\n      %r = complex.powi %z, %n : C, i32"
        yield Operation("complex.powi", text, lambda z, w, n=power: z**n, result="C", domain="powers", ulps=16.0)
    text = """%x = complex.re %w : C
      %n = arith.fptosi %x : T to i32
      %r = complex.powi %z, %n : C, i32"""
    yield Operation(
        "complex.powi", text, lambda z, w: np.exp(np.trunc(w.real) * np.log(z)), result="C", domain="powers", ulps=16.0
    )
    for name, oracle in (("eq", np.equal), ("neq", np.not_equal)):
        text = f"%t = complex.{name} %z, %w : C\n      %r = arith.extui %t : i1 to I"
        yield Operation(f"complex.{name}", text, lambda z, w, of=oracle: of(z, w).astype(int), result="I")
    text = "%x = complex.re %z : C\n      %y = complex.im %w : C\n      %r = complex.create %x, %y : C"
    yield Operation("complex.create", text, lambda z, w: z.real + 1j * w.imag, result="C", ulps=0)
    text = "%n = complex.constant [0.5 : T, 2.0 : T] : C\n      %r = complex.add %z, %n : C"
    yield Operation("complex.constant", text, lambda z, w: z + (0.5 + 2j), result="C")
    text = "%n = complex.bitcast %z : C to i64\n      %r = complex.bitcast %n : i64 to C"
    yield Operation("complex.bitcast", text, lambda z, w: z, result="C", ulps=0, types=("f32",))
    text = "%n = complex.bitcast %z : C to f64\n      %r = complex.bitcast %n : f64 to C"
    yield Operation("complex.bitcast", text, lambda z, w: z, result="C", ulps=0, types=("f32",))
    text = "%t = arith.cmpf olt, %a, %b : T\n      %r = arith.select %t, %z, %w : C"
    yield Operation("arith.select", text, lambda z, w: np.where(z.real < z.imag, z, w), result="C", ulps=0)


def arith_operations():
    def two(name, oracle, **rest):
        return Operation(f"arith.{name}", f"%r = arith.{name} %a, %b : T", lambda a, b, c: oracle(a, b), **rest)

    def integers(name, oracle, prepare=""):
        text = f"""%i = arith.fptosi %a : T to I
      %j0 = arith.fptosi %b : T to I
      %one = arith.constant 1 : I
      %j = arith.ori %j0, %one : I
      {prepare}%r = arith.{name} %i, %j : I"""

        def of(a, b, c):
            i, j = a.astype(np.int64), b.astype(np.int64) | 1
            return np.vectorize(lambda x, y: wrap(oracle(int(x), int(y))), otypes=[int])(i, j)

        return Operation(f"arith.{name}", text, of, result="I", domain="small")

    def unsigned(function):
        return lambda i, j: function(i & BITS, j & BITS)

    yield two("addf", np.add)
    yield two("subf", np.subtract)
    yield two("mulf", np.multiply)
    yield two("divf", np.divide)
    yield two("remf", np.fmod, domain="some", ulps=0)
    for name, oracle in (
        ("maximumf", np.maximum),
        ("minimumf", np.minimum),
        ("maxnumf", np.fmax),
        ("minnumf", np.fmin),
    ):
        yield two(name, oracle, domain="special", ulps=0)
    yield Operation("arith.negf", "%r = arith.negf %a : T", lambda a, b, c: -a, ulps=0)
    yield Operation(
        "arith.constant", "%n = arith.constant 1.5 : T\n      %r = arith.addf %a, %n : T", lambda a, b, c: a + 1.5
    )
    for name, oracle in (
        ("addi", lambda i, j: i + j), ("subi", lambda i, j: i - j), ("muli", lambda i, j: i * j),
        ("divsi", lambda i, j: int(math.copysign(abs(i) // abs(j), i * j)) if i else 0), ("divui", unsigned(lambda i, j: i // j)),
        ("ceildivsi", lambda i, j: -(-i // j)), ("ceildivui", unsigned(lambda i, j: -(-i // j))),
        ("floordivsi", lambda i, j: i // j), ("remsi", math.fmod), ("remui", unsigned(lambda i, j: i % j)),
        ("andi", lambda i, j: i & j), ("ori", lambda i, j: i | j), ("xori", lambda i, j: i ^ j),
        ("maxsi", max), ("minsi", min), ("maxui", unsigned(max)), ("minui", unsigned(min)),
    ):  # fmt: skip
        yield integers(name, lambda i, j, of=oracle: int(of(i, j)))
    for name, oracle in (
        ("shli", lambda i, s: i << s), ("shrsi", lambda i, s: i >> s), ("shrui", lambda i, s: (i & BITS) >> s),
    ):  # fmt: skip
        text = f"%i = arith.fptosi %a : T to I\n      %n = arith.constant 3 : I\n      %r = arith.{name} %i, %n : I"
        yield Operation(
            f"arith.{name}",
            text,
            lambda a, b, c, of=oracle: np.vectorize(lambda x: wrap(of(int(x), 3)), otypes=[int])(np.trunc(a)),
            result="I",
            domain="small",
        )
    for name, which in (("addui_extended", "i1"), ("mulsi_extended", "I"), ("mului_extended", "I")):
        kind = "I, i1" if which == "i1" else "I"
        text = f"""%i = arith.fptosi %a : T to I
      %j = arith.fptosi %b : T to I
      %r, %h = arith.{name} %i, %j : {kind}"""
        oracle = np.add if which == "i1" else np.multiply
        yield Operation(
            f"arith.{name}", text, lambda a, b, c, of=oracle: of(np.trunc(a), np.trunc(b)), result="I", domain="small"
        )
        cast = "arith.extui %h : i1 to I" if which == "i1" else "arith.addi %h, %h : I"
        high = {
            "addui_extended": lambda i, j: ((i & BITS) + (j & BITS)) >> WIDTH,
            "mulsi_extended": lambda i, j: 2 * ((i * j) >> WIDTH),
            "mului_extended": lambda i, j: wrap(2 * (((i & BITS) * (j & BITS)) >> WIDTH)),
        }[name]
        text = text.replace("%r, %h", "%l, %h") + f"\n      %r = {cast}"
        yield Operation(
            f"arith.{name}",
            text,
            lambda a, b, c, of=high: np.vectorize(lambda x, y: wrap(of(int(x), int(y))), otypes=[int])(
                np.trunc(a), np.trunc(b)
            ),
            result="I",
            domain="small",
        )
    for name, oracle in (("sitofp", lambda i: i), ("uitofp", lambda i: i & BITS)):
        text = f"%i = arith.fptosi %a : T to I\n      %r = arith.{name} %i : I to T"
        yield Operation(
            f"arith.{name}",
            text,
            lambda a, b, c, of=oracle: np.vectorize(lambda x: of(int(x)), otypes=[np.longdouble])(a),
            domain="small",
        )
    text = "%n = math.absf %a : T\n      %r = arith.fptoui %n : T to I"
    yield Operation("arith.fptoui", text, lambda a, b, c: np.trunc(np.abs(a)), result="I", domain="small")
    text = "%r = arith.fptosi %a : T to I"
    yield Operation("arith.fptosi", text, lambda a, b, c: np.trunc(a), result="I", domain="small")
    for name in ("extsi", "extui"):
        text = f"%i = arith.fptosi %a : T to i16\n      %r = arith.{name} %i : i16 to I"
        mask = -1 if name == "extsi" else 0xFFFF
        yield Operation(
            f"arith.{name}", text, lambda a, b, c, m=mask: np.trunc(a).astype(np.int64) & m, result="I", domain="small"
        )
    text = """%i = arith.fptosi %a : T to I
      %n = arith.trunci %i : I to i8
      %r = arith.extsi %n : i8 to I"""
    yield Operation(
        "arith.trunci", text, lambda a, b, c: np.trunc(a).astype(np.int8).astype(int), result="I", domain="small"
    )
    for half in ("f16", "bf16"):
        text = f"%h = arith.truncf %a : T to {half}\n      %r = arith.extf %h : {half} to T"
        yield Operation("arith.truncf", text, lambda a, b, c, t=half: rounded(a, t), ulps=0, domain="some")
        text = f"""%h = arith.truncf %a : T to {half}
      %e = math.exp %h : {half}
      %r = arith.extf %e : {half} to T"""
        yield Operation(
            "arith.extf",
            text,
            lambda a, b, c, t=half: rounded(np.exp(rounded(a, t)), t),
            unit=half,
            ulps=2.0,
            domain="small",
        )
        text = f"""%h = arith.truncf %a : T to {half}
      %g = arith.truncf %b : T to {half}
      %s = arith.mulf %h, %g : {half}
      %m = arith.maximumf %s, %g : {half}
      %d = arith.divf %m, %h : {half}
      %e = math.erf %d : {half}
      %r = arith.extf %e : {half} to T"""

        def halves(a, b, c, t=half):
            a, b = rounded(a, t), rounded(b, t)
            return rounded(each(math.erf)(rounded(np.maximum(rounded(a * b, t), b) / a, t)), t)

        yield Operation("arith.mulf", text, halves, unit=half, ulps=2.0, domain="nonzero")
    text = "%i = arith.bitcast %a : T to J\n      %r = arith.bitcast %i : J to T"
    yield Operation("arith.bitcast", text, lambda a, b, c: a, ulps=0)
    for predicate, oracle in (
        ("false", lambda a, b: np.zeros(a.shape, bool)), ("oeq", np.equal), ("ogt", np.greater), ("oge", np.greater_equal), ("olt", np.less),
        ("ole", np.less_equal), ("one", lambda a, b: (a < b) | (a > b)), ("ord", lambda a, b: ~(np.isnan(a) | np.isnan(b))),
        ("ueq", lambda a, b: ~((a < b) | (a > b))), ("ugt", lambda a, b: ~(a <= b)), ("uge", lambda a, b: ~(a < b)),
        ("ult", lambda a, b: ~(a >= b)), ("ule", lambda a, b: ~(a > b)), ("une", np.not_equal),
        ("uno", lambda a, b: np.isnan(a) | np.isnan(b)), ("true", lambda a, b: ~(np.isnan(a) & False)),
    ):  # fmt: skip
        text = f"%t = arith.cmpf {predicate}, %a, %b : T\n      %r = arith.extui %t : i1 to I"

        def compared(a, b, c, of=oracle):
            return of(a, b).astype(int)

        yield Operation("arith.cmpf", text, compared, result="I", domain="special")
    for predicate, oracle in (
        ("eq", np.equal), ("ne", np.not_equal), ("slt", np.less), ("sle", np.less_equal), ("sgt", np.greater), ("sge", np.greater_equal),
        ("ult", lambda i, j: (i & BITS) < (j & BITS)), ("uge", lambda i, j: (i & BITS) >= (j & BITS)),
        ("ule", lambda i, j: (i & BITS) <= (j & BITS)), ("ugt", lambda i, j: (i & BITS) > (j & BITS)),
    ):  # fmt: skip
        text = f"""%i = arith.fptosi %a : T to i32
      %j = arith.fptosi %b : T to i32
      %t = arith.cmpi {predicate}, %i, %j : i32
      %r = arith.extui %t : i1 to I"""
        of = lambda a, b, c, of=oracle: of(a.astype(np.int64), b.astype(np.int64)).astype(int)  # noqa: E731
        yield Operation("arith.cmpi", text, of, result="I", domain="small")
    text = "%t = arith.cmpf olt, %a, %b : T\n      %r = arith.select %t, %a, %b : T"
    yield Operation("arith.select", text, lambda a, b, c: np.where(a < b, a, b), ulps=0)


def complex_corners(rng, shape, smallest):
    """Complex numbers where functions cancel, overflow or have a cut, by what they are."""
    a, b = rng.standard_normal(shape), rng.standard_normal(shape)
    yield "tiny", (a + 1j * b) * 10.0 ** rng.uniform(smallest, smallest / 2, shape)
    yield "near 0", (a + 1j * b) * 10.0 ** rng.uniform(-10, -1, shape)
    yield "real", 3 * a + 0j
    yield "imaginary", 0 * a + 3j * b
    yield "large", (a + 1j * b) * 10.0 ** rng.uniform(0, 2, shape)
    yield "of absolute value 1", np.exp(1j * b) * (1 + a * 1e-6)


def wrap(value):
    """As a signed integer of WIDTH bits, which is what every draw fits."""
    value &= BITS
    return value - (1 << WIDTH) if value >> (WIDTH - 1) else value


def rounded(values, half):
    """As numbers of 16 bits, rounded once: on the way through f32, which both types round from, what is cut off stays
    as a last bit of 1 (rounding to odd), or what is near the middle of two numbers would be rounded twice."""
    import ml_dtypes

    kind = np.float16 if half == "f16" else ml_dtypes.bfloat16
    values = np.asarray(values).astype(np.float64)
    nearest = values.astype(np.float32)
    cut = np.where(np.abs(nearest) > np.abs(values), np.nextafter(nearest, np.float32(0)), nearest)
    odd = (cut.view(np.int32) | (cut != values)).view(np.float32)
    return np.where(np.isfinite(values), odd, nearest).astype(kind).astype(np.longdouble)


def draw(rng, domain, shape, dtype):
    """Real numbers of a domain, some of them where functions are hard."""
    size = math.prod(shape)
    if domain == "all":
        values = rng.standard_normal(size) * np.exp(rng.uniform(-12, 4, size))
    elif domain in ("some", "nonzero"):
        values = rng.uniform(0.1, 3, size) * rng.choice([-1, 1], size)
    elif domain == "unit":
        values = np.tanh(rng.standard_normal(size) * np.exp(rng.uniform(-12, 0, size)))
    elif domain == "from_one":
        values = 1 + np.exp(rng.uniform(-12, 4, size))
    elif domain == "positive":
        values = np.exp(rng.uniform(-12, 12, size))
    elif domain == "angles":
        values = rng.standard_normal(size) * np.exp(rng.uniform(-8, 6, size))
    elif domain == "exponents":
        values = rng.standard_normal(size) * np.exp(rng.uniform(-12, 3, size))
    elif domain == "powers":
        values = rng.uniform(0.2, 4, size) * rng.choice([-1, 1], size)
    elif domain == "halves":
        values = rng.integers(-9, 10, size) / 2
    elif domain == "integers":
        values = rng.integers(-1000, 1000, size)
    elif domain == "small":
        values = rng.uniform(-9, 9, size)
    elif domain == "special":
        values = rng.choice([np.nan, np.inf, -np.inf, 1.0, -2.5, 3.0], size)
    else:
        raise AssertionError(domain)
    return values.reshape(shape).astype(dtype)
