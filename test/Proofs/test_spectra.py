# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Half spectra, pairs of channels in one transform, filters without a transform, the mean as a bin."""

import random

import field
import numpy as np
import pytest
import sympy
from field import HALF, P
from generic_ir import optimize
from interpreter import Interpreter, add, conj, mul, sequence_of, transform
from test_attention import arrays, run

LENGTHS = (1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 13, 16)


def numbers(rng, count):
    return [rng.randrange(P) for _ in range(count)]


def pairs(rng, count):
    return list(zip(numbers(rng, count), numbers(rng, count)))


# Formulas ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", LENGTHS)
def test_a_real_sequence_has_a_hermitian_spectrum(n):
    rng = random.Random(n)
    spectrum = transform(numbers(rng, n))
    mirrored = [conj(spectrum[-k % n]) for k in range(n)]
    assert spectrum == mirrored
    if n > 2:  # not of a complex one
        spectrum = transform(pairs(rng, n))
        assert spectrum != [conj(spectrum[-k % n]) for k in range(n)]


def hermitian_part(bins):
    n = len(bins)
    return [mul(add(bins[k], conj(bins[-k % n])), (HALF, 0)) for k in range(n // 2 + 1)]


def real_inverse(bins, n):
    column = np.empty((1, len(bins), 1), dtype=object)
    column[0, :, 0] = bins
    return list(sequence_of(column, n, real=True)[0, :, 0])


@pytest.mark.parametrize("n", LENGTHS)
def test_a_real_result_sees_the_hermitian_part(n):
    """A[k] is anything: nothing is asked of the region. The first half of A itself will not do."""
    bins = pairs(random.Random(n), n)
    whole = real_inverse(bins, n)
    assert real_inverse(hermitian_part(bins), n) == whole
    if n > 2:
        assert real_inverse(bins[: n // 2 + 1], n) != whole


def test_the_hermitian_map_in_symbols():
    """(f(F, k) + conj f(conj F, N-k)) / 2 for a region that is any function of bin, index and parameters: the full
    inverse at N = 8, for uninterpreted values at every k."""
    n = 8
    values = [sympy.Symbol(f"u{k}", real=True) + sympy.I * sympy.Symbol(f"v{k}", real=True) for k in range(n)]
    roots = [sympy.expand_complex(sympy.exp(2 * sympy.pi * sympy.I * k / n)) for k in range(n)]
    whole = [sum(values[k] * roots[k * t % n] for k in range(n)) / n for t in range(n)]
    half = [(values[k] + sympy.conjugate(values[-k % n])) / 2 for k in range(n)]
    for t in range(n):
        y = sum(half[k] * roots[k * t % n] for k in range(n)) / n
        assert sympy.simplify(sympy.expand(y - sympy.re(sympy.expand(whole[t])))) == 0


@pytest.mark.parametrize("n", LENGTHS)
def test_two_channels_share_a_transform(n):
    """SpectralMaps: z = x + iy. mapPacked takes the pair apart, pack and packMirror put it together."""
    rng = random.Random(n)
    x, y = numbers(rng, n), numbers(rng, n)
    z = transform(list(zip(x, y)))
    a, b = transform(x), transform(y)
    half = (HALF, 0)
    for k in range(n // 2 + 1):
        one, other = z[k], z[-k % n]
        assert a[k] == mul(half, (one[0] + other[0], one[1] - other[1]))
        assert b[k] == mul(half, (one[1] + other[1], other[0] - one[0]))
    # Any Hermitian spectra go back the same way.
    p, q = transform(numbers(rng, n)), transform(numbers(rng, n))
    packed = [None] * n
    for k in range(n // 2 + 1):
        packed[-k % n] = ((p[k][0] + q[k][1]) % P, (q[k][0] - p[k][1]) % P)
        packed[k] = ((p[k][0] - q[k][1]) % P, (p[k][1] + q[k][0]) % P)
    assert packed == [add(p[k], mul((0, 1), q[k])) for k in range(n)]
    inverse = transform(packed, inverse=True)
    assert [v[0] for v in inverse] == [v[0] for v in transform(p, inverse=True)]
    assert [v[1] for v in inverse] == [v[0] for v in transform(q, inverse=True)]
    if n > 2:
        # Without the symmetry the channels mix.
        p = pairs(rng, n)
        packed = [add(p[k], mul((0, 1), q[k])) for k in range(n)]
        assert [v[1] for v in transform(packed, inverse=True)] != [v[0] for v in transform(q, inverse=True)]


@pytest.mark.parametrize("n", LENGTHS)
def test_the_mean_is_bin_zero(n):
    x = numbers(random.Random(n), n)
    spectrum = transform(x)
    mean = field.divide(sum(x) % P, n)
    assert spectrum[0] == (mean * n % P, 0)
    if n > 1:
        assert spectrum[1][0] != mean * n % P


@pytest.mark.parametrize("n", LENGTHS)
def test_a_constant_factor_commutes(n):
    """Re(IDFT(w F)) = Re(w) x for real x and a w that is the same for every k, and for no other."""
    rng = random.Random(n)
    x, (w,) = numbers(rng, n), pairs(rng, 1)
    assert real_inverse([mul(w, bin) for bin in transform(x)], n) == [w[0] * value % P for value in x]
    if n > 1:
        by_bin = pairs(rng, n)
        filtered = real_inverse([mul(factor, bin) for factor, bin in zip(by_bin, transform(x))], n)
        assert all(filtered != [factor[0] * value % P for value in x] for factor in by_bin)


def test_forms_of_modrelu():
    """A = relu(|G| + b) G / (|G| + e) with G = F w, w real: what regions of this project compute, piece by piece."""
    re, im, w, b = sympy.symbols("re im w b", real=True)
    tiny = sympy.Symbol("e", positive=True)
    g = (w * re, w * im)
    size = sympy.sqrt(g[0] ** 2 + g[1] ** 2)
    relu = sympy.Function("relu")
    gain = relu(size + b) / (size + tiny)
    # By a real gain on both parts, as by complex.mul with a zero imaginary part.
    product = sympy.expand((g[0] + sympy.I * g[1]) * (gain + 0 * sympy.I))
    assert sympy.simplify(product - (gain * g[0] + sympy.I * gain * g[1])) == 0
    # |F w| is |F| |w|, and not |F| w.
    assert sympy.simplify(size - sympy.Abs(w) * sympy.sqrt(re**2 + im**2)) == 0
    assert sympy.simplify(size - w * sympy.sqrt(re**2 + im**2)) != 0
    # It commutes with conjugation: conj F has the same gain.
    assert sympy.simplify(gain.subs(im, -im) - gain) == 0
    # With bias 0 it is no identity: |G| / (|G| + e); the transform may not be left out.
    assert sympy.simplify(size / (size + tiny) - 1) != 0


# What the compiler makes ---------------------------------------------------------------------------------------------

# Regions: whether a half spectrum needs the Hermitian part, and the text that makes %a of %bin, %k, and the parameters
# %r (real, by channel), %c (complex, by channel) and %q (complex, by bin).
ONE = "    %one = arith.constant 1.0 : f64\n    %zero = arith.constant 0.0 : f64\n"
SQUARE = "    %t = complex.mul %bin, %bin : complex<f64>\n"
TIMES_Z = "    %a = complex.mul %t, %z : complex<f64>\n"
INDEX = "    %i = arith.index_cast %k : index to i32\n    %ki = arith.sitofp %i : i32 to f64\n"
REGIONS = {
    "square": (False, "    %a = complex.mul %bin, %bin : complex<f64>\n"),
    "real": (False, SQUARE + ONE + "    %z = complex.create %r, %zero : complex<f64>\n" + TIMES_Z),
    "conjugate": (False, "    %c0 = complex.conj %bin : complex<f64>\n    %a = complex.mul %c0, %bin : complex<f64>\n"),
    "modrelu": (
        False,
        ONE + "    %abs = complex.abs %bin : complex<f64>\n    %sum = arith.addf %abs, %r : f64\n"
        "    %relu = arith.maximumf %sum, %zero : f64\n    %size = arith.addf %abs, %one : f64\n"
        "    %gain = arith.divf %relu, %size : f64\n    %g = complex.create %gain, %zero : complex<f64>\n"
        "    %a = complex.mul %bin, %g : complex<f64>\n",
    ),
    "odd": (
        False,
        "    %re = complex.re %bin : complex<f64>\n    %im = complex.im %bin : complex<f64>\n"
        "    %even = arith.mulf %im, %im : f64\n    %uneven = arith.mulf %re, %im : f64\n"
        "    %a = complex.create %even, %uneven : complex<f64>\n",
    ),
    "complex": (True, SQUARE + "    %a = complex.mul %t, %c : complex<f64>\n"),
    "by bin": (True, "    %a = complex.mul %bin, %q : complex<f64>\n"),
    "index": (True, SQUARE + INDEX + "    %z = complex.create %ki, %r : complex<f64>\n" + TIMES_Z),
    "swapped": (
        True,
        "    %re = complex.re %bin : complex<f64>\n    %im = complex.im %bin : complex<f64>\n"
        "    %a = complex.create %im, %re : complex<f64>\n",
    ),
    "imaginary": (True, SQUARE + "    %z = complex.constant [0.0, 1.0] : complex<f64>\n" + TIMES_Z),
    "sum": (
        True,
        ONE + "    %re = complex.re %bin : complex<f64>\n    %im = complex.im %bin : complex<f64>\n"
        "    %s = arith.addf %re, %im : f64\n    %a = complex.create %s, %zero : complex<f64>\n",
    ),
}


def program(region, n, channels=3, out="f64"):
    body = REGIONS[region][1]
    x, y = f"tensor<2x{n}x{channels}xf64>", f"tensor<2x{n}x{channels}x{out}>"
    types = f"tensor<{channels}xf64>", f"tensor<{channels}xcomplex<f64>>", f"tensor<{n}xcomplex<f64>>"
    return f"""func.func @f(%x: {x}, %pr: {types[0]}, %pc: {types[1]}, %pq: {types[2]}) -> {y} {{
  %y = bfly.spectral_filter %x params(%pr[channel] : {types[0]}, %pc[channel] : {types[1]}, %pq[bin] : {types[2]})
      : {x} -> {y} {{
  ^bb0(%bin: complex<f64>, %k: index, %r: f64, %c: complex<f64>, %q: complex<f64>):
{body}    bfly.yield %a : complex<f64>
  }}
  return %y : {y}
}}"""


def complex_arrays(rng, module):
    given = arrays(rng, module)
    function = next(operation for operation in module.walk() if operation.name == "func.func")
    for i, of in enumerate(function.regions[0].types):
        if "complex" in of:
            values = np.empty(given[i].shape, dtype=object)
            for index in np.ndindex(*values.shape):
                values[index] = (rng.randrange(P), rng.randrange(P))
            given[i] = values
    return given


LEVELS = {
    "network": "to=network",
    "loops": "to=affine",
    "unfused": "to=affine fuse=false",
    "gpu": "to=affine target=sm_90a emulate=true",
}


# A GPU's own kernels are for powers of two.
@pytest.mark.parametrize(
    "region, n, level",
    [(r, n, level) for r in REGIONS for n in (1, 2, 3, 6, 7, 8) for level in LEVELS if level != "gpu"]
    + [(r, n, "gpu") for r in REGIONS for n in (2, 4, 8, 16)],
)
def test_filters_are_their_definition(region, n, level):
    before = optimize(program(region, n))
    arguments = complex_arrays(random.Random(f"{region} {n}"), before)
    after = optimize(program(region, n), f"-bfly-compile={LEVELS[level]}")
    assert (run(after, arguments) == run(before, arguments)).all()


@pytest.mark.parametrize("n", [6, 7, 8])
@pytest.mark.parametrize("region", REGIONS)
def test_a_map_is_hermitian_exactly_where_it_has_to(region, n):
    """And without the attribute, where the pass wrote it, the numbers are others."""
    needed, _ = REGIONS[region]
    before = optimize(program(region, n))
    after = optimize(program(region, n), "-bfly-compile=to=network")
    maps = [operation for operation in after.walk() if operation.name == "bfly.spectrum_map"]
    assert len(maps) == 1 and f"x{n // 2 + 1}x" in maps[0].result_types[0], "half the spectrum"
    assert ("hermitian" in maps[0].attributes) == needed
    if needed:
        arguments = complex_arrays(random.Random(f"{region} {n}"), before)
        del maps[0].attributes["hermitian"]
        assert (run(after, arguments) != run(before, arguments)).any()


def commutes(region, n):
    """Whether f(conj F, N - k, p[N - k]) = conj f(F, k, p[k]), at random values."""
    rng = random.Random(region)
    module = optimize(program(region, n))
    block = next(op for op in module.walk() if op.name == "bfly.spectral_filter").regions[0]
    by_bin = pairs(rng, n)
    r, c = rng.randrange(P), pairs(rng, 1)[0]
    for k in range(n):
        (bin,) = pairs(rng, 1)
        here = Interpreter(module).run(block, [bin, k, r, c, by_bin[k]], {})[0]
        there = Interpreter(module).run(block, [conj(bin), -k % n, r, c, by_bin[-k % n]], {})[0]
        if there != conj(here):
            return False
    return True


@pytest.mark.parametrize("region", REGIONS)
def test_which_regions_commute_with_conjugation(region):
    """The table above is not the compiler's word for it."""
    assert commutes(region, 8) != REGIONS[region][0]


CONSTANT = {
    "real": (True, REGIONS["real"][1].replace("%t, %z", "%bin, %z")),
    "imaginary": (True, REGIONS["imaginary"][1].replace("%t, %z", "%bin, %z")),
    "complex": (True, "    %a = complex.mul %c, %bin : complex<f64>\n"),
    "by bin": (False, REGIONS["by bin"][1]),
    "index": (False, REGIONS["index"][1].replace("%t, %z", "%bin, %z")),
    "of the bin": (False, REGIONS["square"][1]),
}


@pytest.mark.parametrize("factor", CONSTANT)
def test_only_constant_factors_have_no_transform(factor, monkeypatch):
    constant, body = CONSTANT[factor]
    monkeypatch.setitem(REGIONS, "case", (None, body))
    before, after = optimize(program("case", 6)), optimize(program("case", 6), "-bfly-compile=to=network")
    assert (not any(operation.name == "bfly.fft" for operation in after.walk())) == constant
    arguments = complex_arrays(random.Random(factor), before)
    assert (run(after, arguments) == run(before, arguments)).all()


def test_a_complex_result_keeps_its_transform():
    """Re(w) x is what a real result sees; a complex one has all of w."""
    text = program("real", 6, out="complex<f64>").replace("%t, %z", "%bin, %z")
    before, after = (optimize(text, *flags) for flags in ((), ("-bfly-compile=to=network",)))
    assert any(operation.name == "bfly.fft" for operation in after.walk())
    arguments = complex_arrays(random.Random(0), before)
    assert (run(after, arguments) == run(before, arguments)).all()


MEAN = """func.func @f(%x: tensor<2x{n}x3xf64>) -> tensor<2x{n}x3xf64> {{
  %m = bfly.mean {of} : tensor<2x{n}x3xf64> -> tensor<2x3xf64>
  %y = bfly.spectral_filter %x params(%m[batch, channel] : tensor<2x3xf64>)
      : tensor<2x{n}x3xf64> -> tensor<2x{n}x3xf64> {{
  ^bb0(%bin: complex<f64>, %k: index, %c: f64):
    %z = complex.create %c, %c : complex<f64>
    %t = complex.mul %bin, %bin : complex<f64>
    %a = complex.mul %t, %z : complex<f64>
    bfly.yield %a : complex<f64>
  }}
  return %y : tensor<2x{n}x3xf64>
}}"""


@pytest.mark.parametrize("level", [level for level in LEVELS if level != "gpu"])
@pytest.mark.parametrize("n", [1, 2, 5, 6, 8, 9])
def test_a_mean_of_what_is_transformed_is_its_bin(n, level):
    text = MEAN.format(n=n, of="%x")
    before, after = optimize(text), optimize(text, f"-bfly-compile={LEVELS[level]}")
    arguments = arrays(random.Random(n), before)
    assert (run(after, arguments) == run(before, arguments)).all()


def test_a_mean_of_something_else_stays():
    text = MEAN.format(n=8, of="%u").replace("  %m =", "  %u = arith.addf %x, %x : tensor<2x8x3xf64>\n  %m =")
    names = {operation.name for operation in optimize(text, "-bfly-compile=to=network").walk()}
    assert "bfly.mean" in names and "bfly.bin" not in names
    names = {operation.name for operation in optimize(MEAN.format(n=8, of="%x"), "-bfly-compile=to=network").walk()}
    assert "bfly.mean" not in names and "bfly.bin" in names
