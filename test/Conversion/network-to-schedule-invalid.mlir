// RUN: bfly-opt %s -split-input-file -bfly-convert-network-to-schedule -verify-diagnostics

func.func @mixer(%x: tensor<2x8x4xf32>) -> tensor<2x8x4xf32> {
  // expected-error @+1 {{must become network operations before kernels form}}
  %y = bfly.spectral_filter %x : tensor<2x8x4xf32> -> tensor<2x8x4xf32> {
  ^bb0(%bin: complex<f32>, %k: index):
    bfly.yield %bin : complex<f32>
  }
  return %y : tensor<2x8x4xf32>
}
