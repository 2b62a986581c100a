# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Sizes that only a GPU is quick enough for, against the oracle: collected where there is one."""

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest
from gpu_alone import device  # noqa: F401
from programs import (
    attention_text,
    butterfly_problem,
    check_butterfly,
    check_fftnet,
    compile,
    fftnet_problem,
    fftnet_text,
    run,
)

DTYPES = ["f32", "bf16", "f16"]


def attend(rng, batch, n, d, heads, form, dtype, shared=False):
    problem = butterfly_problem(rng, batch, n, d, heads, form, shared, dtype)
    out = run(compile(attention_text(batch, n, d, heads, problem[1].shape, dtype)), *problem)
    check_butterfly(out, problem, heads, form, dtype)


def mix(rng, batch, n, d, hidden, dtype):
    problem = fftnet_problem(rng, batch, n, d, hidden, dtype)
    check_fftnet(run(compile(fftnet_text(batch, n, d, hidden, dtype)), *problem), problem, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("form", ["dense", "per_head"])
@pytest.mark.parametrize(
    "batch, n, d, heads",
    [(2, 2048, 512, 8), (4, 512, 1024, 16), (3, 1000, 768, 12), (1, 8192, 256, 4), (1, 384, 1000, 5), (40, 64, 512, 1)],
)
def test_butterflies(rng, batch, n, d, heads, form, dtype):
    attend(rng, batch, n, d, heads, form, dtype)


@pytest.mark.parametrize("form", ["dense", "per_head"])
@pytest.mark.parametrize("n", [1 << power for power in range(1, 17)] + [3000, 40000])
def test_butterflies_of_all_lengths(rng, n, form):
    attend(rng, 1 if n > 4096 else 2, n, 64, 2, form, "bf16")
    attend(rng, 1, n, 24, 3, form, "f32")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "batch, n, d", [(8, 1024, 768), (2, 4096, 768), (1, 16384, 256), (1, 65536, 64), (3, 6000, 96), (1, 10007, 40)]
)
def test_filters(rng, batch, n, d, dtype):
    mix(rng, batch, n, d, 4 * d, dtype)


@pytest.mark.parametrize("n", [1 << power for power in range(17)])
def test_filters_of_all_lengths(rng, n):
    mix(rng, 2, n, 72, 33, "f32")
    mix(rng, 1, n, 200, 64, "bf16")


@hypothesis.settings(max_examples=20)
@hypothesis.given(
    batch=st.integers(1, 6),
    n=st.integers(2, 3000),
    heads=st.integers(1, 16),
    dh=st.integers(1, 70),
    form=st.sampled_from(["dense", "per_head", "one_head"]),
    dtype=st.sampled_from(DTYPES),
    shared=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
)
def test_random_butterflies(batch, n, heads, dh, form, dtype, shared, seed):
    hypothesis.assume(64 <= batch * n * heads * dh <= 1 << 21)
    attend(np.random.default_rng(seed), batch, n, heads * dh, heads, form, dtype, shared)


@hypothesis.settings(max_examples=20)
@hypothesis.given(
    batch=st.integers(1, 6),
    n=st.one_of(st.integers(1, 20000), st.integers(0, 16).map(lambda power: 1 << power)),
    d=st.integers(1, 300),
    hidden=st.integers(1, 400),
    dtype=st.sampled_from(DTYPES),
    seed=st.integers(0, 2**32 - 1),
)
def test_random_filters(batch, n, d, hidden, dtype, seed):
    hypothesis.assume(200 <= batch * n * d <= 1 << 22)
    mix(np.random.default_rng(seed), batch, n, d, hidden, dtype)
