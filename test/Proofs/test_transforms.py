# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Transforms in passes, in registers and by convolution are the definition."""

import math
import random

import field
import pytest
import sympy
from field import P
from generic_ir import optimize, print_after
from interpreter import Interpreter, add, chirp, conj, mul, transform
from test_attention import run
from test_spectra import complex_arrays, pairs

# Formulas ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("a, b", [(2, 2), (2, 3), (3, 2), (4, 4), (2, 8), (3, 3), (5, 7), (16, 2), (4, 6)])
def test_decimation(a, b):
    """p = a p2 + p1 and q = b q1 + q2: transforms of b values, rotations by p1 q2 / R, transforms of a values."""
    x = pairs(random.Random(a * b), a * b)
    rows = [transform(x[p1::a]) for p1 in range(a)]
    turned = [[mul(rows[p1][q2], field.root(p1 * q2, a * b)) for q2 in range(b)] for p1 in range(a)]

    def assembled(rows):
        columns = [transform([row[q2] for row in rows]) for q2 in range(b)]
        return [columns[q % b][q // b] for q in range(a * b)]

    assert assembled(turned) == transform(x)
    assert assembled(rows) != transform(x), "not without the rotations"


@pytest.mark.parametrize("a, b", [(2, 3), (3, 4), (5, 7), (4, 9), (2, 4), (3, 6), (4, 6)])
def test_coprime_factors_need_no_rotations(a, b):
    """Good and Thomas: p = b p1 + a p2, q1 = q mod a, q2 = q mod b; for coprime factors and no others."""
    x = pairs(random.Random(a * b), a * b)
    rows = [transform([x[(b * p1 + a * p2) % (a * b)] for p2 in range(b)]) for p1 in range(a)]
    columns = [transform([row[q2] for row in rows]) for q2 in range(b)]
    result = [columns[q % b][q % a] for q in range(a * b)]
    assert (result == transform(x)) == (math.gcd(a, b) == 1)


@pytest.mark.parametrize("n", [1, 2, 3, 5, 7, 11, 17])
def test_bluestein(n):
    """k n = (k^2 + n^2 - (k - n)^2) / 2: a cyclic convolution with a chirp, of any length from 2 N - 2 on, where the
    kernel meets itself in one equal value, and of no shorter one. The compiler's are powers of two from 2 N - 1 on."""
    x = pairs(random.Random(n), n)
    for length in {max(2 * n - 3, n), max(2 * n - 2, 1), 2 * n - 1, 2 * n, 4 * n}:
        kernel = [(0, 0)] * length
        for i in range(n):
            kernel[i] = kernel[-i % length] = conj(chirp(i, n))
        turned = [mul(value, chirp(i, n)) for i, value in enumerate(x)]
        result = []
        for k in range(n):
            total = (0, 0)
            for i, value in enumerate(turned):
                total = add(total, mul(value, kernel[(k - i) % length]))
            result.append(mul(total, chirp(k, n)))
        assert (result == transform(x)) == (length >= 2 * n - 2), length


def test_a_convolution_is_a_product_of_transforms():
    x, y = pairs(random.Random(1), 8), pairs(random.Random(2), 8)
    product = [mul(one, other) for one, other in zip(transform(x), transform(y))]
    scaled = [mul(value, (pow(8, -1, P), 0)) for value in transform(product, inverse=True)]
    for k, value in enumerate(scaled):
        total = (0, 0)
        for i in range(8):
            total = add(total, mul(x[i], y[(k - i) % 8]))
        assert value == total


@pytest.mark.parametrize("n", [1, 2, 6, 9])
def test_the_inverse_by_swapped_parts(n):
    """ExpandDft: i times conjugation on both sides of the forward transform makes the inverse one."""
    x = pairs(random.Random(n), n)
    swap = lambda values: [(im, re) for re, im in values]  # noqa: E731
    assert swap(transform(swap(x))) == transform(x, inverse=True)


def test_eighths_of_a_turn():
    """ExpandRotate: what turns by eighths cost."""
    re, im = sympy.symbols("re im", real=True)
    half = sympy.sqrt(sympy.Rational(1, 2))
    total, difference = re + im, im - re
    eighths = [
        (re, im),
        (total * half, difference * half),
        (im, -re),
        (difference * half, -total * half),
        (-re, -im),
        (-total * half, -difference * half),
        (-im, re),
        (-difference * half, total * half),
    ]
    for k, (x, y) in enumerate(eighths):
        turned = sympy.expand((re + sympy.I * im) * sympy.expand_complex(sympy.exp(-2 * sympy.pi * sympy.I * k / 8)))
        assert sympy.simplify(turned - x - sympy.I * y) == 0, k
        other = sympy.expand((re + sympy.I * im) * sympy.expand_complex(sympy.exp(2 * sympy.pi * sympy.I * k / 8)))
        assert (sympy.simplify(other - x - sympy.I * y) == 0) == (k in (0, 4)), k


# What the compiler makes ---------------------------------------------------------------------------------------------


def registers(count, of="f64"):
    return ", ".join([of] * count)


@pytest.mark.parametrize("inverse", ["", " inverse"])
@pytest.mark.parametrize("radix", [*range(1, 18), 20, 24, 32, 35])
def test_transforms_in_registers(radix, inverse):
    """bfly.dft, down to additions and products by constants."""
    names = [f"%x{i}" for i in range(2 * radix)]
    arguments = ", ".join(f"{name}: f64" for name in names)
    results = ", ".join(f"%y#{i}" for i in range(2 * radix))
    text = f"""func.func @f({arguments}) -> ({registers(2 * radix)}) {{
  %y:{2 * radix} = bfly.dft{inverse} {", ".join(names)} : f64
  return {results} : {registers(2 * radix)}
}}"""
    before = optimize(text)
    passes = "bfly-expand-dft,canonicalize,bfly-expand-rotate,canonicalize"
    after = optimize(text, f"-pass-pipeline=builtin.module(func.func({passes}))")
    assert not any(operation.name.startswith("bfly.") for operation in after.walk())
    orders = [4 * order for order in range(1, radix + 1) if radix % order == 0] + [8]
    values = [random.Random(f"{radix} {i}").randrange(P) for i in range(2 * radix)]
    expected = Interpreter(before).call("f", *values)
    assert Interpreter(after, orders).call("f", *values) == expected


@pytest.mark.parametrize("denominator", [1, 2, 3, 4, 8, 16, 24])
def test_turns_by_known_angles(denominator):
    for numerator in range(-denominator, 2 * denominator):
        text = f"""func.func @f(%a: f64, %b: f64) -> (f64, f64) {{
  %r, %i = bfly.rotate %a, %b by {numerator} of {denominator} : f64
  return %r, %i : f64, f64
}}"""
        a, b = random.Random(numerator).randrange(P), random.Random(denominator).randrange(P)
        after = optimize(text, "-pass-pipeline=builtin.module(func.func(canonicalize,bfly-expand-rotate,canonicalize))")
        expected = list(mul((a, b), field.root(numerator, denominator)))
        assert Interpreter(after, [8, 4 * denominator]).call("f", a, b) == expected


def transform_text(n, source="complex<f64>", result="complex<f64>"):
    x, f, y = f"tensor<1x{n}x2x{source}>", f"tensor<1x{n}x2xcomplex<f64>>", f"tensor<1x{n}x2x{result}>"
    return f"""func.func @f(%x: {x}) -> {y} {{
  %f = bfly.fft %x : {x} -> {f}
  %a = bfly.spectrum_map %f tokens({n}) : {f} -> {f} {{
  ^bb0(%bin: complex<f64>, %k: index):
    %c = complex.mul %bin, %bin : complex<f64>
    bfly.yield %c : complex<f64>
  }}
  %y = bfly.ifft %a : {f} -> {y}
  return %y : {y}
}}"""


# 17 and 19 go through Bluestein's convolution, forwards and backwards.
@pytest.mark.parametrize("parts", ["complex", "real"])
@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 6, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 24, 32])
def test_passes_are_the_definition(n, parts):
    of = "f64" if parts == "real" else "complex<f64>"
    text = transform_text(n, of, of)
    before, after = optimize(text), optimize(text, "-bfly-compile=to=affine")
    arguments = complex_arrays(random.Random(n), before)
    assert (run(after, arguments) == run(before, arguments)).all()


