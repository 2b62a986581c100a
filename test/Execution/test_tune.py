# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Tuning: every plan that it tries computes what the definition says, on every target; and what it finds and refuses."""

import numpy as np
import pytest
from programs import (
    TARGETS,
    Place,
    attention,
    check_butterfly,
    filter_text,
    layer_parameters,
    layer_text,
    linear_text,
    mean_text,
    norm_text,
    normal,
    on_every_target,
    on_gpu,
)

import bfly
from bfly import reference


def square(rng, n):
    """A circular convolution of each channel with itself."""
    x = normal(rng, "f32", 2, n, 6)
    text = filter_text(2, n, 6, "f32", [], "    %a = complex.mul %bin, %bin : complex<f32>")
    wanted = np.fft.ifft(np.fft.fft(x.astype(float), axis=1) ** 2, axis=1).real
    return text, [x], lambda out: within(out, wanted)


def butterfly(rng, form, n):
    text, arrays = attention(rng, 1, n, 32, 2, form, "f32")
    return text, arrays, lambda out: check_butterfly(out, arrays, 2, form, "f32")


def linear(rng):
    x, w = normal(rng, "f32", 40, 24), normal(rng, "f32", 33, 24)
    return linear_text((40,), 24, 33, "f32", False, False), [x, w], lambda out: within(out, reference.linear(x, w))


def norm(rng):
    x = normal(rng, "f32", 40, 24)
    return norm_text((40, 24), "f32", False, False), [x], lambda out: within(out, reference.layer_norm(x))


def mean(rng):
    x = normal(rng, "f32", 2, 40, 24)
    return mean_text(2, 40, 24, "f32"), [x], lambda out: within(out, x.astype(float).mean(axis=1))


def within(out, wanted):
    wrong = reference.error(out, wanted)
    assert wrong <= 1e-5, f"error {wrong:.3g}"


# By name what is computed; and how many plans are tried at least, the chosen one included, on a CPU and on a GPU.
PROBLEMS = {
    "transform": (lambda rng: square(rng, 64), 5, 6),
    "bluestein": (lambda rng: square(rng, 37), 6, None),
    "dense attention": (lambda rng: butterfly(rng, "dense", 16), 5, 4),
    "attention per head": (lambda rng: butterfly(rng, "per_head", 256), 5, 4),
    "linear": (linear, 5, 5),
    "layer norm": (norm, 1, 2),
    "mean": (mean, 3, 2),
}


@on_every_target
@pytest.mark.parametrize("problem", PROBLEMS)
def test_every_plan_that_is_tried_is_right(problem, plan):
    make, on_cpu, on_a_gpu = PROBLEMS[problem]
    least = on_cpu if plan == "cpu" and not on_gpu() else on_a_gpu
    if least is None:
        pytest.skip("a library transforms it")
    rng = np.random.default_rng(7)
    text, arrays, check = make(rng)
    where = {"device": Place.device} if on_gpu() else TARGETS[plan]
    tuning = bfly.tune(text, arrays, rounds=0, **where)
    assert len(tuning.rows) >= least and len({row.plan for row in tuning.rows}) == len(tuning.rows)
    chosen = tuning.rows[0]
    assert tuning.ir.count(chosen.plan) == 1
    for row in tuning.rows:
        assert row.problem is None and row.seconds is None and row.is_chosen == row.is_best == (row is chosen)
        check(bfly.compile(tuning.ir.replace(chosen.plan, row.plan), **where)(*arrays))


def test_what_tuning_a_layer_finds():
    rng = np.random.default_rng(3)
    d, hidden = 16, 24
    text = layer_text(None, 64, d, hidden, "f32")
    x = normal(rng, "f32", 3, 64, d)
    weights = {name: normal(rng, "f32", *shape) for name, shape in layer_parameters(d, hidden).items()}
    where = {"device": Place.device}
    tuning = bfly.tune(text, [x], weights, rounds=1, **where)
    by_kernel = {}
    for row in tuning.rows:
        by_kernel.setdefault((row.kernel, row.location), []).append(row)
    assert len(by_kernel) == len(tuning.report["kernels"]) > 1
    for (name, location), rows in by_kernel.items():
        assert location.startswith("<text>:") and f'kernel "{name}" at {location}' in tuning.text
        assert [row.is_chosen for row in rows] == [True] + [False] * (len(rows) - 1)
        assert sum(row.is_best for row in rows) == 1 and rows[0].ratio == 1
        for row in rows:
            assert row.problem or (row.seconds > 0 and row.ratio > 0 and row.bound_share > 0 and row.noise >= 0)
    # A parameter keeps its name in what is found, and any batch fits.
    best, chosen = bfly.compile(tuning.ir, **where), bfly.compile(text, **where)
    assert best.parameters == chosen.parameters
    np.testing.assert_allclose(best(x[:1], parameters=weights), chosen(x[:1], parameters=weights), atol=1e-4)


