// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

llvm.func @g() { llvm.return }
llvm.mlir.global_ctors ctors = [@g], priorities = [0 : i32], data = [#llvm.zero]
func.func @f() -> tensor<1xi32> {
  %0 = arith.constant dense<1> : tensor<1xi32>
  return %0 : tensor<1xi32>
}
