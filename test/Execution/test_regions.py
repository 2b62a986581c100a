# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What a region computes where arithmetic has corners: division by a bin's index, integers, branch cuts. The same numbers
on every plan, fused or not, and NumPy's."""

import numpy as np
import pytest
from programs import compile, normal, on_every_plan, on_plans, run, tensor

import bfly
from bfly import reference


def map_text(n, body, d=3):
    """A map of a spectrum in memory: `body` makes %a of %z and %k."""
    f = tensor(None, n, d, of="complex<f32>")
    return f"""func.func @map(%f: {f}) -> {f} {{
  %g = bfly.spectrum_map %f tokens({n}) : {f} -> {f} {{
  ^bb0(%z: complex<f32>, %k: index):
{body}
    bfly.yield %a : complex<f32>
  }}
  return %g : {f}
}}
"""


def filter_text(n, body, d=3, out="f32"):
    x, y = tensor(None, n, d, of="f32"), tensor(None, n, d, of=out)
    return f"""func.func @filter(%x: {x}) -> {y} {{
  %y = bfly.spectral_filter %x : {x} -> {y} {{
  ^bb0(%z: complex<f32>, %k: index):
{body}
    bfly.yield %a : complex<f32>
  }}
  return %y : {y}
}}
"""


def as_number(value, of):
    """%a from an integer."""
    cast = "arith.index_cast" if of == "index" else "arith.extsi"
    return f"""    %w = {cast} {value} : {of} to i64
    %re = arith.sitofp %w : i64 to f32
    %none = arith.constant 0.0 : f32
    %a = complex.create %re, %none : complex<f32>"""


