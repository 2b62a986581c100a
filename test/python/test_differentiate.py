# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""bfly.differentiate, and what is wrong with a call of it. Its gradients: test/Execution/test_derivatives.py."""

import numpy as np
import pytest

import bfly

TEXT = """ml_program.global private @"scale.weight"(#ml_program.extern<tensor<4xf32>>) : tensor<4xf32>
func.func private @times(%x: tensor<4xf32>, %w: tensor<4xf32>) -> tensor<4xf32> {
  %y = arith.mulf %x, %w : tensor<4xf32>
  return %y : tensor<4xf32>
}
func.func @product(%x: tensor<4xf32>, %n: i64) -> tensor<4xf32> {
  %w = ml_program.global_load_const @"scale.weight" : tensor<4xf32>
  %y = func.call @times(%x, %w) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  return %y : tensor<4xf32>
}
"""
TWO = TEXT + TEXT.split("\n", 5)[5].replace("@product", "@other")


def test_gradients_of_inputs_and_parameters():
    x, w, g = np.random.default_rng(0).standard_normal((3, 4)).astype(np.float32)
    kernel = bfly.compile(bfly.differentiate(TEXT))
    assert kernel.name == "product_backward" and [value.name for value in kernel.parameters] == ["scale.weight"]
    gx, gw = kernel(x, 3, g, parameters={"scale.weight": w})
    assert np.array_equal(gx, g * w) and np.array_equal(gw, g * x)


def test_of_some(tmp_path):
    x, w, g = np.random.default_rng(0).standard_normal((3, 4)).astype(np.float32)
    (tmp_path / "two.mlir").write_text(TWO)
    kernel = bfly.compile(bfly.differentiate(tmp_path / "two.mlir", "other", ["scale.weight"]))
    assert kernel.name == "other_backward"
    assert not kernel.parameters and np.array_equal(kernel(x, 3, g), g * x)
    kernel = bfly.compile(bfly.differentiate(TEXT.encode(), of=[0]))
    assert np.array_equal(kernel(x, 3, g, parameters={"scale.weight": w}), g * w)
    gx, gw = bfly.compile(bfly.differentiate(TEXT, of=[0, "scale.weight"]))(x, 3, g, parameters={"scale.weight": w})
    assert np.array_equal(gx, g * w) and np.array_equal(gw, g * x)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ((TWO,), r"<text>: which function\? There are product, other"),
        ((TEXT, "times"), "<text>: there is no public function 'times' with a body, but product"),
        ((TEXT, None, [1]), r"<text>:6:1: error: .* has no floating-point input 1"),
        ((TEXT, None, ["weight"]), r"<text>:6:1: error: .* reads no floating-point parameter 'weight'"),
        ((TEXT, None, ["a,b"]), "of: 'a,b', expected"),
        ((TEXT, None, [True]), "of: True, expected"),
        ((TEXT, None, 0), "of: 0, expected"),
        # Results would have another order, or another number.
        ((TEXT, None, ["scale.weight", 0]), r"<text>:6:1: error: .* each once: '0' is out of place"),
        ((TEXT, None, [0, 0]), r"<text>:6:1: error: .* each once: '0' is out of place"),
        ((TEXT, None, ["scale.weight"] * 2), r"<text>:6:1: error: .* each once: 'scale.weight' is out of place"),
        ((TEXT, None, []), r"of: \[\], expected"),
        (("{",), r"<text>:1:1: error: "),
        (("module {}",), "<text>: there is no public function with a body"),
        (("nowhere.mlir",), "text_or_path: .*nowhere.mlir"),
        ((3,), "text_or_path: text or a path is expected, got int"),
    ],
)
def test_what_is_wrong(arguments, message):
    with pytest.raises(bfly.BflyError, match=f"^{message}"):
        bfly.differentiate(*arguments)


def test_no_derivative():
    text = """func.func @f(%x: tensor<4xf32>) -> tensor<4xf32> {
  %zero = arith.constant 0 : index
  %one = arith.constant 1 : index
  %y = scf.for %i = %zero to %one step %one iter_args(%v = %x) -> tensor<4xf32> {
    %w = arith.addf %v, %v : tensor<4xf32>
    scf.yield %w : tensor<4xf32>
  }
  return %y : tensor<4xf32>
}"""
    with pytest.raises(bfly.BflyError, match=r"^f\.mlir:4:\d+: error: .*scf.for"):
        bfly.differentiate(text, name="f.mlir")
