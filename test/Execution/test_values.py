# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Values that break careless arithmetic: zeros, huge and tiny numbers, and a NaN or Inf that must stay where it is."""

import numpy as np
import pytest
from programs import (
    attention_text,
    butterfly_problem,
    check_butterfly,
    check_fftnet,
    compile,
    fftnet_problem,
    fftnet_text,
    filter_text,
    linear_text,
    mean_text,
    norm_text,
    normal,
    on_every_plan,
    on_plans,
    run,
    tensor,
)

from bfly import reference

FUSE = [True, False]
MAGNITUDE = """
    %zero = arith.constant 0.0 : REAL
    %abs = complex.abs %bin : COMPLEX
    %z = complex.create %abs, %zero : COMPLEX
    %a = complex.add %z, %bin : COMPLEX
"""
HALF = """
    %half = complex.constant [0.5 : REAL, 0.0 : REAL] : COMPLEX
    %a = complex.mul %bin, %half : COMPLEX
"""


@pytest.mark.parametrize("fuse", FUSE)
@pytest.mark.parametrize("n", [1, 8, 15, 37])
def test_zeros(rng, n, fuse):
    problem = list(fftnet_problem(rng, 2, n, 20, 8, "f32"))
    problem[0][...] = 0
    # Bins of zero have no phase, and modReLU of nothing is nothing.
    assert not run(compile(fftnet_text(2, n, 20, 8, "f32"), fuse), *problem).any()
    x, wq, wk = butterfly_problem(rng, 2, n, 16, 4, "dense", False, "f32")
    kernel = compile(attention_text(2, n, 16, 4, wq.shape, "f32"), True)
    assert not run(kernel, np.zeros_like(x), wq, wk).any()
    # No weights, no preference: the mean of all tokens, padding included.
    even = run(kernel, x, np.zeros_like(wq), np.zeros_like(wk))
    padded = 1 << reference.stages(n)
    expected = np.broadcast_to(x.astype(np.float64).sum(axis=1, keepdims=True) / padded, x.shape)
    np.testing.assert_allclose(even, expected, atol=1e-6)


@pytest.mark.parametrize("scale", [1e18, 1e25, 1e30, 1e-18, 1e-25, 1e-30])
@on_plans([8, 15, 37])
def test_sizes_of_numbers_in_a_filter(rng, plan, n, scale):
    """|F|² over- or underflows, |F| does not."""
    x = normal(rng, "f32", 2, n, 19, scale=scale)
    for body, function in ((MAGNITUDE, lambda f, k: abs(f) + f), (HALF, lambda f, k: f / 2)):
        out = run(compile(filter_text(2, n, 19, "f32", [], body), plan=plan), x)
        oracle = reference.fourier_filter(x, function)
        assert reference.error(out, oracle) <= reference.bound("spectral_filter", "f32", n)


@pytest.mark.parametrize("scale", [1e12, 1e25, 1e30])
@on_plans([16, 21])
def test_huge_numbers_in_fftnet(rng, plan, n, scale):
    problem = list(fftnet_problem(rng, 2, n, 17, 8, "f32"))
    problem[0] *= np.float32(scale)
    problem[2] *= 0  # or the context would overflow for good
    problem[6] *= np.float32(scale)
    check_fftnet(run(compile(fftnet_text(2, n, 17, 8, "f32"), plan=plan), *problem), problem, "f32")


@pytest.mark.parametrize("fuse", FUSE)
@pytest.mark.parametrize("scale", [1e18, 1e12, 1e-12, 1e-20, 1e-30])
@pytest.mark.parametrize("heads, form", [(4, "dense"), (1, "dense"), (2, "per_head")])
def test_sizes_of_numbers_in_a_butterfly(rng, heads, form, scale, fuse):
    """Scores saturate, or vanish; exponentials of them must neither overflow nor divide by nothing."""
    problem = list(butterfly_problem(rng, 2, 16, 16, heads, form, False, "f32"))
    problem[0] *= np.float32(scale)
    text = attention_text(2, 16, 16, heads, problem[1].shape, "f32")
    check_butterfly(run(compile(text, fuse), *problem), problem, heads, form, "f32")


@pytest.mark.parametrize("scale", [30.0, -30.0, 1000.0, -1000.0])
def test_saturated_scores(rng, scale):
    problem = butterfly_problem(rng, 2, 32, 16, 2, "dense", False, "f64")
    text = attention_text(2, 32, 16, 2, problem[1].shape, "f64", scale)
    check_butterfly(run(compile(text), *problem), problem, 2, "dense", "f64", scale)


def assert_same_elsewhere(out, clean, touched, all_of_it=True):
    """`out` differs from `clean` only where `touched` is true; there, nothing is finite (if `all_of_it`).

    Elsewhere the last bits may differ: two real channels share a complex transform, and one that is alone rounds
    otherwise."""
    scale = np.abs(clean[~touched]).max(initial=0)
    close = np.abs(out[~touched] - clean[~touched]) <= 1e-5 * scale
    assert close.all(), "it reached what does not depend on it"
    if all_of_it:
        assert not np.isfinite(out[touched]).any(), "a NaN was lost"


