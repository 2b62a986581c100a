# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Complex arithmetic as pairs of reals, over the whole range of f32 and f64,
against exact rational arithmetic."""

import cmath
import itertools
import math
import random
from fractions import Fraction

from straight_line import compile_functions, to_type

# exponent of the largest binade, of the smallest subnormal, and 2 ulp
RANGE = {"f32": (127, -149, 2.0**-22), "f64": (1023, -1074, 2.0**-51)}


def source_of(name, type_name):
    arity = 1 if name in ("abs", "exp", "neg", "conj") else 2
    parts = [f"%{p}{k}" for k in range(arity) for p in ("re", "im")]
    text = (
        f"func.func @{name}_{type_name}("
        + ", ".join(f"{p}: {type_name}" for p in parts)
        + ") -> "
        + (type_name if name == "abs" else f"({type_name}, {type_name})")
        + " {\n"
    )
    for k in range(arity):
        text += f"  %z{k} = complex.create %re{k}, %im{k} : complex<{type_name}>\n"
    operands = ", ".join(f"%z{k}" for k in range(arity))
    text += f"  %w = complex.{name} {operands} : complex<{type_name}>\n"
    if name == "abs":
        return text + f"  return %w : {type_name}\n}}\n"
    return text + (
        f"  %re = complex.re %w : complex<{type_name}>\n"
        f"  %im = complex.im %w : complex<{type_name}>\n"
        f"  return %re, %im : {type_name}, {type_name}\n}}\n"
    )


def check(condition, *what):
    if not condition:
        raise SystemExit("wrong: " + " ".join(map(str, what)))


def check_abs(function, type_name):
    top, bottom, tolerance = RANGE[type_name]
    values = [0.0] + [
        to_type(s * math.ldexp(1 + random.random(), e), type_name) for e in range(bottom, top, 3) for s in (1, -1)
    ]
    pairs = list(itertools.product(values[::7], values[::5]))
    pairs += [(v, v) for v in values]
    for re, im in pairs:
        got = function.call([re, im])[0]
        want = math.hypot(re, im)
        # Below the smallest normal number an ulp is absolute.
        check(
            abs(got - want) <= max(tolerance * want, math.ldexp(1, bottom)),
            type_name,
            "abs",
            re,
            im,
            "=",
            got,
            "not",
            want,
        )
    inf, nan = math.inf, math.nan
    for v in (0.0, 1.0, values[-1], inf):
        for a, b in itertools.product((inf, -inf), (v, -v)):
            check(function.call([a, b])[0] == inf, "abs", a, b)
            check(function.call([b, a])[0] == inf, "abs", b, a)
        if v != inf:
            check(math.isnan(function.call([nan, v])[0]), "abs nan", v)
            check(math.isnan(function.call([v, nan])[0]), "abs", v, "nan")


def exact(name, a, b):
    """The result of an operation on pairs of parts, as Fractions."""
    (ar, ai), (br, bi) = [tuple(map(Fraction, z)) for z in (a, b)]
    if name == "add":
        return ar + br, ai + bi
    if name == "sub":
        return ar - br, ai - bi
    if name == "mul":
        return ar * br - ai * bi, ar * bi + ai * br
    norm = br * br + bi * bi
    return (ar * br + ai * bi) / norm, (ai * br - ar * bi) / norm


def check_binary(functions, name, type_name):
    top, bottom, tolerance = RANGE[type_name]
    # Squares of a quotient's operands would overflow and underflow; sums and
    # products are taken where they exist.
    span = (bottom // 2 + 15, top // 2 - 5)
    for _ in range(2000):
        scale_a, scale_b = random.randint(*span), random.randint(*span)
        if name == "div" and random.random() < 0.5:
            # Both near one end of the range.
            scale_a = scale_b = random.choice((bottom + 60, top - 4))
        a, b = [
            [to_type(math.ldexp(random.uniform(-1, 1), scale + random.randint(-8, 0)), type_name) for _ in "ri"]
            for scale in (scale_a, scale_b)
        ]
        got = functions[f"{name}_{type_name}"].call(a + b)
        want = exact(name, a, b)
        largest = max(map(abs, want))
        for g, w in zip(got, want):
            check(
                math.isfinite(g) and abs(Fraction(g) - w) <= 2 * tolerance * largest + Fraction(2) ** (bottom + 2),
                type_name,
                name,
                a,
                b,
                "=",
                got,
                "not",
                tuple(map(float, want)),
            )


def main():
    random.seed(2)
    names = ("add", "sub", "mul", "div", "neg", "conj", "abs", "exp")
    functions = compile_functions(
        "".join(source_of(*case) for case in itertools.product(names, RANGE)), "bfly-expand-complex,canonicalize,cse"
    )
    for type_name in RANGE:
        check_abs(functions[f"abs_{type_name}"], type_name)
        for name in ("add", "sub", "mul", "div"):
            check_binary(functions, name, type_name)
        check(functions[f"neg_{type_name}"].call([1.0, -2.0]) == [-1.0, 2.0], "neg")
        check(functions[f"conj_{type_name}"].call([1.0, -2.0]) == [1.0, 2.0], "conj")
        got = complex(*functions[f"exp_{type_name}"].call([0.5, 2.0]))
        check(abs(got - cmath.exp(0.5 + 2j)) < 1e-6, "exp", got)
        re, im = functions[f"div_{type_name}"].call([1.0, 2.0, 0.0, 0.0])
        check((re, im) == (math.inf, math.inf), "division by zero", re, im)
        names_in_abs = [line[1] for line in functions[f"abs_{type_name}"].lines]
        check("arith.divf" not in names_in_abs, "abs divides")
        count = sum(name not in ("arith.constant", "return") for name in names_in_abs)
        print(f"{type_name}: right over the whole range, abs is {count} operations")


if __name__ == "__main__":
    main()
