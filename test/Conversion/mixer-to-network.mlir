// RUN: bfly-opt %s -split-input-file -bfly-convert-mixer-to-network | FileCheck %s

// The whole spectrum, whatever the input; the region moves as it is.
// CHECK-LABEL: func @filter
// CHECK-SAME: (%[[X:.*]]: tensor<2x8x4xf32>, %[[W:.*]]: tensor<2x4xf32>)
// CHECK: %[[F:.*]] = bfly.fft %[[X]] : tensor<2x8x4xf32> -> tensor<2x8x4xcomplex<f32>>
// CHECK: %[[A:.*]] = bfly.spectrum_map %[[F]] params(%[[W]][batch, channel] : tensor<2x4xf32>) tokens(8) : tensor<2x8x4xcomplex<f32>> -> tensor<2x8x4xcomplex<f32>> {
// CHECK-NEXT: ^bb0(%[[BIN:.*]]: complex<f32>, %{{.*}}: index, %[[P:.*]]: f32):
// CHECK: %[[C:.*]] = complex.create %[[P]], %[[P]]
// CHECK: %[[M:.*]] = complex.mul %[[BIN]], %[[C]]
// CHECK: bfly.yield %[[M]] : complex<f32>
// CHECK: %[[Y:.*]] = bfly.ifft %[[A]] : tensor<2x8x4xcomplex<f32>> -> tensor<2x8x4xf32>
// CHECK-NOT: bfly.spectral_filter
// CHECK: return %[[Y]]
func.func @filter(%x: tensor<2x8x4xf32>, %w: tensor<2x4xf32>) -> tensor<2x8x4xf32> {
  %y = bfly.spectral_filter %x params(%w[batch, channel] : tensor<2x4xf32>) : tensor<2x8x4xf32> -> tensor<2x8x4xf32> {
  ^bb0(%bin: complex<f32>, %k: index, %p: f32):
    %c = complex.create %p, %p : complex<f32>
    %m = complex.mul %bin, %c : complex<f32>
    bfly.yield %m : complex<f32>
  }
  return %y : tensor<2x8x4xf32>
}

// -----

// Storage types meet the transforms directly.
// CHECK-LABEL: func @filter_bf16
// CHECK: bfly.fft %{{.*}} : tensor<?x6x4xbf16> -> tensor<?x6x4xcomplex<f32>>
// CHECK: bfly.ifft %{{.*}} : tensor<?x6x4xcomplex<f32>> -> tensor<?x6x4xbf16>
func.func @filter_bf16(%x: tensor<?x6x4xbf16>) -> tensor<?x6x4xbf16> {
  %y = bfly.spectral_filter %x : tensor<?x6x4xbf16> -> tensor<?x6x4xbf16> {
  ^bb0(%bin: complex<f32>, %k: index):
    bfly.yield %bin : complex<f32>
  }
  return %y : tensor<?x6x4xbf16>
}

// -----

// CHECK-LABEL: func @filter_complex
// CHECK: bfly.fft %{{.*}} : tensor<1x5x4xcomplex<f64>> -> tensor<1x5x4xcomplex<f64>>
// CHECK: bfly.ifft %{{.*}} : tensor<1x5x4xcomplex<f64>> -> tensor<1x5x4xcomplex<f64>>
func.func @filter_complex(%x: tensor<1x5x4xcomplex<f64>>) -> tensor<1x5x4xcomplex<f64>> {
  %y = bfly.spectral_filter %x : tensor<1x5x4xcomplex<f64>> -> tensor<1x5x4xcomplex<f64>> {
  ^bb0(%bin: complex<f64>, %k: index):
    bfly.yield %bin : complex<f64>
  }
  return %y : tensor<1x5x4xcomplex<f64>>
}

// -----

// log2 N stages; the scale is 1/sqrt(dh) unless given.
// CHECK-LABEL: func @attention
// CHECK-SAME: (%[[X:.*]]: tensor<?x8x4xf32>, %[[Q:.*]]: tensor<3x4x4xf32>, %[[K:.*]]: tensor<3x4x4xf32>)
// CHECK-NEXT: %[[V1:.*]] = bfly.attention_stage %[[X]] weights(%[[Q]], %[[K]] : tensor<3x4x4xf32>, tensor<3x4x4xf32>) stage(0) heads(1) scale(5.000000e-01) definition : tensor<?x8x4xf32>
// CHECK-NEXT: %[[V2:.*]] = bfly.attention_stage %[[V1]] weights(%[[Q]], %[[K]] {{.*}}) stage(1) heads(1) scale(5.000000e-01) definition
// CHECK-NEXT: %[[V3:.*]] = bfly.attention_stage %[[V2]] weights(%[[Q]], %[[K]] {{.*}}) stage(2) heads(1) scale(5.000000e-01) definition
// CHECK-NEXT: return %[[V3]]
func.func @attention(%x: tensor<?x8x4xf32>, %q: tensor<3x4x4xf32>, %k: tensor<3x4x4xf32>) -> tensor<?x8x4xf32> {
  %y = bfly.butterfly_attention %x, %q, %k heads(1) : tensor<?x8x4xf32>, tensor<3x4x4xf32>
  return %y : tensor<?x8x4xf32>
}

// -----

// Padding in the storage type, stages in the compute type, and back.
// CHECK-LABEL: func @attention_padded
// CHECK-SAME: (%[[X:.*]]: tensor<?x5x4xbf16>, %[[W:.*]]: tensor<1x2x2x2xbf16>)
// CHECK-DAG: %[[ZERO:.*]] = arith.constant 0.000000e+00 : bf16
// CHECK: %[[P:.*]] = tensor.pad %[[X]] low[0, 0, 0] high[0, 3, 0]
// CHECK: tensor.yield %[[ZERO]]
// CHECK: tensor<?x5x4xbf16> to tensor<?x8x4xbf16>
// CHECK: %[[V0:.*]] = arith.extf %[[P]] : tensor<?x8x4xbf16> to tensor<?x8x4xf32>
// CHECK-COUNT-3: bfly.attention_stage %{{.*}} heads(2) scale(2.500000e-01) definition : tensor<?x8x4xf32>
// CHECK: %[[T:.*]] = arith.truncf %{{.*}} : tensor<?x8x4xf32> to tensor<?x8x4xbf16>
// CHECK: %[[B:.*]] = tensor.dim %[[X]], %{{.*}} : tensor<?x5x4xbf16>
// CHECK: %[[Y:.*]] = tensor.extract_slice %[[T]][0, 0, 0] [%[[B]], 5, 4] [1, 1, 1] : tensor<?x8x4xbf16> to tensor<?x5x4xbf16>
// CHECK: return %[[Y]]
func.func @attention_padded(%x: tensor<?x5x4xbf16>, %w: tensor<1x2x2x2xbf16>) -> tensor<?x5x4xbf16> {
  %y = bfly.butterfly_attention %x, %w, %w heads(2) scale(0.25) : tensor<?x5x4xbf16>, tensor<1x2x2x2xbf16>
  return %y : tensor<?x5x4xbf16>
}

// -----

// One token has no partner.
// CHECK-LABEL: func @attention_one
// CHECK-SAME: (%[[X:.*]]: tensor<2x1x4xf64>
// CHECK-NEXT: return %[[X]]
func.func @attention_one(%x: tensor<2x1x4xf64>, %w: tensor<1x4x4xf64>) -> tensor<2x1x4xf64> {
  %y = bfly.butterfly_attention %x, %w, %w heads(1) : tensor<2x1x4xf64>, tensor<1x4x4xf64>
  return %y : tensor<2x1x4xf64>
}
