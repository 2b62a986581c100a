# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Backward functions for the execution tests: making them, and what their results are compared with."""

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
from programs import compile

from bfly import reference

OPT = Path(os.environ.get("BFLY_BUILD_DIR", Path(__file__).resolve().parents[2] / "build")) / "bin" / "bfly-opt"
needs_opt = pytest.mark.skipif(not OPT.exists(), reason="there is no bfly-opt")


def backward(text, *options):
    """The module with the backward function of each of its functions."""
    passes = [f"-bfly-differentiate={' '.join(options)}"]
    done = subprocess.run([OPT, *passes], input=text, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def differentiate(text, name, plan="cpu", options=(), **compiled):
    return compile(backward(text, *options), plan=plan, function=f"{name}_backward", **compiled)


def tolerance(dtype, forward):
    """docs/derivatives.md: of f32 20 times the forward's bound; of 16 bits none but the evaluations' errors."""
    return {"f64": 1e-12, "f32": 20 * forward}.get(dtype, 0.0)


def check(results, wanted, stated, floor=0.0, evaluations=(), factor=1.0):
    """Asserts that gradients are within the bound of docs/definitions.md: the stated one, or 1.25 times the error of the
    derivative evaluated in their type, the largest of several `evaluations`, which are drawn while they are needed; times
    `factor`. A gradient's size is taken to be `floor` at least, if that is left of what it is a difference of."""
    results = [reference.load(result) for result in (results if isinstance(results, tuple) else (results,))]
    wanted = [gradient for gradient in wanted if gradient is not None]
    assert len(results) == len(wanted)
    errors = []
    for result, exact in zip(results, wanted):
        assert result.shape == exact.shape
        errors.append(distance(result, exact, floor))
    limits = [factor * stated] * len(wanted)
    evaluations = iter(evaluations)
    while any(error > limit for error, limit in zip(errors, limits)):
        evaluation = next(evaluations, None)
        assert evaluation is not None, f"errors {errors} above {limits}"
        for i, (gradient, exact) in enumerate(zip((g for g in evaluation if g is not None), wanted, strict=True)):
            limits[i] = max(limits[i], 1.25 * factor * distance(gradient, exact, floor))


def distance(result, exact, floor):
    off = np.linalg.norm(result - exact)
    # A NaN, or what an evaluation has lost to an infinity, is no bound and passes none.
    return off / max(np.linalg.norm(exact), floor, 1e-300) if np.isfinite(off) else np.inf


def central(f, g, *arrays, step=1e-5):
    """The gradients of <g, f>, by central differences in float64: of complex arrays d/dRe + i d/dIm."""
    gradients = []
    for position, array in enumerate(arrays):
        gradient = np.zeros(array.shape, array.dtype)
        for index in np.ndindex(array.shape):
            for part in (1, 1j) if np.iscomplexobj(array) else (1,):
                ends = []
                for sign in (step, -step):
                    moved = array.copy()
                    moved[index] += sign * part
                    ends.append(np.vdot(g, f(*arrays[:position], moved, *arrays[position + 1 :])).real)
                gradient[index] += part * (ends[0] - ends[1]) / (2 * step)
        gradients.append(gradient)
    return gradients


def filter_evaluations(rng, g, problem, dtype, count=400):
    """The derivative of FFTNet's filter evaluated in a type, its sums in other orders: tokens from another one on, and
    backwards; sequences, channels and hidden units in another order; in 16 bits also g in another unit."""
    narrow = dtype in ("bf16", "f16")
    x, w_base, w1, b1, w2, b2, bias = problem
    batch, n, d = x.shape
    for _ in range(count):
        tokens = (rng.integers(n) + rng.choice([-1, 1]) * np.arange(n)) % n
        rows, channels, units = (rng.permutation(size) for size in (batch, d, len(b1)))
        sequences = np.ix_(rows, tokens, channels)
        with np.errstate(all="ignore"):
            evaluated = reference.spectral_filter_vjp_rounded(
                g[sequences], x[sequences], w_base[channels], w1[np.ix_(units, channels)], b1[units],
                w2[np.ix_(channels, units)], b2[channels], bias[channels], dtype,
                unit=2.0 ** rng.uniform(-1, 0) if narrow else 1.0,
            )  # fmt: skip
        places = (
            sequences, (channels,), np.ix_(units, channels), (units,), np.ix_(channels, units), (channels,), (channels,)
        )  # fmt: skip
        back = []
        for gradient, place in zip(evaluated, places):
            back.append(np.empty_like(gradient))
            back[-1][place] = gradient
        yield back


def attention_evaluations(rng, g, problem, heads, weights, dtype, count=400):
    """The derivative of butterfly attention evaluated in a type of 16 bits, with g in several units, which changes nothing
    but the roundings."""
    for trial in range(count):
        unit = 2.0 ** -rng.uniform() if trial else 1.0
        with np.errstate(all="ignore"):
            evaluated = reference.butterfly_attention_vjp_rounded(g, *problem, heads, dtype, weights=weights, unit=unit)
        yield evaluated[:3]


def rounded_evaluations(rng, wanted, dtype, count=400):
    """The derivative rounded to a type, in several units."""
    rounded = reference.rounding(dtype)
    for _ in range(count):
        unit = 2.0 ** rng.uniform(-1, 0)
        yield [None if gradient is None else rounded(gradient * unit) / unit for gradient in wanted]
