# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Constants wherever an operation reads a tensor: of one value and of many, in kernels and outside."""

import numpy as np
import pytest
from programs import compile, on_every_plan, run

from bfly import reference

SPLAT, DENSE = "dense<0.5>", "dense<[[0.5, -1.0], [2.0, 0.25]]>"
VALUES = {SPLAT: np.full((2, 2), 0.5), DENSE: np.array([[0.5, -1.0], [2.0, 0.25]])}
X = "tensor<2x4x2xf32>"


def close(out, expected):
    np.testing.assert_allclose(out, expected, rtol=2e-6, atol=2e-6)


@pytest.fixture
def x(rng):
    return rng.standard_normal((2, 4, 2)).astype(np.float32)


def constant(value, kind):
    """Lines that make %w, a 2 x 2 tensor."""
    if kind == "constant":
        return f"%w = arith.constant {value} : tensor<2x2xf32>"
    if kind == "global":
        return "%w = ml_program.global_load_const @w : tensor<2x2xf32>"
    return "%s = arith.constant 0.5 : f32\n  %w = tensor.splat %s : tensor<2x2xf32>"


@on_every_plan
@pytest.mark.parametrize("fuse", [True, False])
@pytest.mark.parametrize(
    "value, kind", [(SPLAT, "constant"), (DENSE, "constant"), (SPLAT, "global"), (DENSE, "global"), (SPLAT, "splat")]
)
def test_a_weight_and_a_bias(plan, fuse, value, kind, x):
    head = f"ml_program.global private @w({value} : tensor<2x2xf32>) : tensor<2x2xf32>\n" if kind == "global" else ""
    kernel = compile(
        f"""{head}func.func @f(%x: {X}) -> {X} {{
  {constant(value, kind)}
  %b = arith.constant dense<3.0> : tensor<2xf32>
  %y = bfly.linear %x, %w bias(%b : tensor<2xf32>) : {X}, tensor<2x2xf32> -> {X}
  return %y : {X}
}}""",
        plan=plan,
        fuse=fuse,
    )
    close(run(kernel, x), x @ VALUES[value].T + 3)


@on_every_plan
@pytest.mark.parametrize("fuse", [True, False])
@pytest.mark.parametrize("value", [SPLAT, DENSE])
def test_a_parameter_of_a_filter(plan, fuse, value, x):
    kernel = compile(
        f"""func.func @f(%x: {X}) -> {X} {{
  %w = arith.constant {value} : tensor<2x2xf32>
  %y = bfly.spectral_filter %x params(%w[batch, channel] : tensor<2x2xf32>) : {X} -> {X} {{
  ^bb0(%b: complex<f32>, %k: index, %p: f32):
    %a = complex.abs %b : complex<f32>
    %s = arith.mulf %a, %p : f32
    %zero = arith.constant 0.0 : f32
    %z = complex.create %s, %zero : complex<f32>
    %q = complex.mul %b, %z : complex<f32>
    bfly.yield %q : complex<f32>
  }}
  return %y : {X}
}}""",
        plan=plan,
        fuse=fuse,
    )
    spectrum = np.fft.fft(x, axis=1)
    gain = np.abs(spectrum) * VALUES[value][:, None]
    close(run(kernel, x), np.fft.ifft(spectrum * gain, axis=1).real)


@on_every_plan
@pytest.mark.parametrize("value", [SPLAT, DENSE])
def test_weights_of_attention(plan, value, x):
    listed = value.replace("dense<[[", "dense<[[[").replace("]]>", "]]]>")
    kernel = compile(
        f"""func.func @f(%x: {X}) -> {X} {{
  %w = arith.constant {listed} : tensor<1x2x2xf32>
  %y = bfly.butterfly_attention %x, %w, %w heads(1) : {X}, tensor<1x2x2xf32>
  return %y : {X}
}}""",
        plan=plan,
    )
    w = VALUES[value][None]
    close(run(kernel, x), reference.butterfly_attention(x, w, w, 1))


@on_every_plan
def test_weights_of_a_norm_and_an_input(plan):
    kernel = compile(
        f"""func.func @f() -> ({X}, {X}) {{
  %x = arith.constant dense<[[[1.0, 2.0], [3.0, 5.0], [0.0, 1.0], [2.0, 2.0]], [[1.0, 0.0], [0.0, 0.0], [7.0, 1.0], [1.0, 3.0]]]> : {X}
  %one = arith.constant dense<4.0> : {X}
  %w = arith.constant dense<2.0> : tensor<2xf32>
  %b = arith.constant dense<[1.0, -1.0]> : tensor<2xf32>
  %y = bfly.layer_norm %x weight(%w : tensor<2xf32>) bias(%b : tensor<2xf32>) epsilon(1.0) : {X}
  %z = bfly.spectral_filter %one : {X} -> {X} {{
  ^bb0(%f: complex<f32>, %k: index):
    %q = complex.mul %f, %f : complex<f32>
    bfly.yield %q : complex<f32>
  }}
  return %y, %z : {X}, {X}
}}""",
        plan=plan,
    )
    x = np.array([[[1, 2], [3, 5], [0, 1], [2, 2]], [[1, 0], [0, 0], [7, 1], [1, 3]]], np.float64)
    y, z = run(kernel)
    close(y, reference.layer_norm(x, np.full(2, 2.0), np.array([1.0, -1.0]), 1.0))
    close(z, np.fft.ifft(np.fft.fft(np.full((2, 4, 2), 4.0), axis=1) ** 2, axis=1).real)


@on_every_plan
def test_constants_in_a_kernel_of_a_person(plan, x):
    text = f"""func.func @f(%x: {X}) -> ({X}, {X}) {{
  %y:2 = bfly.kernel "k" (%a = %x) : ({X}) -> ({X}, {X}) {{
    %w = arith.constant {DENSE} : tensor<2x2xf32>
    %two = arith.constant dense<2.0> : {X}
    %v = bfly.linear %a, %w : {X}, tensor<2x2xf32> -> {X}
    %u = arith.mulf %v, %two : {X}
    bfly.yield %u, %two : {X}, {X}
  }}
  return %y#0, %y#1 : {X}, {X}
}}"""
    y, two = run(compile(text, plan=plan), x)
    close(y, 2 * (x @ VALUES[DENSE].T))
    close(two, np.full((2, 4, 2), 2.0))
