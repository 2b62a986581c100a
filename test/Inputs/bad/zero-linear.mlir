// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

func.func @f(%x: tensor<2x0xf32>, %w: tensor<4x0xf32>) -> tensor<2x4xf32> {
  %y = bfly.linear %x, %w : tensor<2x0xf32>, tensor<4x0xf32> -> tensor<2x4xf32>
  return %y : tensor<2x4xf32>
}
