// RUN: bfly-opt %s -bfly-compile=to=schedule | FileCheck %s

// A network cut in two by calls becomes one kernel, and what only it called is gone.
// CHECK-NOT: @forwards
// CHECK-NOT: @backwards
// CHECK-LABEL: func @filter
// CHECK-COUNT-1: bfly.kernel "spectral_filter"
// CHECK: bfly.fft
// CHECK: bfly.spectrum_map
// CHECK: bfly.ifft
// CHECK-NOT: bfly.kernel
func.func private @forwards(%x: tensor<?x8x4xf32>) -> tensor<?x8x4xcomplex<f32>> {
  %f = bfly.fft %x : tensor<?x8x4xf32> -> tensor<?x8x4xcomplex<f32>>
  return %f : tensor<?x8x4xcomplex<f32>>
}
func.func private @backwards(%a: tensor<?x8x4xcomplex<f32>>) -> tensor<?x8x4xf32> {
  %y = bfly.ifft %a : tensor<?x8x4xcomplex<f32>> -> tensor<?x8x4xf32>
  return %y : tensor<?x8x4xf32>
}
func.func @filter(%x: tensor<?x8x4xf32>) -> tensor<?x8x4xf32> {
  %f = call @forwards(%x) : (tensor<?x8x4xf32>) -> tensor<?x8x4xcomplex<f32>>
  %a = bfly.spectrum_map %f tokens(8) : tensor<?x8x4xcomplex<f32>> -> tensor<?x8x4xcomplex<f32>> {
  ^bb0(%bin: complex<f32>, %k: index):
    %b = complex.mul %bin, %bin : complex<f32>
    bfly.yield %b : complex<f32>
  }
  %y = call @backwards(%a) : (tensor<?x8x4xcomplex<f32>>) -> tensor<?x8x4xf32>
  return %y : tensor<?x8x4xf32>
}
