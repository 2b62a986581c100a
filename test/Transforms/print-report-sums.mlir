// RUN: bfly-opt %s -bfly-print-report="remarks=false file=-" -o /dev/null 2>&1 | FileCheck %s

// Two transforms, a map of both with a sum over bins, and an inverse: a filter's derivative. It reads two sequences and writes one, 3 (2 8 4 4) bytes,
// and 2 4 sums of 4. A real channel's transform is 2.5 8 3 = 60 flops, and there are 3 of 8 channels; of 5 bins each the map multiplies, 6, and adds a
// term, 1. On chip are both spectra: 2 slabs of 8 rows of 16 complex numbers.
// CHECK: "bytes": 800,
// CHECK: "flops": 1720,
// CHECK: "flops": 480,
// CHECK: "name": "bfly.fft",
// CHECK: "flops": 480,
// CHECK: "name": "bfly.fft",
// CHECK: "flops": 280,
// CHECK: "name": "bfly.spectrum_map",
// CHECK: "flops": 480,
// CHECK: "name": "bfly.ifft",
// CHECK: "state": [
// CHECK-NEXT: {
// CHECK-NEXT: "bytes": 2048,
func.func @derivative(%g: tensor<2x8x4xf32>, %x: tensor<2x8x4xf32>) -> (tensor<2x8x4xf32>, tensor<2x4xf32>) {
  %y:2 = bfly.kernel "filter" (%a = %g, %b = %x) plan [#bfly.cpu_transform<channels = 32, radices = [8], groups = [<0 to 0 in slab>]>] : (tensor<2x8x4xf32>, tensor<2x8x4xf32>) -> (tensor<2x8x4xf32>, tensor<2x4xf32>) {
    %f = bfly.fft %a : tensor<2x8x4xf32> -> tensor<2x5x4xcomplex<f32>>
    %h = bfly.fft %b : tensor<2x8x4xf32> -> tensor<2x5x4xcomplex<f32>>
    %p, %s = bfly.spectrum_map %f params(%h[batch, bin, channel] : tensor<2x5x4xcomplex<f32>>) tokens(8) : tensor<2x5x4xcomplex<f32>> -> tensor<2x5x4xcomplex<f32>> sums(tensor<2x4xf32>) {
    ^bb0(%bin: complex<f32>, %k: index, %other: complex<f32>):
      %m = complex.mul %bin, %other : complex<f32>
      %t = complex.re %m : complex<f32>
      bfly.yield %m, %t : complex<f32>, f32
    }
    %r = bfly.ifft %p : tensor<2x5x4xcomplex<f32>> -> tensor<2x8x4xf32>
    bfly.yield %r, %s : tensor<2x8x4xf32>, tensor<2x4xf32>
  }
  return %y#0, %y#1 : tensor<2x8x4xf32>, tensor<2x4xf32>
}