BAD = [np.nan, np.inf, -np.inf]


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("fuse", FUSE)
@on_plans([1, 8, 15, 37, 64, 8192])
def test_a_filter_mixes_the_tokens_of_a_channel_alone(rng, plan, n, fuse, bad):
    for body in (MAGNITUDE, HALF):
        kernel = compile(filter_text(3, n, 19, "f32", [], body), fuse, plan)
        x = normal(rng, "f32", 3, n, 19)
        clean = run(kernel, x)
        batch, token, channel = rng.integers((3, n, 19))
        x[batch, token, channel] = bad
        touched = np.zeros(x.shape, bool)
        touched[batch, :, channel] = True
        # A channel shares a complex transform with another, whose values its rounding may see: but nothing else.
        out = run(kernel, x)
        assert np.isfinite(out[~touched]).all(), "it reached what does not depend on it"
        assert reference.error(np.where(touched, 0, out), np.where(touched, 0, clean)) < 1e-6
        # A constant filter is a product, which leaves the other tokens alone. And the bin at 0 of an infinity is one.
        if body is MAGNITUDE and n > 1:
            assert not np.isfinite(out[touched]).any(), "a NaN was lost"


@pytest.mark.parametrize("fuse", FUSE)
@on_plans([8, 15, 37])
def test_fftnet_mixes_one_batch(rng, plan, n, fuse):
    kernel = compile(fftnet_text(3, n, 19, 8, "f32"), fuse, plan)
    problem = fftnet_problem(rng, 3, n, 19, 8, "f32")
    clean = run(kernel, *problem)
    batch, token, channel = rng.integers((3, n, 19))
    problem[0][batch, token, channel] = np.nan
    touched = np.zeros(clean.shape, bool)
    touched[batch] = True
    # Every hidden channel sees the context's NaN, and relu keeps one.
    assert_same_elsewhere(run(kernel, *problem), clean, touched)


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("fuse", FUSE)
@pytest.mark.parametrize("n", [2, 16])
@pytest.mark.parametrize("form", ["dense", "per_head", "one_head"])
@on_every_plan
def test_a_butterfly_mixes_one_batch_and_per_head_one_head(rng, plan, form, n, fuse, bad):
    heads, d = 3, 12
    x, wq, wk = butterfly_problem(rng, 3, n, d, heads, form, False, "f32")
    kernel = compile(attention_text(3, n, d, heads, wq.shape, "f32"), fuse, plan)
    clean = run(kernel, x, wq, wk)
    batch, token, channel = rng.integers((3, n, d))
    x[batch, token, channel] = bad
    touched = np.zeros(x.shape, bool)
    if form == "dense":
        touched[batch] = True
    else:
        dh = d // heads
        head = channel // dh
        touched[batch, :, head * dh : (head + 1) * dh] = True
    # An infinite score may give a weight of 0 or 1, which takes a token as it is.
    assert_same_elsewhere(run(kernel, x, wq, wk), clean, touched, all_of_it=bool(np.isnan(bad)))


@pytest.mark.parametrize("stage", [0, 1, 3])
def test_one_stage_mixes_two_tokens(rng, stage):
    n, d, heads = 16, 12, 3
    x, w = tensor(2, n, d, of="f32"), tensor(1, d, d, of="f32")
    kernel = compile(
        f"""func.func @stage(%x: {x}, %wq: {w}, %wk: {w}) -> {x} {{
  %y = bfly.attention_stage %x weights(%wq, %wk : {w}, {w}) stage({stage}) heads({heads}) scale(0.5) definition : {x}
  return %y : {x}
}}
"""
    )
    arrays = [normal(rng, "f32", 2, n, d), normal(rng, "f32", 1, d, d), normal(rng, "f32", 1, d, d)]
    clean = run(kernel, *arrays)
    batch, token, channel = rng.integers((2, n, d))
    arrays[0][batch, token, channel] = np.nan
    touched = np.zeros(clean.shape, bool)
    touched[batch, [token, token ^ (1 << stage)]] = True
    assert_same_elsewhere(run(kernel, *arrays), clean, touched)


@on_every_plan
def test_dense_ops_keep_a_nan_in_its_row(rng, plan):
    x, weight = normal(rng, "f32", 9, 20), normal(rng, "f32", 33, 20)
    for text, weights in (
        (linear_text((9,), 20, 33, "f32", False, False), (weight,)),
        (linear_text((9,), 20, 33, "f32", False, True), (weight,)),
        (norm_text((9, 20), "f32", False, False), ()),
    ):
        kernel = compile(text, plan=plan)
        clean = run(kernel, x, *weights)
        dirty = x.copy()
        dirty[4, 7] = np.nan
        touched = np.zeros(clean.shape, bool)
        touched[4] = True
        assert_same_elsewhere(run(kernel, dirty, *weights), clean, touched)
    # A NaN in a weight is one column's.
    kernel = compile(linear_text((9,), 20, 33, "f32", False, False), plan=plan)
    clean = run(kernel, x, weight)
    weight[12, 3] = np.nan
    touched = np.zeros(clean.shape, bool)
    touched[:, 12] = True
    assert_same_elsewhere(run(kernel, x, weight), clean, touched)


@on_every_plan
def test_mean_keeps_a_nan_in_its_channel(rng, plan):
    x = normal(rng, "f32", 2, 9, 5)
    kernel = compile(mean_text(2, 9, 5, "f32"), plan=plan)
    clean = run(kernel, x)
    x[1, 3, 2] = np.nan
    touched = np.zeros((2, 5), bool)
    touched[1, 2] = True
    assert_same_elsewhere(run(kernel, x), clean, touched)
