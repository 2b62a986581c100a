// RUN: bfly-opt %s -split-input-file -bfly-set-target=target=sm_90a -bfly-convert-network-to-schedule | FileCheck %s
// RUN: bfly-opt %s -split-input-file -bfly-set-target=target=sm_90a -bfly-convert-network-to-schedule=remarks=true -o /dev/null 2>&1 | FileCheck %s --check-prefix=REMARK
// RUN: bfly-opt %s -split-input-file -bfly-convert-network-to-schedule | FileCheck %s --check-prefix=CPU


// Transforms that a library does are kernels of their own; the maps in between are one.
// CHECK-LABEL: func @filter
// CHECK: %[[F:.*]] = bfly.kernel "fft" (%{{.*}} = %{{.*}}) : (tensor<2x12x4xf32>) -> tensor<2x7x4xcomplex<f32>> {
// CHECK: attributes {bfly.unfused = "cuFFT transforms N = 12, which is no power of two"}
// CHECK: %[[A:.*]] = bfly.kernel "spectrum_map" (%{{.*}} = %[[F]]) : (tensor<2x7x4xcomplex<f32>>) -> tensor<2x7x4xcomplex<f32>> {
// CHECK-COUNT-2: bfly.spectrum_map
// CHECK: attributes {bfly.unfused = "cuFFT transforms N = 12, which is no power of two"}
// CHECK: bfly.kernel "ifft" (%{{.*}} = %[[A]]) : (tensor<2x7x4xcomplex<f32>>) -> tensor<2x12x4xf32> {
// CHECK: attributes {bfly.unfused = "cuFFT transforms N = 12, which is no power of two"}
// CHECK-NOT: bfly.kernel
// REMARK: remark: not fused: cuFFT transforms N = 12, which is no power of two
// CPU-LABEL: func @filter
// CPU-NEXT: bfly.kernel "spectral_filter"
// CPU-NOT: bfly.kernel
// CPU: return
func.func @filter(%x: tensor<2x12x4xf32>) -> tensor<2x12x4xf32> {
  %f = bfly.fft %x : tensor<2x12x4xf32> -> tensor<2x7x4xcomplex<f32>>
  %a = bfly.spectrum_map %f params() tokens(12) : tensor<2x7x4xcomplex<f32>> -> tensor<2x7x4xcomplex<f32>> {
  ^bb0(%bin: complex<f32>, %k: index):
    %0 = complex.mul %bin, %bin : complex<f32>
    bfly.yield %0 : complex<f32>
  }
  %b = bfly.spectrum_map %a params() tokens(12) : tensor<2x7x4xcomplex<f32>> -> tensor<2x7x4xcomplex<f32>> {
  ^bb0(%bin: complex<f32>, %k: index):
    %0 = complex.neg %bin : complex<f32>
    bfly.yield %0 : complex<f32>
  }
  %y = bfly.ifft %b : tensor<2x7x4xcomplex<f32>> -> tensor<2x12x4xf32>
  return %y : tensor<2x12x4xf32>
}

// -----

// Too long for one kernel; and no map, so no kernel between.
// CHECK-LABEL: func @long
// CHECK: bfly.kernel "fft"
// CHECK: attributes {bfly.unfused = "cuFFT transforms N = 131072, which is more than 65536"}
// CHECK: bfly.kernel "ifft"
// CHECK: attributes {bfly.unfused = "cuFFT transforms N = 131072, which is more than 65536"}
// CHECK-NOT: bfly.kernel
func.func @long(%x: tensor<2x131072x4xf32>) -> tensor<2x131072x4xcomplex<f32>> {
  %f = bfly.fft %x : tensor<2x131072x4xf32> -> tensor<2x131072x4xcomplex<f32>>
  %y = bfly.ifft %f : tensor<2x131072x4xcomplex<f32>> -> tensor<2x131072x4xcomplex<f32>>
  return %y : tensor<2x131072x4xcomplex<f32>>
}

// -----

// A map with a real result ends a filter; what cannot be one is a kernel an operation.
// CHECK-LABEL: func @spectra
// CHECK: bfly.kernel "fft"
// CHECK: bfly.kernel "spectrum_map" (%{{.*}} = %{{.*}}) : (tensor<2x12x4xcomplex<f32>>) -> tensor<2x12x4xf32>
// CHECK: attributes {bfly.unfused = "cuFFT transforms N = 12, which is no power of two"}
// CHECK: bfly.kernel "fft"
// CHECK: attributes {bfly.unfused = "cuFFT transforms N = 9, which is no power of two"}
// CHECK: bfly.kernel "spectrum_map"
// CHECK-NOT: bfly.unfused
// CHECK: return
func.func @spectra(%x: tensor<2x12x4xf32>, %z: tensor<2x9x4xf32>) -> (tensor<2x12x4xf32>, tensor<2x9x4xcomplex<f32>>, tensor<2x9x4xcomplex<f32>>) {
  %f = bfly.fft %x : tensor<2x12x4xf32> -> tensor<2x12x4xcomplex<f32>>
  %p = bfly.spectrum_map %f params() tokens(12) : tensor<2x12x4xcomplex<f32>> -> tensor<2x12x4xf32> {
  ^bb0(%bin: complex<f32>, %k: index):
    %0 = complex.abs %bin : complex<f32>
    bfly.yield %0 : f32
  }
  %g = bfly.fft %z : tensor<2x9x4xf32> -> tensor<2x9x4xcomplex<f32>>
  %a = bfly.spectrum_map %g params() tokens(9) : tensor<2x9x4xcomplex<f32>> -> tensor<2x9x4xcomplex<f32>> {
  ^bb0(%bin: complex<f32>, %k: index):
    %0 = complex.neg %bin : complex<f32>
    bfly.yield %0 : complex<f32>
  }
  return %p, %g, %a : tensor<2x12x4xf32>, tensor<2x9x4xcomplex<f32>>, tensor<2x9x4xcomplex<f32>>
}
