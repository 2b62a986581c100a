// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

ml_program.global private mutable @w(#ml_program.extern<tensor<4xf32>>) : tensor<4xf32>
func.func @f() -> tensor<4xf32> {
  %0 = ml_program.global_load @w : tensor<4xf32>
  ml_program.global_store @w = %0 : tensor<4xf32>
  return %0 : tensor<4xf32>
}
