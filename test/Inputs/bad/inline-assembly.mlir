// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

func.func @f() -> tensor<1xi32> {
  %0 = llvm.inline_asm "hlt; mov $0, 1", "=r" : () -> i32
  %1 = tensor.from_elements %0 : tensor<1xi32>
  return %1 : tensor<1xi32>
}