SMALLEST = -(2**31)
# Of a = c XOR k, which is SMALLEST where b is -1, and b = k - 2 in i32, what NumPy says.
INTEGERS = {
    "divsi": lambda a, b: np.where(b == 0, 0, np.trunc(a / np.where(b == 0, 1, b))),
    "floordivsi": lambda a, b: np.where(b == 0, 0, np.floor(a / np.where(b == 0, 1, b))),
    "ceildivsi": lambda a, b: np.where(b == 0, 0, np.ceil(a / np.where(b == 0, 1, b))),
    "remsi": lambda a, b: np.where(b == 0, 0, np.fmod(a, np.where(b == 0, 1, b))),
    "divui": lambda a, b: np.where(b == 0, 0, (a % 2**32) // np.where(b == 0, 1, b % 2**32)),
    "remui": lambda a, b: np.where(b == 0, 0, (a % 2**32) % np.where(b == 0, 1, b % 2**32)),
    "shli": lambda a, b: np.where((b < 0) | (b > 31), 0, a << np.clip(b, 0, 31)),
    "shrsi": lambda a, b: np.where((b < 0) | (b > 31), a >> 31, a >> np.clip(b, 0, 31)),
    "shrui": lambda a, b: np.where((b < 0) | (b > 31), 0, (a % 2**32) >> np.clip(b, 0, 31)),
}


@pytest.mark.parametrize("first", [5, SMALLEST + 1])
@on_every_plan
@pytest.mark.parametrize("name", INTEGERS)
def test_integers(rng, name, plan, first):
    n = 8
    body = f"""    %c = arith.constant {first} : i32
    %two = arith.constant 2 : i32
    %i = arith.index_cast %k : index to i32
    %p = arith.xori %c, %i : i32
    %b = arith.subi %i, %two : i32
    %q = arith.{name} %p, %b : i32
{as_number("%q", "i32")}"""
    out = run(compile(map_text(n, body), plan=plan), normal(rng, "complex<f32>", 1, n, 3))
    k = np.arange(n, dtype=np.int64)
    wanted = np.asarray(INTEGERS[name](first ^ k, k - 2)).astype(np.int64).astype(np.int32)
    assert np.array_equal(out[0, :, 0].real, wanted.astype(np.float32))


@on_every_plan
@pytest.mark.parametrize("operation", ["divui", "remui", "divsi", "remsi", "ceildivui"])
def test_division_by_the_index(rng, operation, plan):
    """As people write it: the process lives, fused as well."""
    body = f"""    %c = arith.constant 100 : index
    %q = arith.{operation} %c, %k : index
{as_number("%q", "index")}"""
    k = np.arange(8)
    divisor = np.where(k, k, 1)
    quotient = {"divui": 100 // divisor, "divsi": 100 // divisor, "ceildivui": -(-100 // divisor)}.get(
        operation, 100 % divisor
    )
    wanted = np.where(k, quotient, 0)
    out = run(compile(map_text(8, body), plan=plan), normal(rng, "complex<f32>", 1, 8, 3))
    assert np.array_equal(out[0, :, 1].real, wanted)
    x = normal(rng, "f32", 2, 8, 3)
    body += "\n    %t = complex.mul %z, %a : complex<f32>"
    for fuse in (True, False):
        y = run(compile(filter_text(8, body).replace("yield %a", "yield %t"), fuse, plan), x)
        exact = reference.fourier_filter(x, lambda f, k: f * wanted.reshape(1, 8, 1))
        assert reference.error(y, exact) < 1e-5


@on_every_plan
@pytest.mark.parametrize("operation", ["floordiv", "ceildiv", "mod"])
def test_maps_that_divide_by_what_is_given(operation, plan):
    """By a positive number as they are defined to; by another, which is not, the process lives."""
    kernel = compile(
        f"""func.func @divide(%x: tensor<4xf32>, %m: index, %n: index) -> tensor<4xf32> {{
  %q = affine.apply affine_map<()[m, n] -> (m {operation} n)>()[%m, %n]
  %i = arith.index_cast %q : index to i64
  %number = arith.sitofp %i : i64 to f32
  %s = tensor.splat %number : tensor<4xf32>
  %y = arith.addf %x, %s : tensor<4xf32>
  return %y : tensor<4xf32>
}}""",
        plan=plan,
    )
    x = np.zeros(4, np.float32)
    define = {"floordiv": lambda m, n: m // n, "ceildiv": lambda m, n: -(-m // n), "mod": lambda m, n: m % n}[operation]
    for m in (7, -7, 0):
        for n in (1, 3, 8):
            assert kernel(x, m, n)[0] == define(m, n)
    for m in (7, -(1 << 63)):
        for n in (0, -1):
            assert np.isfinite(kernel(x, m, n)).all()


@pytest.mark.parametrize("width", [1, 4, 8, 12, 24, 32, 48, 64])
def test_lanes_of_any_width(width, rng):
    """Vectors hold some of them packed, arrays each in whole bytes."""
    kernel = bfly.compile(f"""func.func @copy(%x: memref<37xi64>, %y: memref<37xi64> {{bufferize.result}}) {{
  %a = memref.alloc() : memref<37xi{width}>
  %b = memref.alloc() : memref<37xi{width}>
  affine.for %i = 0 to 37 {{
    %0 = affine.load %x[%i] : memref<37xi64>
    %1 = {"arith.addi %0, %0 : i64" if width == 64 else f"arith.trunci %0 : i64 to i{width}"}
    affine.store %1, %a[%i] : memref<37xi{width}>
  }}
  affine.for %i = 0 to 37 {{
    %0 = affine.load %a[%i] : memref<37xi{width}>
    affine.store %0, %b[%i] : memref<37xi{width}>
  }} {{bfly.lanes}}
  affine.for %i = 0 to 37 {{
    %0 = affine.load %b[%i] : memref<37xi{width}>
    %1 = {"arith.addi %0, %0 : i64" if width == 64 else f"arith.extui %0 : i{width} to i64"}
    affine.store %1, %y[%i] : memref<37xi64>
  }}
  memref.dealloc %a : memref<37xi{width}>
  memref.dealloc %b : memref<37xi{width}>
  return
}}""")
    x = rng.integers(0, 1 << 40, 37)
    np.testing.assert_array_equal(kernel(x), 4 * x if width == 64 else x % (1 << width))


@on_every_plan
def test_numbers_that_are_no_integers(rng, plan):
    values = np.array([0.5, -3.7, 1e20, -1e20, np.nan, np.inf, -np.inf, 7e8], np.float32)
    signed = [0, -3, 2**31 - 1, -(2**31), 0, 2**31 - 1, -(2**31), 700000000]
    unsigned = [0, 0, 2**32 - 1, 0, 0, 2**32 - 1, 0, 700000000]
    for name, wanted in (("si", signed), ("ui", unsigned)):
        body = f"""    %r = complex.re %z : complex<f32>
    %q = arith.fpto{name} %r : f32 to i32
    %re = arith.{name}tofp %q : i32 to f32
    %none = arith.constant 0.0 : f32
    %a = complex.create %re, %none : complex<f32>"""
        spectrum = np.zeros((1, 8, 1), np.complex64)
        spectrum.real[0, :, 0] = values
        out = run(compile(map_text(8, body, d=1), plan=plan), spectrum)
        assert np.array_equal(out[0, :, 0].real, np.array(wanted).astype(np.float32))


POINTS = [complex(re, im) for re in (-2.5, -1.0, -0.0, 0.0, 1.5) for im in (-2.0, -0.0, 0.0, 3.0)]
CUTS = {"sqrt": np.sqrt, "log": np.log, "neg": np.negative, "conj": np.conj, "angle": np.angle}


@on_every_plan
@pytest.mark.parametrize("name", CUTS)
def test_branch_cuts(name, plan):
    body = f"    %a = complex.{name} %z : complex<f32>"
    if name == "angle":
        body = "    %r = complex.angle %z : complex<f32>\n    %none = arith.constant 0.0 : f32\n    %a = complex.create %r, %none : complex<f32>"
    spectrum = np.array(POINTS, np.complex64).reshape(1, -1, 1)
    out = run(compile(map_text(len(POINTS), body, d=1), plan=plan), spectrum)
    with np.errstate(all="ignore"):
        wanted = CUTS[name](spectrum.astype(complex)) + 0
    assert np.allclose(out.real, np.real(wanted), atol=1e-6) and np.allclose(out.imag, np.imag(wanted), atol=1e-6)


@pytest.mark.parametrize("fuse", [True, False])
@on_plans([1, 6, 37, 64])
@pytest.mark.parametrize("factor", [1, -1])
def test_roots_of_real_bins(rng, factor, plan, n, fuse):
    """Bins 0 and N/2 times a real number are on one side of the cut, which NumPy takes too."""
    body = f"""    %c = arith.constant {factor}.0 : f32
    %none = arith.constant 0.0 : f32
    %w = complex.create %c, %none : complex<f32>
    %g = complex.mul %z, %w : complex<f32>
    %a = complex.sqrt %g : complex<f32>"""
    x = normal(rng, "f32", 4, n, 3)
    bins = np.fft.fft(reference.load(x), axis=1)
    own = [0, n // 2] if n % 2 == 0 else [0]
    bins[:, own] = bins[:, own].real
    exact = np.sqrt(bins * complex(factor, 0))
    y = run(compile(filter_text(n, body, out="complex<f32>"), fuse, plan), x)
    got, wanted = np.fft.fft(y.astype(complex), axis=1), exact
    assert np.allclose(got[:, own], wanted[:, own], rtol=1e-3, atol=2e-3)


@on_every_plan
@pytest.mark.parametrize("fuse", [True, False])
def test_a_bin_by_its_index(rng, fuse, plan):
    """z / k is none at bin 0, and then no token is; a select keeps it out."""
    number = """    %i = arith.index_cast %k : index to i64
    %f = arith.sitofp %i : i64 to f32
    %none = arith.constant 0.0 : f32
    %w = complex.create %f, %none : complex<f32>
    %q = complex.div %z, %w : complex<f32>
"""
    x = normal(rng, "f32", 2, 8, 3)
    y = run(
        compile(
            filter_text(
                8,
                number + "    %one = complex.constant [1.0 : f32, 0.0 : f32] : complex<f32>\n"
                "    %a = complex.mul %q, %one : complex<f32>",
            ),
            fuse,
            plan,
        ),
        x,
    )
    assert not np.isfinite(y).any()
    kept = (
        number
        + """    %zero = arith.constant 0 : index
    %first = arith.cmpi eq, %k, %zero : index
    %a = arith.select %first, %z, %q : complex<f32>"""
    )
    y = run(compile(filter_text(8, kept), fuse, plan), x)
    exact = reference.fourier_filter(x, lambda f, k: f / np.where(k, k, 1))
    assert reference.error(y, exact) < 1e-6


@on_every_plan
def test_large_and_small_bins(plan):
    """Neither a quotient nor an absolute value overflows where the result does not."""
    spectrum = np.array([3e30 + 4e30j, 3e-30 - 4e-30j, 1e38 + 1e38j, 2e-38 + 0j], np.complex64).reshape(1, -1, 1)
    wide = spectrum.astype(complex)
    absolute = "    %r = complex.abs %z : complex<f32>\n    %none = arith.constant 0.0 : f32\n    %a = complex.create %r, %none : complex<f32>"
    out = run(compile(map_text(4, absolute, d=1), plan=plan), spectrum)
    assert np.allclose(out.real, abs(wide), rtol=1e-6)
    quotient = "    %a = complex.div %z, %z : complex<f32>"
    out = run(compile(map_text(4, quotient, d=1), plan=plan), spectrum)
    assert np.allclose(out, 1, atol=1e-6)
