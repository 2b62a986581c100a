# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The derivative of a filter as one kernel: its lengths, plans, types, sums over bins, and what is no number."""

import re
import subprocess

import numpy as np
import pytest
from backward import OPT, backward, central, check, differentiate, filter_evaluations, needs_opt, tolerance
from programs import (
    MODRELU_OF_W,
    compile,
    fftnet_problem,
    fftnet_text,
    filter_text,
    normal,
    on_every_target,
    on_gpu,
    run,
    tensor,
)

from bfly import reference

pytestmark = needs_opt

# w F alone, of which gx does not depend on x.
LINEAR = """
    %zero = arith.constant 0.0 : REAL
    %s = arith.addf %w, %bias : REAL
    %wz = complex.create %s, %zero : COMPLEX
    %a = complex.mul %bin, %wz : COMPLEX
"""


def static_text(batch, n, d, dtype, body=MODRELU_OF_W):
    return filter_text(batch, n, d, dtype, [("w", ("batch", "channel"), dtype), ("bias", ("channel",), dtype)], body)


def static_vjp(g, x, w, bias):
    """Of MODRELU_OF_W, in float64."""
    g, x, w, bias = map(reference.load, (g, x, w, bias))
    n = x.shape[1]
    twice = np.where(np.isin(np.arange(n // 2 + 1), (0, n / 2)), 1, 2)[:, None]
    f, y = np.fft.rfft(x, axis=1), np.fft.rfft(g, axis=1)
    z = f * w[:, None]
    p, _ = reference.mod_relu_vjp(y, z, bias)
    part = np.where(np.abs(z) + bias <= 0, 0, (np.conj(y) * z).real / (np.abs(z) + 1e-10))
    gw = (twice * (np.conj(f) * p).real).sum(axis=1) / n
    return np.fft.irfft(w[:, None] * p, n=n, axis=1), gw, (twice * part).sum(axis=(0, 1)) / n


@on_every_target
@pytest.mark.parametrize("n", [16, 60, 256])
def test_lengths(rng, n, plan):
    for dtype in ("f64", "f32"):
        batch, d, hidden = (int(size) for size in rng.integers(1, [3, 7, 4]))
        problem = fftnet_problem(rng, batch, n, d, hidden, dtype)
        g = normal(rng, dtype, batch, n, d)
        kernel = differentiate(fftnet_text(batch, n, d, hidden, dtype), "fftnet", plan)
        wanted = reference.spectral_filter_vjp(g, *problem)
        evaluations = filter_evaluations(rng, g, problem, dtype)
        check(run(kernel, *problem, g), wanted, tolerance(dtype, 3e-7 * np.log2(n)), 1e-3, evaluations)


@on_every_target
@pytest.mark.parametrize("dtype", ["bf16", "f16"])
def test_sixteen_bits(rng, dtype, plan):
    batch, n, d, hidden = 2, 32, 5, 3
    problem = fftnet_problem(rng, batch, n, d, hidden, dtype)
    g = normal(rng, dtype, batch, n, d)
    kernel = differentiate(fftnet_text(batch, n, d, hidden, dtype), "fftnet", plan)
    evaluations = filter_evaluations(rng, g, problem, dtype)
    check(run(kernel, *problem, g), reference.spectral_filter_vjp(g, *problem), 0.0, 1e-3, evaluations)


def schedule(text, target):
    options = "-bfly-compile=to=schedule" + (f" target={target}" if target != "cpu" else "")
    done = subprocess.run([OPT, options], input=text, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


CPU_PLANS = [("4", "[4, 4, 4]", "[<0 to 2 in slab>]"), ("32", "[2, 32]", "[<0 to 0 in slab>, <1 to 1 in pair>]"),
             ("3", "[4, 2, 8]", "[<0 to 0 in slab>, <1 to 2 in pair>]"), ("16", "[64]", "[<0 to 0 in slab>]")]  # fmt: skip
GPU_PLANS = [("1", "[4, 4, 4]", "[<0 to 2 in shared>]"), ("2", "[2, 32]", "[<0 to 1 in shared>]"),
             ("3", "[8, 8]", "[<0 to 1 in shared>]"), ("2", "[4, 4, 4]", "[<0 to 0 in memory>, <1 to 2 in shared>]"),
             ("1", "[16, 4]", "[<0 to 0 in memory>, <1 to 1 in shared>]")]  # fmt: skip


@on_every_target
@pytest.mark.parametrize("of_tokens", ["f64", "complex<f64>"])
def test_plans(rng, plan, of_tokens):
    """Slabs of other widths, which do not divide the channels, other passes, and a first pass through memory."""
    target = "sm_90a" if on_gpu() else plan
    batch, n, d = 2, 64, 7
    is_real = of_tokens == "f64"
    text = backward(static_text(batch, n, d, "f64") if is_real else complex_text(batch, n, d))
    x, g = normal(rng, of_tokens, batch, n, d), normal(rng, of_tokens, batch, n, d)
    w, bias = normal(rng, "f64", batch, d), normal(rng, "f64", d)
    wanted = static_vjp(g, x, w, bias) if is_real else complex_vjp(g, x, w, bias)
    chosen = schedule(text, target)
    assert len(re.findall(r'bfly.kernel "', chosen)) == 2  # The forward's, and the derivative's.
    word, plans = ("cpu_transform<channels", CPU_PLANS) if target == "cpu" else ("gpu_transform<columns", GPU_PLANS)
    for width, radices, groups in plans:
        written, count = re.subn(
            rf"{word} = \d+, radices = \[[^]]*\], groups = \[.*?>\]>",
            f"{word} = {width}, radices = {radices}, groups = {groups}>",
            chosen,
        )
        assert count == 2
        check(run(compile(written, plan=plan, function="filter_backward"), x, w, bias, g), wanted, 1e-12)


def complex_text(batch, n, d):
    parameters = [("w", ("batch", "channel"), "f64"), ("bias", ("channel",), "f64")]
    body = """
    %wz = complex.create %w, %bias : COMPLEX
    %b = complex.mul %bin, %bin : COMPLEX
    %a = complex.mul %b, %wz : COMPLEX
"""
    return filter_text(batch, n, d, "complex<f64>", parameters, body)


def complex_vjp(g, x, w, bias):
    """Of (w + i bias) F^2, all N bins of complex tokens."""
    n = x.shape[1]
    f, y = np.fft.fft(x, axis=1), np.fft.fft(g, axis=1)
    weight = (w + 1j * bias)[:, None]
    gweight = (np.conj(f * f) * y).sum(axis=1) / n
    return np.fft.ifft(np.conj(2 * f * weight) * y, axis=1), gweight.real, gweight.imag.sum(axis=0)


@on_every_target
def test_batches_and_choices(rng, plan):
    """A batch that is known when the kernel runs; gradients of parameters alone, which nothing is transformed back for."""
    n, d = 8, 3
    text = static_text(None, n, d, "f64")
    for batch in (1, 3):
        x, g = normal(rng, "f64", batch, n, d), normal(rng, "f64", batch, n, d)
        w, bias = normal(rng, "f64", batch, d), normal(rng, "f64", d)
        wanted = static_vjp(g, x, w, bias)
        check(run(differentiate(text, "filter", plan), x, w, bias, g), wanted, 1e-12)
        check(run(differentiate(text, "filter", plan, options=("of=1,2",)), x, w, bias, g), wanted[1:], 1e-12)
        check(run(differentiate(text, "filter", plan, options=("of=0",)), x, w, bias, g), wanted[:1], 1e-12)


@on_every_target
def test_many_parameters(rng, plan):
    """More sums than one kernel has."""
    n, d, count = 6, 2, 11
    parameters = [(f"p{i}", ("channel",) if i % 2 else (), "f64") for i in range(count)]
    lines, total = [], "%bin"
    for i in range(count):
        lines.append(f"""
    %c{i} = arith.constant {i + 1}.0 : REAL
    %v{i} = complex.create %p{i}, %c{i} : COMPLEX
    %s{i} = complex.mul %v{i}, %bin : COMPLEX
    %e{i} = complex.exp %v{i} : COMPLEX
    %t{i} = complex.mul %s{i}, %e{i} : COMPLEX
    %a{i} = complex.add {total}, %t{i} : COMPLEX""")
        total = f"%a{i}"
    body = "".join(lines).replace(f"%a{count - 1} =", "%a =")
    arrays = [normal(rng, "f64", 2, n, d), *(rng.standard_normal((d,) if i % 2 else ()) for i in range(count))]
    g = normal(rng, "f64", 2, n, d)

    def forward(x, *params):
        f = np.fft.fft(x, axis=1)
        z = [p + 1j * (i + 1) for i, p in enumerate(params)]
        return np.fft.ifft(f + sum(v * f * np.exp(v) for v in z), axis=1).real

    kernel = differentiate(filter_text(2, n, d, "f64", parameters, body), "filter", plan)
    check(run(kernel, *arrays, g), central(forward, g, *arrays), 1e-6)


@on_every_target
@pytest.mark.parametrize("d", [4, 5])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_no_number_stays_in_its_channel(rng, plan, d, bad):
    batch, n = 2, 16
    x, g = normal(rng, "f32", batch, n, d), normal(rng, "f32", batch, n, d)
    w, bias = normal(rng, "f32", batch, d), normal(rng, "f32", d)
    kernel = differentiate(static_text(batch, n, d, "f32"), "filter", plan)
    clean = run(kernel, x, w, bias, g)
    x[0, 3, 1] = bad
    g[1, 5, d - 1] = bad
    gx, gw, gbias = run(kernel, x, w, bias, g)
    hit = np.zeros((batch, d), bool)
    hit[0, 1] = hit[1, d - 1] = True
    assert np.isnan(gx.transpose(0, 2, 1)[hit]).all() and np.isnan(gw[hit]).all()
    np.testing.assert_allclose(gx.transpose(0, 2, 1)[~hit], clean[0].transpose(0, 2, 1)[~hit], rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(gw[~hit], clean[1][~hit], rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(gbias[~hit.any(axis=0)], clean[2][~hit.any(axis=0)], rtol=1e-3, atol=1e-4)

    # What does not depend on x does not see it.
    kernel = differentiate(static_text(batch, n, d, "f32", LINEAR), "filter", plan)
    gx, gw, gbias = run(kernel, x, w, bias, g)
    seen = np.zeros((batch, d), bool)
    seen[1, d - 1] = True
    assert (np.isnan(gx).any(axis=1) == seen).all()
    assert (np.isnan(gw) == hit).all() and (np.isnan(gbias) == hit.any(axis=0)).all()


def sums_text(n, bins, of, kernel=False):
    f, sums, wide = tensor(2, bins, 3, of="complex<f64>"), tensor(2, 3, of="f64"), tensor(2, 3, of="complex<f64>")
    r, q = tensor(2, bins, 3, of=of), tensor(3, of="f64")
    end = "%b = complex.re %bin : complex<f64>" if of == "f64" else "%b = complex.neg %bin : complex<f64>"
    body = f"""%r, %s, %t = bfly.spectrum_map %f params(%q[channel] : {q}, %h[batch, bin, channel] : {f}) tokens({n})
      : {f} -> {r} sums({sums}, {wide}) {{
  ^bb0(%bin: complex<f64>, %k: index, %p: f64, %other: complex<f64>):
    %c = complex.conj %bin : complex<f64>
    %m = complex.mul %c, %other : complex<f64>
    %size = complex.abs %m : complex<f64>
    %u = arith.mulf %size, %p : f64
    {end}
    bfly.yield %b, %u, %m : {of}, f64, complex<f64>
  }}"""
    return f"""func.func @f(%f: {f}, %q: {q}, %h: {f}) -> ({r}, {sums}, {wide}) {{
  {body}
  return %r, %s, %t : {r}, {sums}, {wide}
}}
func.func @g(%f: {f}, %q: {q}, %h: {f}) -> ({sums}, {wide}) {{
  {body}
  return %s, %t : {sums}, {wide}
}}
"""


@on_every_target
@pytest.mark.parametrize("n, bins", [(1, 1), (2, 2), (8, 5), (9, 5), (5, 5)])
def test_sums(rng, n, bins, plan):
    """Sums of spectra in memory: real ones and complex ones, beside a result of either kind or none."""
    f, h = normal(rng, "complex<f64>", 2, bins, 3), normal(rng, "complex<f64>", 2, bins, 3)
    q = rng.standard_normal(3)
    half = bins != n
    twice = np.where(np.isin(np.arange(bins), (0, n / 2)) | (not half), 1, 2)[:, None]
    m = np.conj(f) * h
    wanted = [(twice * np.abs(m) * q).sum(axis=1) / n, (twice * m).sum(axis=1) / n]
    for of, result in (("f64", f.real), ("complex<f64>", -f)):
        text = sums_text(n, bins, of)
        check(run(compile(text, plan=plan, function="f"), f, q, h), [result, *wanted], 1e-13)
        check(run(compile(text, plan=plan, function="g"), f, q, h), wanted, 1e-13)


KERNEL = """func.func @f(%f: F, %h: F) -> (tensor<2x8x3xf64>, tensor<2x3xf64>) {
  %y, %s = bfly.kernel "sums" (%a = %f, %b = %h) : (F, F) -> (tensor<2x8x3xf64>, tensor<2x3xf64>) {
    %r, %t = bfly.spectrum_map %a params(%b[batch, bin, channel] : F) tokens(8) : F -> F sums(tensor<2x3xf64>) {
    ^bb0(%bin: complex<f64>, %k: index, %other: complex<f64>):
      %c = complex.mul %bin, %other : complex<f64>
      %u = complex.re %c : complex<f64>
      bfly.yield %c, %u : complex<f64>, f64
    }
    %z = bfly.ifft %r : F -> tensor<2x8x3xf64>
    bfly.yield %z, %t : tensor<2x8x3xf64>, tensor<2x3xf64>
  }
  return %y, %s : tensor<2x8x3xf64>, tensor<2x3xf64>
}
""".replace("F", "tensor<2x5x3xcomplex<f64>>")


@on_every_target
def test_sums_before_an_inverse(rng, plan):
    """A kernel that begins with spectra in memory."""
    f, h = normal(rng, "complex<f64>", 2, 5, 3), normal(rng, "complex<f64>", 2, 5, 3)
    c = f * h
    sums = (np.array([1, 2, 2, 2, 1])[:, None] * c.real).sum(axis=1) / 8
    check(run(compile(KERNEL, plan=plan), f, h), [np.fft.irfft(c, n=8, axis=1), sums], 1e-13)
