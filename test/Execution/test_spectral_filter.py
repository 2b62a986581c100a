# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""FFTNet's spectral filter against the oracle: every kind of length, channels, batches, types; fused and not."""

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest
from programs import TARGETS, check_fftnet, compile, fftnet_problem, fftnet_text, on_every_plan, on_plans, run

import bfly
from bfly import reference

# One, primes, powers of two, their neighbours, and products of small and of not so small primes.
LENGTHS = [1, 2, 3, 4, 5, 7, 8, 12, 13, 16, 17, 31, 37, 60, 64, 97, 100, 128, 243, 255, 256, 257, 1000, 1009, 1024]
LENGTHS += [2048, 4096, 4099, 8192]
# Of a GPU, passes of every radix and slabs of every shape; from 8192 on they do not fit in one block.
POWERS = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768]


def check(rng, batch, n, d, hidden, dtype, fuse, plan="cpu"):
    problem = fftnet_problem(rng, batch, n, d, hidden, dtype)
    check_fftnet(run(compile(fftnet_text(batch, n, d, hidden, dtype), fuse, plan), *problem), problem, dtype, fuse)


@pytest.mark.parametrize("n", LENGTHS)
def test_lengths_f32(rng, n):
    check(rng, 2, n, 8, 16, "f32", True)


@pytest.mark.parametrize("n", LENGTHS)
def test_lengths_f64_op_by_op(rng, n):
    check(rng, 1, n, 3, 5, "f64", False)


@pytest.mark.parametrize("n", LENGTHS[:-2])
def test_lengths_bf16(rng, n):
    # Of a few numbers, one rounding may be all there is, and its error twice the usual one.
    check(rng, 3, n, 64 if n < 16 else 16, 8, "bf16", True)


@pytest.mark.parametrize("n", LENGTHS[::2])
def test_lengths_f16(rng, n):
    check(rng, 1, n, 33, 64, "f16", True)


@pytest.mark.parametrize("n", LENGTHS[1::3])
def test_lengths_f64(rng, n):
    check(rng, 2, n, 17, 9, "f64", True)


@pytest.mark.parametrize("n", LENGTHS[::3])
def test_lengths_f32_op_by_op(rng, n):
    check(rng, 3, n, 20, 9, "f32", False)


@pytest.mark.parametrize("n", POWERS)
def test_lengths_on_a_gpu(rng, n):
    check(rng, 2, n, 10 if n < 16384 else 6, 16, "f32", True, "sm_90a")


@pytest.mark.parametrize("dtype, n", [("f32", 4), ("f32", 2048), ("f32", 4096), ("bf16", 8192), ("f64", 32768)])
def test_lengths_on_any_gpu(rng, n, dtype):
    """What fits in less shared memory, and what then goes through memory."""
    check(rng, 2, n, 10 if n < 32768 else 2, 16, dtype, True, "sm_80")


@pytest.mark.parametrize("n", [1, 4, 32, 512, 4096, 8192])
def test_lengths_on_a_gpu_op_by_op(rng, n):
    check(rng, 1, n, 7, 9, "f32", False, "sm_90a")


@pytest.mark.parametrize(
    "dtype, n",
    [("bf16", 1), ("bf16", 16), ("bf16", 2048), ("f16", 2), ("f16", 64), ("f16", 8192), ("f64", 4), ("f64", 512)],
)
def test_lengths_of_other_types_on_a_gpu(rng, n, dtype):
    check(rng, 3, n, 64 if n < 16 else 16 if dtype == "bf16" else 13, 8, dtype, True, "sm_90a")


@on_every_plan
@pytest.mark.parametrize("dtype, fuse", [("f32", True), ("f32", False), ("f16", True)])
def test_the_longest(rng, dtype, fuse, plan):
    check(rng, 1, 65536, 4, 16, dtype, fuse, plan)


@on_plans([16, 60, 61])
@pytest.mark.parametrize("d", [1, 2, 3, 7, 16, 31, 32, 48, 64, 100])
def test_channels(rng, n, d, plan):
    check(rng, 2, n, d, 2 * d, "f32", True, plan)


@pytest.mark.parametrize("n, d", [(64, 1), (64, 33), (1024, 3), (1024, 100), (8192, 1), (8192, 3), (8192, 24)])
def test_channels_of_long_sequences_on_a_gpu(rng, n, d):
    check(rng, 1, n, d, 9, "f32", True, "sm_90a")


