# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Operations of linalg between layers: as NumPy and SciPy compute them."""

import numpy as np
import pytest
import scipy.special
from programs import normal, run

import bfly

PLANS = {"cpu": {}, "gpu": {"target": "sm_90a", "emulate": True}}
T, V = "tensor<3x8xf32>", "tensor<3xf32>"


def unary(name):
    return f"%y = linalg.{name} ins(%x : {T}) outs(%e : {T}) -> {T}"


GELU = f"""%half = arith.constant dense<0.5> : {T}
  %root = arith.constant dense<0.70710678118654752> : {T}
  %one = arith.constant dense<1.0> : {T}
  %s = arith.mulf %x, %root : {T}
  %t = math.erf %s : {T}
  %u = arith.addf %t, %one : {T}
  %v = arith.mulf %x, %half : {T}
  %y = arith.mulf %u, %v : {T}"""

CASES = {
    "softmax": (f"%y = linalg.softmax dimension(1) ins(%x : {T}) outs(%e : {T}) -> {T}", lambda x: scipy.special.softmax(x, 1), T),
    "softmax of columns": (
        f"%y = linalg.softmax dimension(0) ins(%x : {T}) outs(%e : {T}) -> {T}",
        lambda x: scipy.special.softmax(x, 0),
        T,
    ),
    "gelu": (GELU, lambda x: x * scipy.special.ndtr(x), T),
    "reduce": (
        f"""%zero = arith.constant dense<0.0> : {V}
  %y = linalg.reduce ins(%x : {T}) outs(%zero : {V}) dimensions = [1]
    (%in: f32, %sum: f32) {{
      %s = arith.addf %in, %sum : f32
      linalg.yield %s : f32
    }}""",
        lambda x: x.sum(1),
        V,
    ),
    "map": (
        f"""%y = linalg.map ins(%x : {T}) outs(%e : {T})
    (%in: f32, %out: f32) {{
      %s = math.erfc %in : f32
      linalg.yield %s : f32
    }}""",
        scipy.special.erfc,
        T,
    ),
    "pack": (
        """%p = tensor.empty() : tensor<3x2x1x4xf32>
  %q = linalg.pack %x inner_dims_pos = [0, 1] inner_tiles = [1, 4] into %p : tensor<3x8xf32> -> tensor<3x2x1x4xf32>
  %y = linalg.unpack %q inner_dims_pos = [0, 1] inner_tiles = [1, 4] into %e : tensor<3x2x1x4xf32> -> tensor<3x8xf32>""",
        lambda x: x,
        T,
    ),
    "transpose": (
        """%f = tensor.empty() : tensor<8x3xf32>
  %y = linalg.transpose ins(%x : tensor<3x8xf32>) outs(%f : tensor<8x3xf32>) permutation = [1, 0]""",
        lambda x: x.T,
        "tensor<8x3xf32>",
    ),
    "matmul": (
        """%f = tensor.empty() : tensor<8x3xf32>
  %t = linalg.transpose ins(%x : tensor<3x8xf32>) outs(%f : tensor<8x3xf32>) permutation = [1, 0]
  %zero = arith.constant dense<0.0> : tensor<3x3xf32>
  %y = linalg.matmul ins(%x, %t : tensor<3x8xf32>, tensor<8x3xf32>) outs(%zero : tensor<3x3xf32>) -> tensor<3x3xf32>""",
        lambda x: x @ x.T,
        "tensor<3x3xf32>",
    ),
    **{
        name: (unary(name), function, T)
        for name, function in {
            "exp": np.exp, "abs": np.abs, "ceil": np.ceil, "floor": np.floor, "negf": np.negative, "erf": scipy.special.erf,
            "tanh": np.tanh, "round": np.round, "square": np.square,
        }.items()
    },
}  # fmt: skip


@pytest.mark.parametrize("options", PLANS.values(), ids=PLANS)
@pytest.mark.parametrize("body, oracle, result", CASES.values(), ids=CASES)
def test_linalg(options, body, oracle, result, rng):
    text = f"""func.func @f(%x: {T}) -> {result} {{
  %e = tensor.empty() : {T}
  {body}
  return %y : {result}
}}
"""
    x = normal(rng, "f32", 3, 8)
    kernel = bfly.compile(text, **options)
    np.testing.assert_allclose(run(kernel, x), oracle(x.astype(float)), rtol=2e-6, atol=2e-7)
