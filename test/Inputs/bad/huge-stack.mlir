// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

func.func @f() -> tensor<1xf32> {
  %c = arith.constant 0 : index
  %m = memref.alloca() : memref<1000000000xf32>
  %v = memref.load %m[%c] : memref<1000000000xf32>
  %1 = tensor.from_elements %v : tensor<1xf32>
  return %1 : tensor<1xf32>
}
