# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Backward functions that -bfly-differentiate makes, on every target, against the oracle's derivatives."""

import numpy as np
import pytest
from backward import backward, central, check, differentiate, filter_evaluations, needs_opt, tolerance
from programs import (
    MODRELU,
    attention_text,
    butterfly_problem,
    compile,
    fftnet_problem,
    fftnet_text,
    filter_text,
    linear_text,
    mean_text,
    norm_text,
    normal,
    on_every_target,
    on_gpu,
    run,
    tensor,
)

from bfly import reference

pytestmark = needs_opt
LENGTHS = (1, 2, 3, 4, 7, 8, 12, 13)


@on_every_target
@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("rows", [(1,), (5,), (2, 3), (3, 7)])
@pytest.mark.parametrize("dtype", ["f64", "f32"])
def test_linear(rng, rows, relu, plan, dtype):
    inner, outer = (int(size) for size in rng.integers(1, 20, 2))
    arrays = [normal(rng, dtype, *rows, inner), normal(rng, dtype, outer, inner), normal(rng, dtype, outer)]
    g = normal(rng, dtype, *rows, outer)
    wanted = reference.linear_vjp(g, *arrays, relu=relu)
    for leading in (rows, (None, *rows[1:])):
        text = linear_text(leading, inner, outer, dtype, True, relu)
        check(run(differentiate(text, "linear", plan), *arrays, g), wanted, tolerance(dtype, 1e-6), 1e-6)


@on_every_target
@pytest.mark.parametrize("shape", [(1, 2), (3, 4, 7), (2, 5, 16), (4, 1)])
@pytest.mark.parametrize("dtype", ["f64", "f32"])
def test_layer_norm(rng, shape, plan, dtype):
    d = shape[-1]
    x, weight, bias = normal(rng, dtype, *shape), normal(rng, dtype, d), normal(rng, dtype, d)
    g = normal(rng, dtype, *shape)
    # What gx is a difference of: of one channel, and of two, next to nothing is left.
    floor = np.linalg.norm(reference.load(g)) / np.sqrt(reference.load(x).var(axis=-1).min() + 1e-5)
    for with_weight in (True, False):
        given = [x, weight, bias] if with_weight else [x]
        kernel = differentiate(norm_text(shape, dtype, with_weight, with_weight), "norm", plan)
        check(run(kernel, *given, g), reference.layer_norm_vjp(g, *given), tolerance(dtype, 1e-6), floor)


@on_every_target
def test_mean(rng, plan):
    g = normal(rng, "f32", 3, 5)
    for batch in (3, None):
        kernel = differentiate(mean_text(batch, 7, 5, "f32"), "mean", plan)
        check(run(kernel, normal(rng, "f32", 3, 7, 5), g), [reference.mean_vjp(g, 7)], 1e-6)


