# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Linear, layer norm and mean against the oracle."""

import os

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest
from programs import (
    TARGETS,
    compile,
    linear_text,
    mean_text,
    norm_text,
    normal,
    on_every_plan,
    on_every_target,
    on_gpu,
    run,
)

from bfly import reference

# Of a sum of products with a result in the type: half a unit for rounding it, and in f32 and f64 the sum itself.
# Of 16 bits: what rounding the result to storage alone may cost where there are few results, 2^-11 and 2^-8.
TOLERANCE = {"f64": 1e-14, "f32": 1e-6, "f16": 5e-4, "bf16": 4e-3}


def check_linear(rng, rows, inner, outer, dtype, bias=True, relu=False, dynamic=False, plan="cpu"):
    arrays = [normal(rng, dtype, *rows, inner), normal(rng, dtype, outer, inner, scale=inner**-0.5)]
    arrays += [normal(rng, dtype, outer)] if bias else []
    text = linear_text((None, *rows[1:]) if dynamic else rows, inner, outer, dtype, bias, relu)
    kernel = compile(text, plan=plan)
    out = run(kernel, *arrays)
    # Relu may leave next to nothing, and so may a sum: what they are applied to is the measure.
    squares = [np.square(np.asarray(reference.load(array), np.float64)) for array in arrays[:2]]
    floor = max(np.linalg.norm(reference.linear(*arrays)), reference.linear(*squares).sum() ** 0.5)
    assert reference.error(out, reference.linear(*arrays, relu=relu), floor) <= TOLERANCE[dtype]


@on_every_plan
@pytest.mark.parametrize("rows", [1, 2, 3, 5, 7, 8, 9, 16, 31, 33, 64, 100, 127, 130])
@pytest.mark.parametrize("outer", [1, 5, 16, 33, 300])
def test_linear(rng, rows, outer, plan):
    check_linear(rng, (rows,), 48, outer, "f32", relu=rows % 2 == 0, plan=plan)


@on_every_plan
@pytest.mark.parametrize("inner", [1, 2, 3, 15, 16, 17, 100, 257, 1024, 4096])
def test_linear_depths(rng, inner, plan):
    check_linear(rng, (6,), inner, 40, "f32", bias=False, plan=plan)
    check_linear(rng, (2, 9), inner, 21, "f64", relu=True, plan=plan)


@on_every_plan
@pytest.mark.parametrize("dtype", ["f64", "bf16", "f16"])
@pytest.mark.parametrize("rows, inner, outer", [((1,), 8, 8), ((37,), 20, 130), ((3, 16), 64, 64), ((2, 3, 5), 7, 3)])
def test_linear_of_other_types(rng, rows, inner, outer, dtype, plan):
    check_linear(rng, rows, inner, outer, dtype, plan=plan)
    check_linear(rng, rows, inner, outer, dtype, bias=False, relu=True, plan=plan)


@on_every_target
@pytest.mark.parametrize("dtype", ["f32", "bf16", "f16"])
@pytest.mark.parametrize("bias", [False, True])
def test_large_linear(rng, dtype, bias, plan):
    """What a GPU's library multiplies."""
    if dtype != "f32" and os.environ.get("BFLY_TEST_SANITIZED") in ("racecheck", "initcheck"):
        # What is asked here all the same: memory that is poisoned first shows whatever is not written.
        pytest.skip("racecheck reports hazards in cuBLASLt's kernels, initcheck does not see what they write")
    for rows in ((70,), (3, 40), (1, 65)):
        check_linear(rng, rows, 256, 512, dtype, bias=bias, dynamic=len(rows) > 1, plan=plan)
    kernel = compile(linear_text((70,), 256, 512, dtype, bias, False), plan=plan)
    on_library = plan != "cpu" or on_gpu()
    assert kernel.report["kernels"][0].get("library") == ("cuBLASLt" if on_library else None)


@on_every_plan
def test_large_linear_keeps_what_is_no_number(rng, plan):
    x, w = normal(rng, "f32", 64, 256), normal(rng, "f32", 512, 256)
    x[3, 5], x[7, 0] = np.nan, np.inf
    for relu in (False, True):
        y = run(compile(linear_text((64,), 256, 512, "f32", False, relu), plan=plan), x, w)
        assert np.isnan(y[3]).all() and np.isfinite(np.delete(y, [3, 7], 0)).all()
        assert (y[7] == np.where((w[:, 0] > 0) | (not relu), np.copysign(np.inf, w[:, 0]), 0)).all()


