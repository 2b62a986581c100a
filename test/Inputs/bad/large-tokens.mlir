// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

func.func @f() -> tensor<1x1099511627776x1xf32> {
  %x = tensor.empty() : tensor<1x1099511627776x1xf32>
  %y = bfly.spectral_filter %x params() : tensor<1x1099511627776x1xf32> -> tensor<1x1099511627776x1xf32> {
  ^bb0(%bin: complex<f32>, %k: index):
    %a = complex.mul %bin, %bin : complex<f32>
    bfly.yield %a : complex<f32>
  }
  return %y : tensor<1x1099511627776x1xf32>
}
