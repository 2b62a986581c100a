# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Backward functions in 16 bits, against evaluations of the derivative in that type; of layers, operation by operation, and
read again at every level."""

import numpy as np
import pytest
from backward import (
    attention_evaluations,
    backward,
    central,
    check,
    differentiate,
    filter_evaluations,
    needs_opt,
    rounded_evaluations,
    tolerance,
)
from programs import (
    attention_text,
    butterfly_problem,
    compile,
    fftnet_problem,
    fftnet_text,
    layer_parameters,
    layer_text,
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
NARROW = ("bf16", "f16")


@on_every_target
@pytest.mark.parametrize("dtype", NARROW)
def test_dense(rng, dtype, plan):
    """Rounded once each: what any evaluation in the type does."""
    inner, outer = (int(size) for size in rng.integers(1, 20, 2))
    x, w, b = normal(rng, dtype, 3, 7, inner), normal(rng, dtype, outer, inner), normal(rng, dtype, outer)
    g = normal(rng, dtype, 3, 7, outer)
    for relu in (False, True):
        wanted = reference.linear_vjp(g, x, w, b, relu=relu)
        kernel = differentiate(linear_text((3, 7), inner, outer, dtype, True, relu), "linear", plan)
        check(run(kernel, x, w, b, g), wanted, 0.0, 1e-6, rounded_evaluations(rng, wanted, dtype))
    x, w, b, g = (normal(rng, dtype, *shape) for shape in ((3, 4, 9), (9,), (9,), (3, 4, 9)))
    wanted = reference.layer_norm_vjp(g, x, w, b)
    kernel = differentiate(norm_text((3, 4, 9), dtype, True, True), "norm", plan)
    check(run(kernel, x, w, b, g), wanted, 0.0, 1e-6, rounded_evaluations(rng, wanted, dtype))
    g = normal(rng, dtype, 3, 5)
    wanted = [reference.mean_vjp(g, 7)]
    kernel = differentiate(mean_text(3, 7, 5, dtype), "mean", plan)
    check(run(kernel, normal(rng, dtype, 3, 7, 5), g), wanted, 0.0, 1e-6, rounded_evaluations(rng, wanted, dtype))


def fitting(g, derivative, dtype):
    """A loss scaled so that its gradients are numbers of the type, and what they are."""
    for exponent in range(0, 40, 4):
        scaled = reference.store(reference.load(g) * 2.0**-exponent, dtype)
        wanted = derivative(scaled)
        if max(np.abs(gradient).max() for gradient in wanted if gradient is not None) < 1e3:
            return scaled, wanted
    raise AssertionError("no loss is small enough")


@on_every_target
@pytest.mark.parametrize("n", [1, 2, 4, 7, 12, 13])
@pytest.mark.parametrize("dtype", NARROW)
def test_spectral_filter(rng, n, dtype, plan):
    batch, d, hidden = (int(size) for size in rng.integers(1, [4, 6, 6]))
    problem = fftnet_problem(rng, batch, n, d, hidden, dtype)
    g, wanted = fitting(normal(rng, dtype, batch, n, d), lambda g: reference.spectral_filter_vjp(g, *problem), dtype)
    floor = 1e-3 * np.linalg.norm(reference.load(g))
    for fuse in (True, False):
        kernel = differentiate(fftnet_text(batch, n, d, hidden, dtype), "fftnet", plan, fuse=fuse)
        evaluations = filter_evaluations(rng, g, problem, dtype)
        check(run(kernel, *problem, g), wanted, 0.0, floor, evaluations, 1 if fuse else 2)


@on_every_target
@pytest.mark.parametrize("form", ["dense", "per_head", "one_head"])
@pytest.mark.parametrize("dtype", NARROW)
def test_butterfly_attention(rng, form, dtype, plan):
    weights = "dense" if form == "dense" else "per_head"
    for n, shared in ((2, False), (7, True), (8, False)):
        heads, dh, batch = (int(size) for size in rng.integers(1, [4, 5, 4]))
        problem = butterfly_problem(rng, batch, n, heads * dh, heads, form, shared, dtype)
        g = normal(rng, dtype, *problem[0].shape)
        kernel = differentiate(attention_text(batch, n, heads * dh, heads, problem[1].shape, dtype), "attention", plan)
        wanted = reference.butterfly_attention_vjp(g, *problem, heads, weights=weights)[:3]
        evaluations = attention_evaluations(rng, g, problem, heads, weights, dtype)
        check(run(kernel, *problem, g), wanted, 0.0, 1e-6, evaluations)


# --------------------------------------------------------------------------------------------------------------------
# Layers, levels, and one operation at a time


def layer(rng, dtype, batch=2, n=12, d=6, hidden=5, norms=True):
    shapes = layer_parameters(d, hidden, norms)
    parameters = {name: normal(rng, dtype, *shape, scale=0.7) for name, shape in shapes.items()}
    x, g = normal(rng, dtype, batch, n, d), normal(rng, dtype, batch, n, d)
    return layer_text(batch, n, d, hidden, dtype, norms), x, g, parameters


def read_of(kernel, parameters):
    """Those that the backward function still takes."""
    return {value.name: parameters[value.name] for value in kernel.parameters}


@on_every_target
@pytest.mark.parametrize("fuse", [True, False])
def test_layer(rng, fuse, plan):
    """FFTNet's, by its parameters' names: those that no gradient needs are not asked for."""
    for n, batch, norms in ((12, 2, True), (1, 1, False), (7, None, True)):
        text, x, g, parameters = layer(rng, "f64" if plan == "cpu" else "f32", batch or 3, n, norms=norms)
        if batch is None:
            text = text.replace("tensor<3x", "tensor<?x")
        kernel = differentiate(text, "layer", plan, fuse=fuse)
        assert {"output_norm.bias"} & {value.name for value in kernel.parameters} == set()
        gx, by_name = reference.fftnet_layer_vjp(g, x, parameters)
        wanted = [gx, *(by_name[name] for name in parameters)]
        results = run(kernel, x, g, parameters=read_of(kernel, parameters))
        check(results, wanted, 1e-11 if plan == "cpu" else 3e-3, 1e-2)


@on_every_target
@pytest.mark.parametrize("heads", [1, 3])
def test_attention_layer(rng, heads, plan):
    """FFT-IA's drop-in module: values projected from the input, then dense attention over them."""
    dtype, batch, n, dim, inner = "f64" if plan == "cpu" and not on_gpu() else "f32", 3, 6, 5, 3 * heads
    x, v, wv, w = (
        tensor(*shape, of=dtype) for shape in ((None, n, dim), (None, n, inner), (inner, dim), (3, inner, inner))
    )
    text = f"""func.func @module(%x: {x}, %wv: {wv}, %wq: {w}, %wk: {w}) -> {v} {{
  %v = bfly.linear %x, %wv : {x}, {wv} -> {v}
  %y = bfly.butterfly_attention %v, %wq, %wk heads({heads}) : {v}, {w}
  return %y : {v}
}}"""
    arrays = [normal(rng, dtype, *shape, scale=shape[-1] ** -0.5) for shape in ((batch, n, dim), (inner, dim))]
    arrays += [normal(rng, dtype, 3, inner, inner, scale=inner**-0.5) for _ in range(2)]
    g = normal(rng, dtype, batch, n, inner)
    wanted = reference.fft_inspired_attention_vjp(g, *arrays, heads)[:4]
    for fuse in (True, False):
        results = run(differentiate(text, "module", plan, fuse=fuse), *arrays, g)
        check(results, wanted, tolerance(dtype, 3e-6), 1e-3)


