// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

func.func @f(%x: tensor<4x8x4xf32>) -> tensor<4x4xf32> {
  %m = bfly.kernel "mean" (%a = %x) plan [#bfly.cpu_transform<channels = -1, radices = [0], groups = [<7 to 2 in slab>]>] : (tensor<4x8x4xf32>) -> tensor<4x4xf32> {
    %0 = bfly.mean %a : tensor<4x8x4xf32> -> tensor<4x4xf32>
    bfly.yield %0 : tensor<4x4xf32>
  }
  return %m : tensor<4x4xf32>
}
