// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

func.func @identity(%x: tensor<2x8x4xf32>) -> tensor<2x8x4xf32> {
  %f = bfly.spectral_filter %x : tensor<2x8x4xf32> -> tensor<2x8x4xf32> {
  ^bb0(%z: complex<f32>, %k: index):
    %q = complex.mul %z, %z : complex<f32>
    bfly.yield %q : complex<f32>
  }
  return %f : tensor<2x8x4xf32>
}