@on_every_target
@pytest.mark.parametrize("fuse", [True, False])
def test_larger_shapes(rng, fuse, plan):
    """More than a tile of channels, none of them whole; odd batches."""
    batch, n, d, hidden = (1, 12, 37, 9) if fuse else (3, 8, 65, 17)
    problem = fftnet_problem(rng, batch, n, d, hidden, "f32")
    g = normal(rng, "f32", batch, n, d)
    kernel = differentiate(fftnet_text(batch, n, d, hidden, "f32"), "fftnet", plan, fuse=fuse)
    wanted = reference.spectral_filter_vjp(g, *problem)
    evaluations = filter_evaluations(rng, g, problem, "f32", 20)
    check(run(kernel, *problem, g), wanted, 6e-6 * np.log2(n), 1e-3, evaluations)
    n, d, heads, form = (8, 40, 5, "per_head") if fuse else (6, 33, 1, "dense")
    problem = butterfly_problem(rng, 3, n, d, heads, form, False, "f32")
    g = normal(rng, "f32", *problem[0].shape)
    text = attention_text(None, n, d, heads, problem[1].shape, "f32")
    weights = "dense" if form == "dense" else "per_head"
    wanted = reference.butterfly_attention_vjp(g, *problem, heads, weights)[:3]
    kernel = differentiate(text, "attention", plan, fuse=fuse)
    check(run(kernel, *problem, g), wanted, 2e-5 * reference.stages(n), 1e-3)


