// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

func.func @f() -> tensor<1000000x100000xf32> {
  %0 = arith.constant dense<1.0> : tensor<1000000x100000xf32>
  return %0 : tensor<1000000x100000xf32>
}
