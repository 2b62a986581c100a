# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Programs of many operations: right, and compiled without passes whose work grows faster than the program."""

import numpy as np
import pytest
from programs import compile, on_every_plan, run

import bfly

T = "tensor<2x4x8xf32>"


@on_every_plan
def test_many_operations_between_kernels(plan, rng):
    lines, value = [], "%x"
    for i in range(60):
        lines.append(f"%a{i} = arith.addf {value}, %x : {T}")
        lines.append(
            f"%s{i} = tensor.extract_slice %a{i}[{i % 2}, 0, 0] [1, 4, 8] [1, 1, 1] : {T} to tensor<1x4x8xf32>"
        )
        lines.append(
            f"%i{i} = tensor.insert_slice %s{i} into %a{i}[0, 0, 0] [1, 4, 8] [1, 1, 1] : tensor<1x4x8xf32> into {T}"
        )
        value = f"%i{i}"
    body = "\n  ".join(lines)
    kernel = compile(f"func.func @f(%x: {T}) -> {T} {{\n  {body}\n  return {value} : {T}\n}}", plan=plan)
    x = rng.standard_normal((2, 4, 8)).astype(np.float32)
    expected = x
    for i in range(60):
        expected = expected + x
        expected[0] = expected[i % 2].copy()
    np.testing.assert_allclose(run(kernel, x), expected, rtol=1e-5, atol=1e-5)


def test_a_bomb_of_calls_is_refused():
    text = "".join(
        f"""func.func private @f{i}(%x: {T}) -> {T} {{
  %y = func.call @f{i + 1}(%x) : ({T}) -> {T}
  %z = func.call @f{i + 1}(%y) : ({T}) -> {T}
  return %z : {T}
}}
"""
        for i in range(24)
    )
    text = text.replace("private @f0(", "@f0(") + f"func.func private @f24(%x: {T}) -> {T} {{\n  return %x : {T}\n}}"
    with pytest.raises(
        bfly.BflyError, match="operations once the functions that it calls are inlined, more than 100000"
    ):
        bfly.compile(text)