def plans():
    """Every ordered factorisation of some lengths into radices, in one group and in two."""

    def factorisations(n):
        if n == 1:
            yield []
        for radix in range(2, 17):
            if n % radix == 0:
                for rest in factorisations(n // radix):
                    yield [radix, *rest]

    for n in (6, 8, 12, 16):
        for radices in factorisations(n):
            yield n, radices, [f"<0 to {len(radices) - 1} in slab>"]
            if len(radices) > 1:
                yield n, radices, ["<0 to 0 in slab>", f"<1 to {len(radices) - 1} in pair>"]


@pytest.mark.parametrize("n, radices, groups", list(plans()))
def test_plans_written_by_hand(n, radices, groups):
    text = transform_text(n, "f64", "f64")
    schedule = print_after(text, "-bfly-compile=to=schedule")
    begin = schedule.index("plan [")
    end = schedule.index(" : (", begin)
    drawn = f"radices = {radices}, groups = [{', '.join(groups)}]"
    plan = f"plan [#bfly.cpu_transform<channels = 8, {drawn}>]"
    by_hand = schedule[:begin] + plan + schedule[end:]
    before = optimize(text)
    try:
        after = optimize(by_hand, "-bfly-compile=to=affine")
    except ValueError as refusal:
        assert "plan" in str(refusal), refusal
        pytest.skip("refused: " + str(refusal).splitlines()[0])
    arguments = complex_arrays(random.Random(n), before)
    assert (run(after, arguments) == run(before, arguments)).all()
