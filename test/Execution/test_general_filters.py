# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The general spectral filter: any function of the bin, its index and broadcast parameters, complex or real at either
end."""

import itertools

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest
from programs import PLANS, compile, filter_text, normal, on_plans, run

from bfly import reference

SIZES = {"batch": 0, "bin": 1, "channel": 2}


def spread(array, dims):
    """A parameter, shaped to broadcast over (B, N, D)."""
    wide = reference.load(array)
    shape = [1, 1, 1]
    for size, dim in zip(wide.shape, dims):
        shape[SIZES[dim]] = size
    return wide.reshape(shape)


def check(rng, shape, dtype, parameters, body, function, out=None, fuse=True, plan="cpu"):
    """`parameters`: (name, dimensions, type) each. `function`(F, k, *parameters) is what `body` computes."""
    out = out or dtype
    batch, n, d = shape
    x = normal(rng, dtype, *shape)
    arrays = [normal(rng, of, *(shape[SIZES[dim]] for dim in dims)) for _, dims, of in parameters]
    kernel = compile(filter_text(batch, n, d, dtype, parameters, body, out), fuse, plan)
    result = run(kernel, x, *arrays)

    wide = reference.load(x)
    spreads = [spread(array, dims) for array, (_, dims, _) in zip(arrays, parameters)]
    oracle = reference.fourier_filter(wide, function, *spreads, real_part=False)
    # The real part of a result that is nearly imaginary is no smaller than its rounding.
    floor = float(np.linalg.norm(oracle))
    if not np.iscomplexobj(result):
        oracle = oracle.real
    assert result.shape == oracle.shape
    bits = {"complex<f32>": "f32", "complex<f64>": "f64"}.get(out, out)
    if "f32" in dtype and bits == "f64":
        bits = "f32"
    limit = reference.bound("spectral_filter", bits, n)
    pair = lambda z: np.stack([np.real(z), np.imag(z)])  # noqa: E731
    wrong = reference.error(pair(reference.load(result)), pair(oracle), floor)
    assert wrong <= limit, f"error {wrong:.3g} above {limit:.3g}"


IDENTITY = "    %one = arith.constant 1.0 : REAL\n    %zero = arith.constant 0.0 : REAL\n" + (
    "    %u = complex.create %one, %zero : COMPLEX\n    %a = complex.mul %bin, %u : COMPLEX"
)
SCALE = "    %zero = arith.constant 0.0 : REAL\n    %z = complex.create %w, %zero : COMPLEX\n" + (
    "    %a = complex.mul %bin, %z : COMPLEX"
)
TIMES = "    %a = complex.mul %bin, %w : COMPLEX"
# 1 / (1 + k): not the same at k and N − k.
DECAY = """
    %zero = arith.constant 0.0 : REAL
    %one = arith.constant 1.0 : REAL
    %i = arith.index_cast %k : index to i64
    %f = arith.sitofp %i : i64 to REAL
    %g = arith.addf %f, %one : REAL
    %h = arith.divf %one, %g : REAL
    %z = complex.create %h, %zero : COMPLEX
    %a = complex.mul %bin, %z : COMPLEX
"""
# Keeps the first bins alone: what makes a real signal analytic.
BAND = """
    %zero = complex.constant [0.0 : REAL, 0.0 : REAL] : COMPLEX
    %last = arith.constant 3 : index
    %low = arith.cmpi ult, %k, %last : index
    %a = arith.select %low, %bin, %zero : COMPLEX
"""
# A shrinkage per bin with a complex gain: |F| kept above a threshold, turned by a complex parameter.
SHRINK = """
    %zero = arith.constant 0.0 : REAL
    %abs = complex.abs %bin : COMPLEX
    %t = math.absf %t0 : REAL
    %d = arith.subf %abs, %t : REAL
    %kept = arith.maximumf %d, %zero : REAL
    %one = arith.constant 1.0 : REAL
    %size = arith.addf %abs, %one : REAL
    %gain = arith.divf %kept, %size : REAL
    %gz = complex.create %gain, %zero : COMPLEX
    %g = complex.mul %bin, %gz : COMPLEX
    %a = complex.mul %g, %w : COMPLEX
