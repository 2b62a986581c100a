// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

func.func @f(%x: tensor<2x8x4xf32>, %w: tensor<2x4x4xf32>) -> tensor<2x8x4xf32> {
  %y = bfly.butterfly_attention %x, %w, %w heads(1) scale(1.0) : tensor<2x8x4xf32>, tensor<2x4x4xf32>
  return %y : tensor<2x8x4xf32>
}
