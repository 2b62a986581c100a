# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Arrays of cupy: where they are, on the caller's stream, and what is refused; collected where cupy has a GPU."""

import pytest
from gpu_alone import HEADS, D, N, device, kernel  # noqa: F401
from programs import butterfly_problem, check_butterfly

import bfly

cupy = pytest.importorskip("cupy")


def problem(rng):
    arrays = butterfly_problem(rng, 3, N, D, HEADS, "dense", False, "f32")
    return arrays, [cupy.asarray(array) for array in arrays]


def check(out, arrays):
    check_butterfly(cupy.asnumpy(out), arrays, HEADS, "dense", "f32")


def test_results_stay_on_the_gpu(rng, kernel):
    arrays, given = problem(rng)
    out = kernel(*given)
    assert isinstance(out, cupy.ndarray)
    check(out, arrays)
    filled = cupy.full_like(given[0], cupy.nan)
    assert kernel(*given, out=filled) is filled
    assert (filled == out).all()


def test_runs_on_the_stream_of_the_caller(rng, kernel):
    arrays, given = problem(rng)
    late = cupy.zeros_like(given[0])
    cupy.cuda.Device().synchronize()
    side = cupy.cuda.Stream(non_blocking=True)
    with side:
        cupy.copyto(late, given[0])
        out = kernel(late, *given[1:])
    side.synchronize()
    check(out, arrays)
    out = cupy.empty_like(late)
    kernel(*given, out=out, stream=side)
    side.synchronize()
    check(out, arrays)


def test_what_is_refused(rng, kernel):
    arrays, (x, wq, wk) = problem(rng)
    with pytest.raises(bfly.BflyError, match=r"^input 0: not contiguous in row-major order"):
        kernel(cupy.asfortranarray(x), wq, wk)
    with pytest.raises(bfly.BflyError, match=r"^input 0: dtype f64, expected f32"):
        kernel(x.astype(cupy.float64), wq, wk)
    check(kernel(x, wq, wk), arrays)
