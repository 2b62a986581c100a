// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The operation that docs/tours/tour.md and README.md show: every bin of the spectrum is squared, which convolves a
// sequence with itself.
func.func @convolve(%x: tensor<?x4x32xf32>) -> tensor<?x4x32xf32> {
  %y = bfly.spectral_filter %x params() : tensor<?x4x32xf32> -> tensor<?x4x32xf32> {
  ^bb0(%bin: complex<f32>, %k: index):
    %square = complex.mul %bin, %bin : complex<f32>
    bfly.yield %square : complex<f32>
  }
  return %y : tensor<?x4x32xf32>
}