@on_every_plan
def test_linear_of_a_dynamic_batch(rng, plan):
    for rows in ((4, 9), (1, 9), (17,), (2, 70)):
        check_linear(rng, rows, 24, 50, "f32", dynamic=True, plan=plan)


@pytest.mark.parametrize(
    "plan, weight, bias",
    [("cpu", weight, bias) for weight in (True, False) for bias in (True, False)] + [("sm_90a", True, True)],
)
@pytest.mark.parametrize("dtype", ["f32", "f64", "bf16", "f16"])
def test_layer_norm(rng, dtype, weight, bias, plan):
    for shape in ((2, 5, 64), (3, 7), (1, 2, 3, 33), (2, 1, 1000), (4, 2, 2), (None, 6, 20), (2, 3, 4096), (None, 40)):
        sizes = tuple(size or 3 for size in shape)
        arrays = {"x": normal(rng, dtype, *sizes, scale=2.0)}
        arrays |= {"weight": normal(rng, dtype, sizes[-1])} if weight else {}
        arrays |= {"bias": normal(rng, dtype, sizes[-1])} if bias else {}
        out = run(compile(norm_text(shape, dtype, weight, bias), plan=plan), *arrays.values())
        # Of two channels that are nearly equal the difference is mostly rounding.
        x = reference.load(arrays["x"])
        condition = np.sqrt(np.mean(x**2, axis=-1) / (x.var(axis=-1) + 1e-5)).max()
        limit = 2 * TOLERANCE[dtype] * max(1, condition / 4)
        assert reference.error(out, reference.layer_norm(**arrays)) <= limit


@on_every_plan
def test_layer_norm_of_one_channel_and_of_equal_channels(rng, plan):
    """No variance: what is left is epsilon's doing, and zero times anything finite."""
    for shape in ((2, 3, 1), (2, 3, 8)):
        x = np.broadcast_to(normal(rng, "f32", *shape[:-1], 1), shape).copy()
        assert np.abs(run(compile(norm_text(shape, "f32", False, False), plan=plan), x)).max() < 1e-3
        bias = normal(rng, "f32", shape[-1])
        out = run(compile(norm_text(shape, "f32", False, True), plan=plan), x, bias)
        np.testing.assert_allclose(out, np.broadcast_to(bias, shape), atol=1e-3)


@on_every_plan
def test_layer_norm_keeps_small_variation_of_a_large_mean(rng, plan):
    """E[x²] − E[x]² would have lost it."""
    x = (1000 + normal(rng, "f64", 4, 64)).astype(np.float32)
    out = run(compile(norm_text((4, 64), "f32", False, False), plan=plan), x)
    assert reference.error(out, reference.layer_norm(x)) <= 1e-4
    tiny = normal(rng, "f32", 4, 64)
    for epsilon in (1e-12, 1e-2):
        out = run(compile(norm_text((4, 64), "f32", False, False, epsilon), plan=plan), tiny)
        assert reference.error(out, reference.layer_norm(tiny, eps=epsilon)) <= 2e-6


@on_every_plan
@pytest.mark.parametrize("dtype", ["f32", "f64", "bf16", "f16"])
@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 7, 3), (3, 64, 33), (1, 1000, 8), (2, 12, 100), (2, 4096, 70)])
def test_mean(rng, shape, dtype, plan):
    x = normal(rng, dtype, *shape)
    oracle = reference.load(x).mean(axis=1)
    out = run(compile(mean_text(*shape, dtype), plan=plan), x)
    assert reference.error(out, oracle, np.linalg.norm(reference.load(x)) / shape[1]) <= TOLERANCE[dtype]
    out = run(compile(mean_text(None, *shape[1:], dtype), plan=plan), x)
    assert reference.error(out, oracle, np.linalg.norm(reference.load(x)) / shape[1]) <= TOLERANCE[dtype]


@hypothesis.settings(max_examples=40)
@hypothesis.given(
    rows=st.lists(st.integers(1, 12), min_size=1, max_size=3),
    inner=st.integers(1, 200),
    outer=st.integers(1, 300),
    dtype=st.sampled_from(["f32", "f64", "bf16", "f16"]),
    bias=st.booleans(),
    relu=st.booleans(),
    plan=st.sampled_from(list(TARGETS)),
    seed=st.integers(0, 2**32 - 1),
)
def test_random_linear(rows, inner, outer, dtype, bias, relu, plan, seed):
    hypothesis.assume(np.prod(rows) * outer >= 16)
    check_linear(np.random.default_rng(seed), tuple(rows), inner, outer, dtype, bias, relu, plan=plan)
