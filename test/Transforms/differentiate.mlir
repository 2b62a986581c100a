// RUN: bfly-opt %s -split-input-file -bfly-differentiate | FileCheck %s
// RUN: bfly-opt %s -split-input-file -bfly-differentiate=of=0 | FileCheck %s --check-prefix=FIRST
// RUN: bfly-opt %s -split-input-file -bfly-differentiate=save=true | FileCheck %s --check-prefix=SAVE

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

// Inputs, then parameters; the sum over the rows is an operation.
// CHECK-LABEL: func.func @linear_backward(
// CHECK-SAME: %[[X:.*]]: tensor<5x4xf32>, %[[G:.*]]: tensor<5x3xf32>) -> (tensor<5x4xf32>, tensor<3x4xf32>)
// CHECK: %[[W:.*]] = ml_program.global_load_const @w
// CHECK: %[[WT:.*]] = linalg.transpose ins(%[[W]]
// CHECK: %[[GX:.*]] = bfly.linear %[[G]], %[[WT]]
// CHECK: %[[GW:.*]] = bfly.row_product %[[G]], %[[X]] : tensor<5x3xf32>, tensor<5x4xf32> -> tensor<3x4xf32>
// CHECK: return %[[GX]], %[[GW]]
// SAVE-LABEL: func.func @linear_forward(
// SAVE-SAME: -> tensor<5x3xf32>
// SAVE: bfly.linear
// FIRST-LABEL: func.func @linear_backward(
// FIRST-SAME: -> tensor<5x4xf32>
ml_program.global private @w(#ml_program.extern<tensor<3x4xf32>>) : tensor<3x4xf32>
func.func @linear(%x: tensor<5x4xf32>) -> tensor<5x3xf32> {
  %w = ml_program.global_load_const @w : tensor<3x4xf32>
  %y = bfly.linear %x, %w : tensor<5x4xf32>, tensor<3x4xf32> -> tensor<5x3xf32>
  return %y : tensor<5x3xf32>
}

// -----

// A region that treats k and N - k alike has half a spectrum. One map of the
// gradient's, with that of x beside it, has the gradient's bins and, for a sum
// over them, the terms of the parameter's.
// CHECK-LABEL: func.func @filter_backward(
// CHECK-SAME: %[[X:.*]]: tensor<2x8x3xf32>, %[[P:.*]]: tensor<3xf32>, %[[G:.*]]: tensor<2x8x3xf32>)
// CHECK: %[[Y:.*]] = bfly.fft %[[G]] : tensor<2x8x3xf32> -> tensor<2x5x3xcomplex<f32>>
// CHECK: %[[F:.*]] = bfly.fft %[[X]] : tensor<2x8x3xf32> -> tensor<2x5x3xcomplex<f32>>
// CHECK: %[[PX:.*]], %[[S:.*]] = bfly.spectrum_map %[[Y]] params(%[[P]][channel] : tensor<3xf32>, %[[F]][batch, bin, channel] : tensor<2x5x3xcomplex<f32>>) tokens(8) : tensor<2x5x3xcomplex<f32>> -> tensor<2x5x3xcomplex<f32>> sums(tensor<2x3xf32>) {
// CHECK-NEXT: ^bb0(%[[BY:.*]]: complex<f32>, %{{.*}}: index, %[[BP:.*]]: f32, %[[BF:.*]]: complex<f32>):
// CHECK: %[[C:.*]] = complex.create %[[BP]]
// CHECK: %[[CC:.*]] = complex.conj %[[C]]
// CHECK: %[[B:.*]] = complex.mul %[[BY]], %[[CC]]
// CHECK: %[[CF:.*]] = complex.conj %[[BF]]
// CHECK: %[[T:.*]] = complex.mul %[[BY]], %[[CF]]
// CHECK: %[[R:.*]] = complex.re %[[T]]
// CHECK: bfly.yield %[[B]], %[[R]] : complex<f32>, f32
// CHECK: %[[GX:.*]] = bfly.ifft %[[PX]]
// CHECK: %[[GP:.*]] = linalg.generic {{.*}} ins(%[[S]]
// CHECK: return %[[GX]], %[[GP]]
// Without the parameter's nothing depends on x.
// FIRST-LABEL: func.func @filter_backward(
// FIRST-SAME: %[[X:.*]]: tensor<2x8x3xf32>, %[[P:.*]]: tensor<3xf32>, %[[G:.*]]: tensor<2x8x3xf32>)
// FIRST: %[[Y:.*]] = bfly.fft %[[G]]
// FIRST-NOT: bfly.fft
// FIRST: bfly.spectrum_map %[[Y]] params(%[[P]][channel] : tensor<3xf32>) tokens(8)
// FIRST: bfly.ifft
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

// -----

// A stage's derivative is one operation, on the state that goes into it, stored as the input is; between stages the
// gradient is in f32. Shared weights have the sum of the stages' gradients, rounded once; tokens of padding count in it.
// CHECK-LABEL: func.func @attention_backward(
// CHECK-SAME: %[[X:.*]]: tensor<?x3x4xbf16>, %[[Q:.*]]: tensor<1x2x2xbf16>, %[[K:.*]]: tensor<1x2x2xbf16>, %[[G:.*]]: tensor<?x3x4xbf16>)
// CHECK-SAME: -> (tensor<?x3x4xbf16>, tensor<1x2x2xbf16>, tensor<1x2x2xbf16>)
// CHECK: %[[V0:.*]] = tensor.pad %[[X]]
// CHECK: %[[W0:.*]] = arith.extf %[[V0]]
// CHECK: %[[W1:.*]] = bfly.attention_stage %[[W0]] weights(%[[Q]], %[[K]] {{.*}}) stage(0) heads(2)
// CHECK: %[[V1:.*]] = arith.truncf %[[W1]]
// CHECK: %[[G2:.*]] = tensor.pad %[[G]]
// CHECK: %[[G1:.*]], %[[DQ1:.*]], %[[DK1:.*]] = bfly.attention_stage_backward %[[V1]], %[[G2]] weights(%[[Q]], %[[K]] : tensor<1x2x2xbf16>) stage(1) heads(2)
// CHECK-SAME: : tensor<?x4x4xbf16>, tensor<?x4x4xbf16> -> tensor<?x4x4xf32>
// CHECK: %[[R:.*]] = tensor.expand_shape %[[DQ1]]
// CHECK: %[[V:.*]] = tensor.expand_shape %[[V1]]
// CHECK: bfly.row_product %[[R]], %[[V]] : tensor<?x4x2x2xbf16>, tensor<?x4x2x2xbf16> -> tensor<2x2xf32>
// CHECK: bfly.row_product {{.*}} -> tensor<2x2xf32>
// CHECK: %[[G0:.*]], %[[DQ0:.*]], %[[DK0:.*]] = bfly.attention_stage_backward %[[V0]], %[[G1]] {{.*}} stage(0) heads(2)
// CHECK-SAME: : tensor<?x4x4xbf16>, tensor<?x4x4xf32> -> tensor<?x4x4xbf16>
// CHECK-COUNT-2: bfly.row_product
// CHECK: %[[GQ:.*]] = arith.addf
// CHECK: arith.truncf %[[GQ]] : tensor<1x2x2xf32> to tensor<1x2x2xbf16>
// CHECK: %[[GX:.*]] = tensor.extract_slice %[[G0]]
// CHECK: return %[[GX]]
// With a forward function that saves, the state between the stages is its last result, as it is stored, and what the
// backward function takes after the gradient of the result; the input is padded again.
// SAVE-LABEL: func.func @attention_forward(
// SAVE-SAME: %[[X:.*]]: tensor<?x3x4xbf16>, %[[Q:.*]]: tensor<1x2x2xbf16>, %[[K:.*]]: tensor<1x2x2xbf16>)
// SAVE-SAME: -> (tensor<?x3x4xbf16>, tensor<?x4x4xbf16>)
// SAVE: bfly.attention_stage {{.*}} stage(0)
// SAVE: %[[V1:.*]] = arith.truncf
// SAVE: bfly.attention_stage {{.*}} stage(1)
// SAVE: %[[Y:.*]] = tensor.extract_slice
// SAVE-NOT: bfly.butterfly_attention
// SAVE: return %[[Y]], %[[V1]]
// SAVE-LABEL: func.func @attention_backward(
// SAVE-SAME: %{{.*}}: tensor<?x3x4xbf16>, %{{.*}}: tensor<1x2x2xbf16>, %{{.*}}: tensor<1x2x2xbf16>, %{{.*}}: tensor<?x3x4xbf16>, %[[S:.*]]: tensor<?x4x4xbf16>)
// SAVE-NOT: bfly.attention_stage {{.*}} stage
// SAVE: bfly.attention_stage_backward %[[S]]
// SAVE: bfly.attention_stage_backward
// FIRST-LABEL: func.func @attention_backward(
// FIRST-NOT: bfly.row_product
// FIRST: return
func.func @attention(%x: tensor<?x3x4xbf16>, %q: tensor<1x2x2xbf16>, %k: tensor<1x2x2xbf16>) -> tensor<?x3x4xbf16> {
  %y = bfly.butterfly_attention %x, %q, %k heads(2) : tensor<?x3x4xbf16>, tensor<1x2x2xbf16>
  return %y : tensor<?x3x4xbf16>
}

// -----

// Weights per head of each stage: sums for each head, and the stages' one after another.
// CHECK-LABEL: func.func @per_head_backward(
// CHECK-COUNT-2: bfly.attention_stage_backward
// CHECK: %[[S:.*]] = bfly.row_product {{.*}} heads(2) : tensor<2x4x4xf32>, tensor<2x4x4xf32> -> tensor<2x2x2xf32>
// CHECK: %[[ONE:.*]] = tensor.expand_shape %[[S]] {{\[\[}}0, 1], [2], [3]{{\]}} output_shape [1, 2, 2, 2]
// CHECK: tensor.concat dim(0) %[[ONE]], %{{.*}} : (tensor<1x2x2x2xf32>, tensor<1x2x2x2xf32>) -> tensor<2x2x2x2xf32>
func.func @per_head(%x: tensor<2x4x4xf32>, %q: tensor<2x2x2x2xf32>, %k: tensor<2x2x2x2xf32>) -> tensor<2x4x4xf32> {
  %y = bfly.butterfly_attention %x, %q, %k heads(2) : tensor<2x4x4xf32>, tensor<2x2x2x2xf32>
  return %y : tensor<2x4x4xf32>
}

// -----

// What transposes itself.
// CHECK-LABEL: func.func @hadamard_backward(
// CHECK-SAME: %{{.*}}: tensor<?x8x3xf32>, %[[G:.*]]: tensor<?x8x3xf32>)
// CHECK-NEXT: %[[GX:.*]] = bfly.hadamard %[[G]] orthonormal
// CHECK-NEXT: return %[[GX]]
func.func @hadamard(%x: tensor<?x8x3xf32>) -> tensor<?x8x3xf32> {
  %y = bfly.hadamard %x orthonormal : tensor<?x8x3xf32>
  return %y : tensor<?x8x3xf32>
}

// -----

// A structured operation has the same loops; those that the operand has not are
// summed over. A number's gradient is a tensor.
// CHECK-DAG: #[[ROW:.*]] = affine_map<(d0, d1) -> (d1)>
// CHECK-DAG: #[[COLUMN:.*]] = affine_map<(d0, d1) -> (d0)>
// CHECK-LABEL: func.func @structured_backward(
// CHECK-SAME: %[[X:.*]]: tensor<3xf32>, %[[S:.*]]: f32, %[[G:.*]]: tensor<2xf32>) -> (tensor<3xf32>, tensor<f32>)
// CHECK: linalg.generic {indexing_maps = [#[[ROW]], #[[COLUMN]], #[[ROW]]], iterator_types = ["reduction", "parallel"]} ins(%[[X]], %[[G]]
// CHECK: math.cos
// CHECK: return %{{.*}}, %{{.*}} : tensor<3xf32>, tensor<f32>
func.func @structured(%x: tensor<3xf32>, %s: f32) -> tensor<2xf32> {
  %zero = tensor.splat %s : tensor<2xf32>
  %y = linalg.generic {indexing_maps = [affine_map<(i, j) -> (j)>, affine_map<(i, j) -> (i)>],
      iterator_types = ["parallel", "reduction"]} ins(%x : tensor<3xf32>) outs(%zero : tensor<2xf32>) {
    ^bb0(%a: f32, %sum: f32):
      %b = math.sin %a : f32
      %c = arith.addf %sum, %b : f32
      linalg.yield %c : f32
  } -> tensor<2xf32>
  return %y : tensor<2xf32>
}

// -----

// A stage alone has a gradient for its own matrix, and zeros for the others.
// CHECK-LABEL: func.func @stage_backward(
// CHECK-SAME: %[[V:.*]]: tensor<1x4x2xf32>, %[[W:.*]]: tensor<2x2x2xf32>, %[[G:.*]]: tensor<1x4x2xf32>)
// CHECK: tensor.insert_slice %{{.*}} into %{{.*}}[1, 0, 0] [1, 2, 2] [1, 1, 1] : tensor<1x2x2xf32> into tensor<2x2x2xf32>
func.func @stage(%v: tensor<1x4x2xf32>, %w: tensor<2x2x2xf32>) -> tensor<1x4x2xf32> {
  %u = bfly.attention_stage %v weights(%w, %w : tensor<2x2x2xf32>, tensor<2x2x2xf32>) stage(1) heads(1) scale(1.0) chained : tensor<1x4x2xf32>
  return %u : tensor<1x4x2xf32>
}
