# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The rule of every scalar operation of upstream's dialects (operations.py), in a map's region and in a structured
operation: against differences of what NumPy computes, in a wider type."""

import re
import subprocess

import numpy as np
import pytest
import test_operations
from backward import OPT, backward, needs_opt
from programs import on_gpu
from test_operations import CASES, PLACES, oracle

import bfly

pytestmark = [needs_opt, pytest.mark.skipif(on_gpu(), reason="f64 runs on a CPU")]
SHAPE = (1, 3, 4)
# What is rounded to 16 bits on the way has no differences; what is an integer, no derivative.
SMOOTH = [case for case in CASES if case.result != "I" and "16" not in case.text and "bitcast" not in case.name]


def draw(rng, domain, shape):
    """Numbers where the operation has a derivative, and no kink near."""
    if domain in ("unit",):
        return rng.uniform(0.1, 0.9, shape) * rng.choice([-1, 1], shape)
    if domain in ("positive", "from_one", "powers"):
        return rng.uniform(1.1, 2.2, shape)
    # Neither integers nor halves.
    return (rng.integers(0, 3, shape) + rng.uniform(0.1, 0.4, shape)) * rng.choice([-1, 1], shape)


def differences(case, g, z, p):
    """d<g, f>/dz and /dp, by central differences of two steps."""

    def value(z, p):
        return np.sum((np.conj(np.asarray(g, np.clongdouble)) * oracle(case, z, p)).real, dtype=np.longdouble)

    def slope(of):
        return ((8 * (of(1e-4) - of(-1e-4)) - (of(2e-4) - of(-2e-4))) / np.longdouble(12e-4)).astype(np.float64)

    gz, gp = np.zeros(z.shape, np.complex128), np.zeros(p.shape)
    wide, real = z.astype(np.clongdouble), p.astype(np.longdouble)
    for index in np.ndindex(z.shape):
        for part in (1, 1j):
            unit = np.zeros_like(wide)
            unit[index] = part
            gz[index] += part * slope(lambda step, unit=unit: value(wide + step * unit, real))
    for index in np.ndindex(p.shape):
        unit = np.zeros_like(real)
        unit[index] = 1
        gp[index] = slope(lambda step, unit=unit: value(wide, real + step * unit))
    return gz, gp


@pytest.fixture(scope="module")
def backwards():
    """The text of the backward function of each operation, in each place."""
    before, test_operations.SHAPE = test_operations.SHAPE, SHAPE
    texts = [PLACES[place](case, "f64") for place in PLACES for case in SMOOTH]
    test_operations.SHAPE = before
    command = [OPT, "-split-input-file", "-bfly-differentiate"]
    done = subprocess.run(command, input="\n// -----\n".join(texts), capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    made = re.split(r"^// -----$", done.stdout, flags=re.M)
    assert len(made) == len(texts)
    return {(place, i): made.pop(0) for place in PLACES for i in range(len(SMOOTH))}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("number", range(len(SMOOTH)), ids=[f"{i}-{case.name}" for i, case in enumerate(SMOOTH)])
def test_rule(rng, number, place, backwards):
    case = SMOOTH[number]
    z = draw(rng, case.domain, SHAPE) + 1j * draw(rng, case.domain, SHAPE)
    p = draw(rng, case.domain, SHAPE[2:])
    if case.name == "math.clampf":
        z, p = z.real - 1j * np.abs(z.imag), np.abs(p) + 1
    if case.name == "arith.remf":
        z = z.real + 1j  # whose quotient is no integer
    g = rng.standard_normal(SHAPE) + (1j * rng.standard_normal(SHAPE) if case.result == "C" else 0)
    kernel = bfly.compile(backwards[place, number], function="f_backward")
    for got, wanted in zip(kernel(z, p, g), differences(case, g, z, p), strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-7, atol=1e-8)


# Where there is no derivative (docs/derivatives.md): the line, its operands, and their gradients from g = 2.
POINTS = [
    ("math.absf %a : X", [0.0], [0.0]),
    ("arith.maximumf %a, %b : X", [1.5, 1.5], [1.0, 1.0]),
    ("arith.minimumf %a, %b : X", [1.5, 1.5], [1.0, 1.0]),
    ("arith.maximumf %a, %zero : X", [0.0], [0.0]),
    ("arith.minimumf %zero, %a : X", [0.0], [0.0]),
    ("arith.maxnumf %a, %b : X", [1.5, 1.5], [2.0, 0.0]),
    ("arith.minnumf %a, %b : X", [1.5, 1.5], [2.0, 0.0]),
    ("arith.maxnumf %a, %b : X", [np.nan, 1.5], [0.0, 2.0]),
    ("math.clampf %a to [%zero, %one] : X", [0.0], [0.0]),
    ("math.clampf %a to [%zero, %one] : X", [1.0], [0.0]),
    ("math.clampf %a to [%zero, %one] : X", [0.5], [2.0]),
    ("math.copysign %a, %b : X", [0.0, -1.0], [0.0, 0.0]),
    ("math.atan2 %a, %b : X", [0.0, 0.0], [0.0, 0.0]),
    ("math.powf %a, %b : X", [0.0, 0.0], [0.0, 0.0]),
    ("math.powf %a, %b : X", [0.0, 2.0], [0.0, 0.0]),
    ("math.powf %a, %b : X", [-1.5, 0.0], [0.0, np.nan]),
    ("math.sqrt %a : X", [0.0], [np.inf]),
    ("math.log %a : X", [0.0], [np.inf]),
    ("math.cbrt %a : X", [0.0], [np.inf]),
    ("math.floor %a : X", [0.7], [0.0]),
    ("math.roundeven %a : X", [0.7], [0.0]),
    ("arith.maximumf %a, %zero : X", [np.nan], [2.0]),
]


@pytest.mark.parametrize(
    "number", range(len(POINTS)), ids=[f"{i}-{line.split()[0]}" for i, (line, _, _) in enumerate(POINTS)]
)
def test_without_a_derivative(number):
    line, values, wanted = POINTS[number]
    x = "tensor<3xf64>"
    arguments = ", ".join(f"%{name}: {x}" for name in "ab"[: len(values)])
    text = f"""func.func @f({arguments}) -> {x} {{
  %zero = arith.constant dense<0.0> : {x}
  %one = arith.constant dense<1.0> : {x}
  %y = {line.replace("X", x)}
  return %y : {x}
}}"""
    results = bfly.compile(backward(text), function="f_backward")(
        *(np.full(3, value) for value in values), np.full(3, 2.0)
    )
    results = results if isinstance(results, tuple) else (results,)
    for result, gradient in zip(results, wanted, strict=True):
        np.testing.assert_array_equal(result, np.full(3, gradient))


@pytest.mark.parametrize("line", ["re = complex.abs", "re = complex.angle", "z = complex.sign"])
def test_complex_zero(line):
    """|z|, its angle and z/|z| at 0 have gradient 0."""
    kind, operation = line.split(" = ")
    of = {"re": "f64", "z": "complex<f64>"}[kind]
    f, y = "tensor<1x1x2xcomplex<f64>>", f"tensor<1x1x2x{of}>"
    text = f"""func.func @f(%f: {f}) -> {y} {{
  %y = bfly.spectrum_map %f tokens(1) : {f} -> {y} {{
  ^bb0(%bin: complex<f64>, %k: index):
    %a = {operation} %bin : complex<f64>
    bfly.yield %a : {of}
  }}
  return %y : {y}
}}"""
    given = np.full((1, 1, 2), 2.0 + 1j) if kind == "z" else np.full((1, 1, 2), 2.0)
    bins = np.array([[[0, 3 + 4j]]], np.complex128)
    gradient = bfly.compile(backward(text), function="f_backward")(bins, given)
    assert gradient[0, 0, 0] == 0 and gradient[0, 0, 1] != 0


def test_relu_of_zero():
    """Of bfly.linear 0, and of what is no number no number."""
    text = """func.func @f(%x: tensor<3x1xf64>, %w: tensor<1x1xf64>) -> tensor<3x1xf64> {
  %y = bfly.linear %x, %w relu : tensor<3x1xf64>, tensor<1x1xf64> -> tensor<3x1xf64>
  return %y : tensor<3x1xf64>
}"""
    x = np.array([[0.0], [np.nan], [1.0]])
    gx, gw = bfly.compile(backward(text), function="f_backward")(x, np.ones((1, 1)), np.full((3, 1), 2.0))
    np.testing.assert_array_equal(gx, [[0.0], [2.0], [2.0]])
    assert np.isnan(gw).all()