"""
CONJUGATE = "    %a = complex.conj %bin : COMPLEX"
SQUARE = """
    %re = complex.re %bin : COMPLEX
    %im = complex.im %bin : COMPLEX
    %zero = arith.constant 0.0 : REAL
    %p = arith.mulf %re, %im : REAL
    %s = arith.addf %re, %im : REAL
    %a = complex.create %p, %s : COMPLEX
"""

BODIES = {
    "identity": (IDENTITY, [], lambda f, k: f),
    "decay": (DECAY, [], lambda f, k: f / (1 + k)),
    "band": (BAND, [], lambda f, k: np.where(k < 3, f, 0)),
    "conjugate": (CONJUGATE, [], lambda f, k: f.conj()),
    "products": (SQUARE, [], lambda f, k: f.real * f.imag + 1j * (f.real + f.imag)),
    "shrink": (
        SHRINK,
        [("t0", ("channel",), "REAL"), ("w", ("bin", "channel"), "complex<REAL>")],
        lambda f, k, t, w: np.maximum(np.abs(f) - np.abs(t), 0) * f / (np.abs(f) + 1) * w,
    ),
}


def typed(parameters, real):
    return [(name, dims, of.replace("REAL", real)) for name, dims, of in parameters]


@pytest.mark.parametrize("fuse", [True, False])
@on_plans([1, 2, 3, 8, 15, 37, 64])
@pytest.mark.parametrize("name", BODIES)
def test_real_to_real(rng, name, plan, n, fuse):
    body, parameters, function = BODIES[name]
    check(rng, (2, n, 5), "f32", typed(parameters, "f32"), body, function, fuse=fuse, plan=plan)


@pytest.mark.parametrize("name, n", [("decay", 1024), ("shrink", 4096), ("decay", 8192)])
def test_long_sequences_on_a_gpu(rng, name, n):
    body, parameters, function = BODIES[name]
    check(rng, (2, n, 11), "f32", typed(parameters, "f32"), body, function, plan="sm_90a")
    check(rng, (1, n, 3), "complex<f32>", typed(parameters, "f32"), body, function, plan="sm_90a")


def test_long_spectra_on_a_gpu(rng):
    body, parameters, function = BODIES["shrink"]
    check(rng, (1, 8192, 4), "f32", typed(parameters, "f32"), body, function, fuse=False, plan="sm_90a")


@pytest.mark.parametrize("ends", [("f64", "complex<f64>"), ("complex<f64>", "f64"), ("complex<f64>", "complex<f64>")])
@pytest.mark.parametrize(
    "plan, n, fuse",
    [("cpu", n, fuse) for n, fuse in ((1, True), (6, False), (29, True), (32, True), (64, False), (74, True))]
    + [("sm_90a", n, fuse) for n, fuse in ((1, True), (6, False), (29, True), (32, True), (64, False), (74, True))],
)
@pytest.mark.parametrize("name", BODIES)
def test_complex_ends(rng, name, n, fuse, ends, plan):
    body, parameters, function = BODIES[name]
    check(rng, (2, n, 3), ends[0], typed(parameters, "f64"), body, function, out=ends[1], fuse=fuse, plan=plan)


@on_plans([16, 25, 128])
@pytest.mark.parametrize("name", ["decay", "band", "shrink"])
def test_complex_ends_f32(rng, name, plan, n):
    body, parameters, function = BODIES[name]
    for ends in (("f32", "complex<f32>"), ("complex<f32>", "f32"), ("complex<f32>", "complex<f32>")):
        check(rng, (1, n, 20), ends[0], typed(parameters, "f32"), body, function, out=ends[1], plan=plan)


@pytest.mark.parametrize("dtype", ["bf16", "f16"])
@pytest.mark.parametrize("name", ["identity", "decay", "band", "conjugate"])
def test_16_bits(rng, name, dtype):
    body, _, function = BODIES[name]
    for plan, n in (("cpu", 9), ("cpu", 32), ("sm_90a", 9), ("sm_90a", 32)):
        check(rng, (2, n, 18), dtype, [], body, function, plan=plan)


DIMENSIONS = [dims for count in (0, 1, 2, 3) for dims in itertools.combinations(SIZES, count)]


@pytest.mark.parametrize("dims", DIMENSIONS, ids="-".join)
def test_parameters_by_their_dimensions(rng, dims):
    for of, body in (("f32", SCALE), ("complex<f32>", TIMES)):
        for plan, n, fuse in itertools.product(PLANS, (11, 12, 16), (True, False)):
            check(rng, (3, n, 10), "f32", [("w", dims, of)], body, lambda f, k, w: f * w, fuse=fuse, plan=plan)


def test_many_parameters(rng):
    body = """
    %p = complex.mul %bin, %u : COMPLEX
    %zero = arith.constant 0.0 : REAL
    %vz = complex.create %v, %zero : COMPLEX
    %q = complex.mul %p, %vz : COMPLEX
    %r = complex.add %q, %w : COMPLEX
    %sz = complex.create %zero, %s : COMPLEX
    %a = complex.add %r, %sz : COMPLEX