@on_every_target
def test_tensors(rng, plan):
    """Every way in which the dialect lets a tensor be moved, and arithmetic on what was moved."""
    text = """
ml_program.global private @w(#ml_program.extern<tensor<2x6xf64>>) : tensor<2x6xf64>
func.func @f(%x: tensor<2x6xf64>, %y: tensor<2x6xf64>) -> tensor<2x7xf64> {
  %w = ml_program.global_load_const @w : tensor<2x6xf64>
  %zero = arith.constant 0.0 : f64
  %e = tensor.expand_shape %x [[0], [1, 2]] output_shape [2, 3, 2] : tensor<2x6xf64> into tensor<2x3x2xf64>
  %empty = tensor.empty() : tensor<2x2x3xf64>
  %t = linalg.transpose ins(%e : tensor<2x3x2xf64>) outs(%empty : tensor<2x2x3xf64>) permutation = [0, 2, 1]
  %c = tensor.collapse_shape %t [[0], [1, 2]] : tensor<2x2x3xf64> into tensor<2x6xf64>
  %s = tensor.extract_slice %c[0, 1] [2, 4] [1, 1] : tensor<2x6xf64> to tensor<2x4xf64>
  %u = tensor.extract_slice %w[0, 3] [2, 2] [1, 2] : tensor<2x6xf64> to tensor<2x2xf64>
  %k = tensor.concat dim(1) %s, %u : (tensor<2x4xf64>, tensor<2x2xf64>) -> tensor<2x6xf64>
  %i = tensor.insert_slice %u into %k[0, 2] [2, 2] [1, 1] : tensor<2x2xf64> into tensor<2x6xf64>
  %m = arith.mulf %i, %y : tensor<2x6xf64>
  %a = math.tanh %m : tensor<2x6xf64>
  %d = arith.divf %a, %x : tensor<2x6xf64>
  %n = arith.subf %d, %k : tensor<2x6xf64>
  %o = arith.addf %n, %n : tensor<2x6xf64>
  %p = tensor.pad %o low[0, 1] high[0, 0] {
  ^bb0(%row: index, %column: index):
    tensor.yield %zero : f64
  } : tensor<2x6xf64> to tensor<2x7xf64>
  return %p : tensor<2x7xf64>
}
"""

    def forward(x, y, w):
        c = x.reshape(2, 3, 2).transpose(0, 2, 1).reshape(2, 6)
        u = w[:, 3:7:2]
        k = np.concatenate([c[:, 1:5], u], axis=1)
        i = k.copy()
        i[:, 2:4] = u
        return np.pad(2 * (np.tanh(i * y) / x - k), ((0, 0), (1, 0)))

    x, y, w = (rng.uniform(0.3, 1.0, (2, 6)) for _ in range(3))
    g = rng.standard_normal((2, 7))
    check(run(differentiate(text, "f", plan), x, y, g, parameters={"w": w}), central(forward, g, x, y, w), 1e-7)
    # What is chosen comes in that order: inputs, then parameters.
    some = run(differentiate(text, "f", plan, options=("of=0,w",)), x, y, g, parameters={"w": w})
    check(some, [gradient for i, gradient in enumerate(central(forward, g, x, y, w)) if i != 1], 1e-7)


@on_every_target
@pytest.mark.parametrize("n", LENGTHS)
def test_spectral_filter(rng, n, plan):
    batch, d, hidden = (int(size) for size in rng.integers(1, [3, 4, 4]))
    for dtype in ("f64", "f32"):
        problem = fftnet_problem(rng, batch, n, d, hidden, dtype)
        g = normal(rng, dtype, batch, n, d)
        kernel = differentiate(fftnet_text(batch, n, d, hidden, dtype), "fftnet", plan)
        wanted = reference.spectral_filter_vjp(g, *problem)
        # modReLU's gain across a bin is about bias over its size: where w is small, what cancels in gw is large.
        evaluations = filter_evaluations(rng, g, problem, dtype)
        check(run(kernel, *problem, g), wanted, tolerance(dtype, 3e-7 * max(1, np.log2(n))), 1e-3, evaluations)


@on_every_target
def test_modrelu_at_its_kinks(rng, plan):
    """A channel of zeros has relu(bias)/1e-10 for its gain; a bin at the threshold has gradient 0."""
    dtype = "f32" if plan != "cpu" or on_gpu() else "f64"
    x, *rest, bias = fftnet_problem(rng, 2, 8, 3, 2, dtype)
    x[:, :, 0], bias[0] = 0, 0.5
    g = normal(rng, dtype, *x.shape)
    results = run(differentiate(fftnet_text(2, 8, 3, 2, dtype), "fftnet", plan), x, *rest, bias, g)
    wanted = reference.spectral_filter_vjp(g, x, *rest, bias)
    assert np.abs(wanted[0][:, :, 0]).max() > 1e8
    check(results, wanted, tolerance(dtype, 1e-6), 1.0, filter_evaluations(rng, g, (x, *rest, bias), dtype))
    text = filter_text(
        1,
        1,
        1,
        dtype,
        [("wb", ("channel",), dtype), ("dw", ("channel",), dtype), ("bias", ("channel",), dtype)],
        MODRELU,
    )
    one, none = (np.full(1, value, x.dtype) for value in (1, 0))
    for result in run(differentiate(text, "filter", plan), one.reshape(1, 1, 1), one, none, -one, one.reshape(1, 1, 1)):
        assert (result == 0).all()


