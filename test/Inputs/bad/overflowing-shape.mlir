// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

func.func @f(%x: tensor<4294967296x2147483648x4xf32>) -> tensor<4294967296x2147483648x4xf32> {
  return %x : tensor<4294967296x2147483648x4xf32>
}