"""
    parameters = [
        ("u", ("bin",), "complex<f32>"),
        ("v", ("batch", "channel"), "f32"),
        ("w", ("batch", "bin", "channel"), "complex<f32>"),
        ("s", ("channel",), "f32"),
    ]
    oracle = lambda f, k, u, v, w, s: f * u * v + w + 1j * s  # noqa: E731
    for plan, n, fuse in itertools.product(PLANS, (8, 10, 23), (True, False)):
        check(rng, (2, n, 7), "f32", parameters, body, oracle, fuse=fuse, plan=plan)


def test_fnet_mixing_over_tokens(rng):
    """The real part of a transform: an inverse transform undone by conjugation and N."""
    n, d = 24, 6
    body = CONJUGATE
    x = normal(rng, "f64", 2, n, d)
    kernel = compile(filter_text(2, n, d, "f64", [], body))
    np.testing.assert_allclose(run(kernel, x), np.roll(x[:, ::-1], 1, axis=1), atol=1e-13)


def test_long_convolution_is_a_filter(rng):
    """A circular convolution with a kernel per channel, the kernel's spectrum given: GFNet's and Hyena's."""
    n, d = 100, 9
    x, taps = normal(rng, "f64", 2, n, d), normal(rng, "f64", n, d)
    spectrum = np.fft.fft(taps, axis=0)
    kernel = compile(filter_text(2, n, d, "f64", [("w", ("bin", "channel"), "complex<f64>")], TIMES))
    direct = sum(taps[shift] * np.roll(x, shift, axis=1) for shift in range(n))
    np.testing.assert_allclose(run(kernel, x, spectrum), direct, atol=1e-11)


@hypothesis.settings(max_examples=30)
@hypothesis.given(
    shape=st.tuples(st.integers(1, 3), st.integers(1, 130), st.integers(1, 20)),
    ends=st.tuples(st.sampled_from(["f32", "complex<f32>"]), st.sampled_from(["f32", "complex<f32>"])),
    name=st.sampled_from(list(BODIES)),
    fuse=st.booleans(),
    plan=st.sampled_from(list(PLANS)),
    seed=st.integers(0, 2**32 - 1),
)
def test_random(shape, ends, name, fuse, plan, seed):
    body, parameters, function = BODIES[name]
    rng = np.random.default_rng(seed)
    if plan != "cpu":
        shape = (shape[0], 1 << shape[1].bit_length(), shape[2])
    check(rng, shape, ends[0], typed(parameters, "f32"), body, function, out=ends[1], fuse=fuse, plan=plan)