REGION = """
    %n = arith.index_cast %k : index to i64
    %kf = arith.sitofp %n : i64 to REAL
    %one = arith.constant 1.0 : REAL
    %k1 = arith.addf %kf, %one : REAL
    %size = complex.abs %bin : COMPLEX
    %kept = arith.addf %size, %q : REAL
    %root = math.sqrt %k1 : REAL
    %gain = arith.divf %kept, %root : REAL
    %gz = complex.create %gain, %q : COMPLEX
    %turned = complex.mul %bin, %h : COMPLEX
    %a0 = complex.mul %turned, %gz : COMPLEX
    %c = complex.conj %bin : COMPLEX
    %e = complex.div %c, %h : COMPLEX
    %a = complex.add %a0, %e : COMPLEX
"""


@on_every_target
@pytest.mark.parametrize("n", LENGTHS)
@pytest.mark.parametrize("kinds", [("f64", "f64"), ("complex<f64>", "complex<f64>"), ("f64", "complex<f64>")])
def test_any_region(rng, n, kinds, plan):
    """One that treats k and N - k differently, with complex parameters and some of every combination of dimensions."""
    dtype, out = kinds
    batch, d = (int(size) for size in rng.integers(1, [3, 4]))
    parameters = [("h", ("bin", "channel"), "complex<f64>"), ("q", ("batch", "channel"), "f64")]
    text = filter_text(batch, n, d, dtype, parameters, REGION, out=out)
    x = normal(rng, dtype, batch, n, d)
    h, q = normal(rng, "complex<f64>", n, d), normal(rng, "f64", batch, d)
    h += h / np.abs(h)  # divided by: a difference over 1e-5 says little of 1/h where h is 0.01
    g = normal(rng, out, batch, n, d)

    def region(f, k, h, q):
        q = q[:, None]
        return f * h * ((np.abs(f) + q) / np.sqrt(k + 1) + 1j * q) + np.conj(f) / h

    def forward(x, h, q):
        y = np.fft.ifft(region(np.fft.fft(x, axis=1), np.arange(n)[:, None], h, q), axis=1)
        return y if "complex" in out else y.real

    check(run(differentiate(text, "filter", plan), x, h, q, g), central(forward, g, x, h, q), 1e-6)