def test_kernels_that_are_alike_are_tuned_once():
    norm = "bfly.layer_norm {} epsilon(1.0e-5) : tensor<?x8xf32>"
    text = f"""func.func @f(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {{
  %a = {norm.format("%x")}
  %n = arith.negf %a : tensor<?x8xf32>
  %b = {norm.format("%n")}
  return %b : tensor<?x8xf32>
}}"""
    x = np.ones((5, 8), np.float32)
    tuning = bfly.tune(text, [x], rounds=0)
    (kernel,) = tuning.report["kernels"]
    assert kernel["alike"] == 2 and "2 of them" in tuning.text


def test_kernels_in_a_loop_have_their_sizes():
    text = """func.func @f(%x: tensor<?x16x8xf32>) -> tensor<?x16x8xf32> {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c3 = arith.constant 3 : index
  %y = scf.for %i = %c0 to %c3 step %c1 iter_args(%s = %x) -> tensor<?x16x8xf32> {
    %t = bfly.spectral_filter %s : tensor<?x16x8xf32> -> tensor<?x16x8xf32> {
    ^bb0(%bin: complex<f32>, %k: index):
      %c = complex.conj %bin : complex<f32>
      bfly.yield %c : complex<f32>
    }
    scf.yield %t : tensor<?x16x8xf32>
  }
  return %y : tensor<?x16x8xf32>
}"""
    x = np.random.default_rng(0).standard_normal((3, 16, 8)).astype(np.float32)
    tuning = bfly.tune(text, [x], rounds=0)
    assert len(tuning.rows) > 2
    within(bfly.compile(tuning.ir)(x), np.roll(x[:, ::-1], 1, axis=1))


def test_results_that_are_no_numbers_agree():
    """A map of numbers that have no logarithm: that a plan computes NaN there too is all that can be said."""
    body = """    %re = complex.re %bin : complex<f32>
    %l = math.log %re : f32
    %a = complex.create %l, %l : complex<f32>"""
    x = np.random.default_rng(0).standard_normal((1, 16, 8)).astype(np.float32)
    assert len(bfly.tune(filter_text(1, 16, 8, "f32", [], body), [x], rounds=0).rows) > 2


TEXT = norm_text((4, 8), "f32", False, False)
X = np.ones((4, 8), np.float32)


@pytest.mark.parametrize(
    "text, inputs, options, message",
    [
        (
            "func.func @f(%x: tensor<4xf32>) -> tensor<4xf32> {\n  return %x : tensor<4xf32>\n}",
            [X[0, :4].copy()],
            {},
            "^function 'f' has no kernel with a plan, so that there is nothing to tune$",
        ),
        (
            TEXT,
            [X],
            TARGETS["sm_90a"],
            "^function 'norm' is compiled for \"sm_90a\" and emulated, whose times say nothing: it is tuned on a GPU, or "
            "checked in 0 rounds$",
        ),
        (TEXT, [X], {"target": "sm_90a"}, "^a program for target 'sm_90a' does not run on device 'cpu'$"),
        (TEXT, X, {}, "^inputs: a list of arrays is expected, got ndarray$"),
        (TEXT, [], {}, "^norm: 1 inputs are needed, but 0 were given$"),
        (TEXT, [X[:2]], {}, "^input 0: shape 2x8xf32, expected 4x8xf32$"),
        (TEXT, [X], {"rounds": -1}, "^rounds: -1, expected an integer from 0 to 1000$"),
        (TEXT, [X], {"rounds": True}, "^rounds: True, expected"),
        (TEXT, [X], {"function": "other"}, "no public function 'other'"),
    ],
)
def test_refusals(text, inputs, options, message):
    with pytest.raises(bfly.BflyError, match=message):
        bfly.tune(text, inputs, **options)


@pytest.mark.skipif(bfly.is_available("cuda"), reason="there is a GPU")
def test_a_gpu_that_is_not_there():
    with pytest.raises(bfly.BflyError, match="no NVIDIA driver|libcuda|GPU"):
        bfly.tune(TEXT, [X], device="cuda")
