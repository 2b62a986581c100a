// RUN: bfly-opt %s -split-input-file -bfly-differentiate | FileCheck %s
// RUN: bfly-opt %s -split-input-file -bfly-differentiate=of=0 | FileCheck %s --check-prefix=FIRST

// The example of the pass's description: the forward stays.
// CHECK-LABEL: func.func @f(
// CHECK-LABEL: func.func @f_backward(
// CHECK-SAME: %[[X:.*]]: tensor<2x4xf32>, %[[G:.*]]: tensor<2x4xf32>) -> tensor<2x4xf32>
// CHECK-NEXT: %[[Y:.*]] = math.exp %[[X]]
// CHECK-NEXT: %[[GX:.*]] = arith.mulf %[[G]], %[[Y]]
// CHECK-NEXT: return %[[GX]]
func.func @f(%x: tensor<2x4xf32>) -> tensor<2x4xf32> {
  %y = math.exp %x : tensor<2x4xf32>
  return %y : tensor<2x4xf32>
}

// -----

// Inputs, then parameters; of a static product the rows' sum is a product too.
// CHECK-LABEL: func.func @linear_backward(
// CHECK-SAME: %[[X:.*]]: tensor<5x4xf32>, %[[G:.*]]: tensor<5x3xf32>) -> (tensor<5x4xf32>, tensor<3x4xf32>)
// CHECK: %[[W:.*]] = ml_program.global_load_const @w
// CHECK: %[[WT:.*]] = linalg.transpose ins(%[[W]]
// CHECK: %[[GX:.*]] = bfly.linear %[[G]], %[[WT]]
// CHECK: %[[GT:.*]] = linalg.transpose ins(%[[G]]
// CHECK: %[[XT:.*]] = linalg.transpose ins(%[[X]]
// CHECK: %[[GW:.*]] = bfly.linear %[[GT]], %[[XT]]
// CHECK: return %[[GX]], %[[GW]]
// FIRST-LABEL: func.func @linear_backward(
// FIRST-SAME: -> tensor<5x4xf32>
ml_program.global private @w(#ml_program.extern<tensor<3x4xf32>>) : tensor<3x4xf32>
func.func @linear(%x: tensor<5x4xf32>) -> tensor<5x3xf32> {
  %w = ml_program.global_load_const @w : tensor<3x4xf32>
  %y = bfly.linear %x, %w : tensor<5x4xf32>, tensor<3x4xf32> -> tensor<5x3xf32>
  return %y : tensor<5x3xf32>
}

// -----

// A region that treats k and N - k alike has half a spectrum, in whose sums the
// bins between count twice.
// CHECK-LABEL: func.func @filter_backward(
// CHECK-SAME: %[[X:.*]]: tensor<2x8x3xf32>, %[[P:.*]]: tensor<3xf32>, %[[G:.*]]: tensor<2x8x3xf32>)
// CHECK: %[[F:.*]] = bfly.fft %[[X]] : tensor<2x8x3xf32> -> tensor<2x5x3xcomplex<f32>>
// CHECK: %[[Y:.*]] = bfly.fft %[[G]] : tensor<2x8x3xf32> -> tensor<2x5x3xcomplex<f32>>
// CHECK: %[[PX:.*]] = bfly.spectrum_map %[[F]] params(%[[P]][channel] : tensor<3xf32>, %[[Y]][batch, bin, channel] : tensor<2x5x3xcomplex<f32>>) tokens(8)
// CHECK: %[[GX:.*]] = bfly.ifft %[[PX]]
// CHECK: %[[PP:.*]] = bfly.spectrum_map %[[F]]
// CHECK: %[[GP:.*]] = linalg.generic {{.*}} ins(%[[PP]]
// CHECK: return %[[GX]], %[[GP]]
func.func @filter(%x: tensor<2x8x3xf32>, %p: tensor<3xf32>) -> tensor<2x8x3xf32> {
  %y = bfly.spectral_filter %x params(%p[channel] : tensor<3xf32>) : tensor<2x8x3xf32> -> tensor<2x8x3xf32> {
  ^bb0(%bin: complex<f32>, %k: index, %w: f32):
    %zero = arith.constant 0.0 : f32
    %c = complex.create %w, %zero : complex<f32>
    %a = complex.mul %bin, %c : complex<f32>
    bfly.yield %a : complex<f32>
  }
  return %y : tensor<2x8x3xf32>
}