@pytest.mark.parametrize("name", ["fftnet", "attention", "attention-f16", "layer"])
@pytest.mark.parametrize("fuse", [True, False])
def test_levels(rng, name, fuse):
    """What is printed at a level, compiled again, gives the same bits."""
    parameters = None
    if name == "layer":
        text, x, g, parameters = layer(rng, "f32")
        arrays = x, g
    elif name == "fftnet":
        text, arrays = (
            fftnet_text(2, 12, 4, 3, "f32"),
            (*fftnet_problem(rng, 2, 12, 4, 3, "f32"), normal(rng, "f32", 2, 12, 4)),
        )
    else:
        dtype = "f16" if "f16" in name else "f64"
        if dtype == "f64" and on_gpu():
            pytest.skip("a CPU's")
        problem = butterfly_problem(rng, 2, 5, 6, 2, "dense", False, dtype)
        text = attention_text(2, 5, 6, 2, problem[1].shape, dtype)
        arrays = *problem, normal(rng, dtype, 2, 5, 6)
    kernel = differentiate(text, name.split("-")[0], fuse=fuse)
    if parameters:
        parameters = read_of(kernel, parameters)
    expected = run(kernel, *arrays, parameters=parameters)
    for level in ("mixer", "network", "schedule", "affine"):
        again = compile(
            kernel.ir(level),
            fuse,
            function=f"{name.split('-')[0]}_backward",
            allow_foreign_calls=on_gpu() and level == "affine",
        )
        # Below the mixer level parameters are arguments.
        given = (*arrays, *(parameters or {}).values()) if not again.parameters else arrays
        results = run(again, *given, parameters=parameters if again.parameters else None)
        assert [r.tobytes() for r in results] == [r.tobytes() for r in expected], level


@pytest.mark.parametrize("fuse", [True, False])
@pytest.mark.parametrize("name", ["fftnet", "attention"])
def test_differences_of_the_compiled_forward(rng, name, fuse):
    """The backward function beside differences of the compiled function itself, which share no formula."""
    if on_gpu():
        pytest.skip("f64 runs on a CPU")
    n, d = int(rng.choice([3, 4, 5])), 2
    if name == "fftnet":
        text, arrays = fftnet_text(2, n, d, 3, "f64"), fftnet_problem(rng, 2, n, d, 3, "f64")
    else:
        arrays = butterfly_problem(rng, 2, n, d, 1, "dense", False, "f64")
        text = attention_text(2, n, d, 1, arrays[1].shape, "f64")
    g = rng.standard_normal((2, n, d))
    both = backward(text)
    forward = compile(both, fuse, function=name)
    wanted = central(forward, g, *arrays, step=1e-6)
    results = run(compile(both, fuse, function=f"{name}_backward"), *arrays, g)
    # modReLU's own curvature is what differences are off by.
    check(results, wanted, 1e-4 if name == "fftnet" else 1e-7, 1e-2)
