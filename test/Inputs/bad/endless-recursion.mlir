// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

func.func @f() -> tensor<1xf32> {
  %0 = call @g() : () -> tensor<1xf32>
  return %0 : tensor<1xf32>
}
func.func private @g() -> tensor<1xf32> {
  %0 = call @f() : () -> tensor<1xf32>
  return %0 : tensor<1xf32>
}
