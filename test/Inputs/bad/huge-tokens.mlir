// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

func.func @f(%x: tensor<1x4611686018427387904x4xf32>) -> tensor<1x4611686018427387904x4xf32> {
  %y = bfly.spectral_filter %x params() : tensor<1x4611686018427387904x4xf32> -> tensor<1x4611686018427387904x4xf32> {
  ^bb0(%bin: complex<f32>, %k: index):
    bfly.yield %bin : complex<f32>
  }
  return %y : tensor<1x4611686018427387904x4xf32>
}
