# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The whole FFTNet layer: norms, filter, residual, with parameters by name."""

import numpy as np
import pytest
from programs import compile, layer_parameters, layer_text, normal, on_every_plan, run

from bfly import reference

UNIT = {"f64": 2.0**-53, "f32": 2.0**-24, "bf16": 2.0**-9, "f16": 2.0**-12}


def one_rounding(rng, x, parameters, oracle, dtype):
    """What rounding the input alone does to the layer: a token whose channels nearly agree is magnified by its norm."""
    exact = np.asarray(reference.load(x), np.float64)
    rounded = exact * (1 + UNIT[dtype] * rng.uniform(-1, 1, exact.shape))
    return reference.error(reference.fftnet_layer(rounded, parameters), oracle)


def problem(rng, batch, n, d, hidden, dtype, norms):
    parameters = {}
    for name, shape in layer_parameters(d, hidden, norms).items():
        scale = shape[-1] ** -0.5 if len(shape) == 2 else 0.5 * n**0.5 if name.startswith("modrelu") else 1.0
        parameters[name] = normal(rng, dtype, *shape, scale=scale)
    return normal(rng, dtype, batch, n, d), parameters


@pytest.mark.parametrize("norms", [True, False])
@pytest.mark.parametrize("fuse", [True, False])
@pytest.mark.parametrize(
    "plan, batch, n, d",
    [("cpu", *shape) for shape in ((2, 16, 8), (1, 60, 33), (3, 37, 16), (2, 128, 64), (1, 1, 4))]
    + [("sm_90a", *shape) for shape in ((2, 16, 8), (1, 1, 4), (1, 64, 33))],
)
@pytest.mark.parametrize("dtype", ["f32", "f64"])
def test_layer(rng, dtype, plan, batch, n, d, fuse, norms):
    x, parameters = problem(rng, batch, n, d, 4 * d, dtype, norms)
    out = run(compile(layer_text(batch, n, d, 4 * d, dtype, norms), fuse, plan), x, parameters=parameters)
    oracle = reference.fftnet_layer(x, parameters)
    # The norm at the end and the one at the start may each double a small error.
    limit = 4 * reference.bound("spectral_filter", dtype, n) + 16 * one_rounding(rng, x, parameters, oracle, dtype)
    assert reference.error(out, oracle) <= limit


@on_every_plan
@pytest.mark.parametrize("dtype", ["bf16", "f16"])
def test_layer_16_bits(rng, dtype, plan):
    x, parameters = problem(rng, 2, 64, 32, 64, dtype, True)
    out = run(compile(layer_text(2, 64, 32, 64, dtype), plan=plan), x, parameters=parameters)
    check_16_bits(rng, out, x, parameters, dtype)


def check_16_bits(rng, out, x, parameters, dtype):
    """Asserts that a layer's result is that of the layer whose first norm is stored in the type, as the IR says. How far
    one more rounding of what is stored moves it is its tolerance: modReLU keeps the phase of a bin that nearly vanishes,
    and the last norm magnifies a token whose channels nearly agree."""
    weights = [parameters[name] for name in layer_parameters(1, 1, norms=False)]
    first, last = (
        [parameters[f"{norm}.{part}"] for part in ("weight", "bias")] for norm in ("input_norm", "output_norm")
    )
    x = reference.load(x)

    def moved(values, size):
        return values + UNIT[dtype] * rng.uniform(-1, 1, values.shape) * size

    def end(u, rounded=False):
        y = reference.spectral_filter(u, *weights)
        z = y + x
        return reference.layer_norm(moved(z, np.abs(y) + np.abs(z)) if rounded else z, *last)

    u = reference.load(reference.store(reference.layer_norm(x, *first), dtype))
    oracle = end(u)
    shifts = [end(moved(u, np.abs(u))), end(u, rounded=True), end(reference.layer_norm(moved(x, np.abs(x)), *first))]
    limit = 6 * reference.bound("spectral_filter", dtype, x.shape[1])
    limit += 4 * max(reference.error(shifted, oracle) for shifted in shifts)
    assert reference.error(out, oracle) <= limit


@pytest.mark.parametrize("plan, n", [("cpu", 24), ("sm_90a", 32)])
def test_layer_of_a_dynamic_batch(rng, plan, n):
    kernel = compile(layer_text(None, n, 8, 16, "f32"), plan=plan)
    for batch in (1, 4):
        x, parameters = problem(rng, batch, n, 8, 16, "f32", True)
        out = run(kernel, x, parameters=parameters)
        oracle = reference.fftnet_layer(x, parameters)
        assert reference.error(out, oracle) <= 4 * reference.bound("spectral_filter", "f32", n)


def test_parameters_keep_their_names(rng):
    kernel = compile(layer_text(2, 8, 4, 8, "f32"))
    # In the order of their declaration.
    assert [value.name for value in kernel.parameters] == list(layer_parameters(4, 8))
    x, parameters = problem(rng, 2, 8, 4, 8, "f32", True)
    backwards = dict(reversed(list(parameters.items())))
    np.testing.assert_array_equal(kernel(x, parameters=backwards), kernel(x, parameters=parameters))