@pytest.mark.parametrize("dtype", ["bf16", "f16", "f64"])
@pytest.mark.parametrize("d", [1, 3, 32, 33, 64, 100])
def test_channels_of_other_types(rng, d, dtype):
    check(rng, 1, 24, d, 4 * d, dtype, True)


@pytest.mark.parametrize("batch", [1, 2, 3, 5])
@pytest.mark.parametrize(
    "plan, n, d",
    [("cpu", 12, 100), ("cpu", 128, 33), ("cpu", 17, 8), ("sm_90a", 32, 33), ("sm_90a", 100, 8)],
)
def test_batches(rng, batch, n, d, plan):
    check(rng, batch, n, d, 7, "f32", True, plan)


@pytest.mark.parametrize("dtype", ["bf16", "f16"])
def test_16_bits_op_by_op(rng, dtype):
    """Each operation rounds its result to the storage type here, which the bound for the whole filter leaves no room
    for: four roundings, of which ΔW's may be of a number that W_base all but cancels."""
    problem = fftnet_problem(rng, 2, 48, 24, 16, dtype)
    out = run(compile(fftnet_text(2, 48, 24, 16, dtype), False), *problem)
    floor = reference.spectral_filter_floor(*problem[:-1])
    limit = 16 * reference.bound("spectral_filter", dtype, 48)
    assert reference.error(out, reference.spectral_filter(*problem), floor) <= limit


@pytest.mark.parametrize("fuse", [True, False])
@pytest.mark.parametrize("plan, n", [("cpu", 20), ("sm_90a", 20), ("sm_90a", 32), ("sm_90a", 8192)])
def test_a_dynamic_batch(rng, fuse, plan, n):
    kernel = compile(fftnet_text(None, n, 6, 5, "f32"), fuse, plan)
    for batch in (3, 1, 8):
        problem = fftnet_problem(rng, batch, n, 6, 5, "f32")
        check_fftnet(run(kernel, *problem), problem, "f32")
    empty = [np.zeros((0, n, 6), np.float32), *problem[1:]]
    assert kernel(*empty).shape == (0, n, 6)


@pytest.mark.parametrize("dtype", ["f32", "bf16", "f16", "f64"])
@pytest.mark.parametrize("n", [3, 6, 7, 12, 100, 243, 1000, 1009])
def test_other_lengths_on_a_gpu(rng, n, dtype):
    """What a library transforms there, and the kernels around it."""
    check(rng, 3, n, 64 if n < 16 else 13, 8, dtype, True, "sm_90a")


@pytest.mark.parametrize(
    "plan, n, why",
    [
        ("sm_90a", 12, "no power of two"),
        ("sm_90a", 1 << 17, "more than 65536"),
        ("sm_80", 1 << 16, "more than 32768"),
    ],
)
def test_the_report_says_what_a_library_transforms(plan, n, why):
    report = bfly.compile(fftnet_text(2, n, 4, 5, "f32"), **TARGETS[plan]).report
    kernels = report["kernels"]
    assert [kernel["name"] for kernel in kernels] == ["fft", "spectrum_map", "ifft"]
    assert [kernel.get("library") for kernel in kernels] == ["cuFFT", None, "cuFFT"]
    for kernel in kernels:
        assert kernel["unfused"] == f"cuFFT transforms N = {n}, which is {why}"


@hypothesis.settings(max_examples=40)
@hypothesis.given(
    batch=st.integers(1, 4),
    n=st.integers(1, 400),
    d=st.integers(1, 40),
    hidden=st.integers(1, 70),
    dtype=st.sampled_from(["f32", "f64", "bf16", "f16"]),
    fuse=st.booleans(),
    plan=st.sampled_from(list(TARGETS)),
    seed=st.integers(0, 2**32 - 1),
)
def test_random_shapes(batch, n, d, hidden, dtype, fuse, plan, seed):
    n = n if plan == "cpu" else 1 << n.bit_length()
    hypothesis.assume(batch * n * d >= 200)
    check(np.random.default_rng(seed), batch, n, d, hidden, dtype, fuse or dtype in ("bf16", "f16"), plan)
