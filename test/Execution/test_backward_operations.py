# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The rule of every scalar operation of upstream's dialects (operations.py), in a map's region and in a structured
operation: against differences of what NumPy computes, in a wider type."""

import re
import subprocess

import numpy as np
import pytest
import test_operations
from backward import OPT, needs_opt
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