@on_every_target
@pytest.mark.parametrize("n", LENGTHS)
def test_transforms(rng, n, plan):
    for half in (False, True):
        x, f = tensor(2, n, 3, of="f64"), tensor(2, n // 2 + 1 if half else n, 3, of="complex<f64>")
        text = f"""func.func @there(%x: {x}) -> {f} {{
  %f = bfly.fft %x : {x} -> {f}
  return %f : {f}
}}
func.func @back(%f: {f}) -> {x} {{
  %x = bfly.ifft %f : {f} -> {x}
  return %x : {x}
}}
"""
        signal, other = rng.standard_normal((2, 2, n, 3))
        spectrum = np.fft.fft(rng.standard_normal((2, n, 3)), axis=1)
        if half:
            spectrum = np.ascontiguousarray(spectrum[:, : n // 2 + 1])
        there = run(compile(backward(text), plan=plan, function="there_backward"), signal, spectrum)
        check(there, [reference.fft_vjp(spectrum, n)], 1e-12)
        back = run(compile(backward(text), plan=plan, function="back_backward"), spectrum, other)
        check(back, [reference.ifft_vjp(other, spectrum.shape[1])], 1e-12)


@on_every_target
@pytest.mark.parametrize("form", ["dense", "per_head", "one_head"])
@pytest.mark.parametrize("shared", [False, True])
def test_butterfly_attention(rng, form, shared, plan):
    for n in (1, 2, 3, 4, 7, 8, 13):
        heads, dh, batch = (int(size) for size in rng.integers(1, [4, 5, 4]))
        for dtype in ("f64", "f32"):
            if dtype == "f64" and (plan != "cpu" or on_gpu()):
                continue  # a CPU's
            problem = butterfly_problem(rng, batch, n, heads * dh, heads, form, shared or n == 1, dtype)
            g = normal(rng, dtype, *problem[0].shape)
            text = attention_text(batch, n, heads * dh, heads, problem[1].shape, dtype, scale=0.7)
            wanted = reference.butterfly_attention_vjp(
                g, *problem, heads, weights="dense" if form == "dense" else "per_head", scale=0.7
            )[:3]
            results = run(differentiate(text, "attention", plan), *problem, g)
            check(results, wanted, tolerance(dtype, 1e-6 * reference.stages(n)), 1e-6)


@on_every_target
@pytest.mark.parametrize("dtype", ["f32", "bf16"])
def test_saved_states(rng, dtype, plan):
    """What the forward function returns after the result, the backward function takes instead of computing it again."""
    for n, form in ((6, "dense"), (8, "per_head")):
        heads, batch = 2, 3
        problem = butterfly_problem(rng, batch, n, 4 * heads, heads, form, False, dtype)
        g = normal(rng, dtype, *problem[0].shape)
        text = attention_text(batch, n, 4 * heads, heads, problem[1].shape, dtype)
        both = backward(text, "save=true")
        y, *saved = run(compile(both, plan=plan, function="attention_forward"), *problem)
        assert len(saved) == reference.stages(n) - 1
        weights = "dense" if form == "dense" else "per_head"
        given = [reference.load(array) for array in problem]
        exact = reference.butterfly_attention(*given, heads, weights=weights)
        bound = 2e-6 if dtype == "f32" else 1e-2
        assert np.linalg.norm(reference.load(y) - exact) <= bound * np.linalg.norm(exact)
        wanted = reference.butterfly_attention_vjp(reference.load(g), *given, heads, weights=weights)[:3]
        results = run(compile(both, plan=plan, function="attention_backward"), *problem, g, *saved)
        check(results, wanted, 10 * bound, 1e-6)
        again = run(differentiate(text, "attention", plan), *problem, g)
        assert all(one.tobytes() == other.tobytes() for one, other in zip(results, again))


@on_every_target
@pytest.mark.parametrize("dtype", ["bf16", "f16"])
@pytest.mark.parametrize("form", ["dense", "per_head", "one_head"])
def test_rounded_attention(rng, form, dtype, plan):
    """In 16 bits within 1.25 times the error of each operation rounded by itself, on average of some inputs."""
    heads, weights = 2, "dense" if form == "dense" else "per_head"
    errors, eager = np.zeros(3), np.zeros(3)
    for n, dh in ((13, 8), (16, 16), (32, 8)):
        problem = butterfly_problem(rng, 2, n, heads * dh, heads, form, False, dtype)
        g = normal(rng, dtype, *problem[0].shape)
        text = attention_text(2, n, heads * dh, heads, problem[1].shape, dtype)
        given = [reference.load(array) for array in (g, *problem)]
        exact = reference.butterfly_attention_vjp(*given, heads, weights=weights)[:3]
        rounded = reference.butterfly_attention_vjp_rounded(*given, heads, dtype, weights=weights)[:3]
        results = run(differentiate(text, "attention", plan), *problem, g)
        for total, evaluated in ((errors, map(reference.load, results)), (eager, rounded)):
            total += [np.linalg.norm(one - other) / np.linalg.norm(other) for one, other in zip(evaluated, exact)]
    assert (errors <= 1.25 * eager).all()
