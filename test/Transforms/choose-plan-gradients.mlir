// RUN: bfly-opt %s --pass-pipeline='builtin.module(bfly-set-target{target=sm_90a},func.func(bfly-choose-plan))' -split-input-file -verify-diagnostics | FileCheck %s

// Of 16 bits five steps of the second product, which has three parts of a pair, fit in the ring.
// CHECK-LABEL: func @stage
func.func @stage(%v: tensor<1x64x512xbf16>, %g: tensor<1x64x512xf32>, %w: tensor<6x512x512xbf16>) -> tensor<1x64x512xf32> {
  // CHECK: plan [#bfly.gpu_block<threads = 256>, #bfly.gpu_grid_attention<columns = 128, heads = 8, depth = 32, slots = 4>]
  %y = bfly.kernel "stage" (%a = %v, %b = %g, %c = %w) : (tensor<1x64x512xbf16>, tensor<1x64x512xf32>, tensor<6x512x512xbf16>) -> tensor<1x64x512xf32> {
    %r:3 = bfly.attention_stage_backward %a, %b weights(%c, %c : tensor<6x512x512xbf16>) stage(3) heads(8) scale(1.0) : tensor<1x64x512xbf16>, tensor<1x64x512xf32> -> tensor<1x64x512xf32>
    bfly.yield %r#0 : tensor<1x64x512xf32>
  }
  return %y : tensor<1x64x512xf32>
}

// -----

// A plan that fits is kept.
// CHECK-LABEL: func @kept
func.func @kept(%v: tensor<1x4x8xf32>, %w: tensor<2x8x8xf32>) -> tensor<1x4x8xf32> {
  // CHECK: plan [#bfly.gpu_block<threads = 128>, #bfly.gpu_grid_attention<columns = 8, heads = 1, depth = 16, slots = 2>]
  %y = bfly.kernel "stage" (%a = %v, %c = %w) plan [#bfly.gpu_block<threads = 128>, #bfly.gpu_grid_attention<columns = 8, heads = 1, depth = 16, slots = 2>] : (tensor<1x4x8xf32>, tensor<2x8x8xf32>) -> tensor<1x4x8xf32> {
    %r:3 = bfly.attention_stage_backward %a, %a weights(%c, %c : tensor<2x8x8xf32>) stage(1) heads(2) scale(1.0) : tensor<1x4x8xf32>, tensor<1x4x8xf32> -> tensor<1x4x8xf32>
    bfly.yield %r#0 : tensor<1x4x8xf32>
  }
  return %y : tensor<1x4x8xf32>
}

// -----

func.func @threads(%v: tensor<1x4x8xf32>, %w: tensor<2x8x8xf32>) -> tensor<1x4x8xf32> {
  // expected-error @below {{(P2)}}
  %y = bfly.kernel "stage" (%a = %v, %c = %w) plan [#bfly.gpu_block<threads = 64>, #bfly.gpu_grid_attention<columns = 8, heads = 1, depth = 16, slots = 2>] : (tensor<1x4x8xf32>, tensor<2x8x8xf32>) -> tensor<1x4x8xf32> {
    %r:3 = bfly.attention_stage_backward %a, %a weights(%c, %c : tensor<2x8x8xf32>) stage(1) heads(2) scale(1.0) : tensor<1x4x8xf32>, tensor<1x4x8xf32> -> tensor<1x4x8xf32>
    bfly.yield %r#0 : tensor<1x4x8xf32>
  }
  return %y : tensor<1x4x8xf32>
}

// -----

// Stages in a block's shared memory are the forward's.
func.func @in_a_block(%v: tensor<1x2x64xf32>, %w: tensor<1x1x64x64xf32>) -> tensor<1x2x64xf32> {
  // expected-error @below {{(P1) all stages of one network are needed}}
  %y = bfly.kernel "stage" (%a = %v, %c = %w) plan [#bfly.gpu_block<threads = 256>, #bfly.gpu_block_attention<tokens = 256, groups = [<0 to 0 in shared>]>] : (tensor<1x2x64xf32>, tensor<1x1x64x64xf32>) -> tensor<1x2x64xf32> {
    %r:3 = bfly.attention_stage_backward %a, %a weights(%c, %c : tensor<1x1x64x64xf32>) stage(0) heads(1) scale(1.0) : tensor<1x2x64xf32>, tensor<1x2x64xf32> -> tensor<1x2x64xf32>
    bfly.yield %r#0 : tensor<1x2x64xf32>
  }
  return %y : tensor<1x2x64xf32>
}

// -----

func.func @two(%v: tensor<1x2x8xf32>, %w: tensor<1x8x8xf32>) -> tensor<1x2x8xf32> {
  // expected-error @below {{holds the derivative of a stage of attention beside other stages; it must be a kernel of its own}}
  %y = bfly.kernel "two" (%a = %v, %c = %w) plan [#bfly.gpu_block<threads = 128>, #bfly.gpu_grid_attention<columns = 8, heads = 1, depth = 16, slots = 2>] : (tensor<1x2x8xf32>, tensor<1x8x8xf32>) -> tensor<1x2x8xf32> {
    %r:3 = bfly.attention_stage_backward %a, %a weights(%c, %c : tensor<1x8x8xf32>) stage(0) heads(2) scale(1.0) : tensor<1x2x8xf32>, tensor<1x2x8xf32> -> tensor<1x2x8xf32>
    %s:3 = bfly.attention_stage_backward %a, %r#0 weights(%c, %c : tensor<1x8x8xf32>) stage(0) heads(2) scale(1.0) : tensor<1x2x8xf32>, tensor<1x2x8xf32> -> tensor<1x2x8xf32>
    bfly.yield %s#0 : tensor<1x2x8xf32>
  }
  return %y : tensor<1x2x8xf32>
}

// -----

// Sums over many rows are cuBLASLt's, and so are those of many heads.
// CHECK-LABEL: func @rows
func.func @rows(%v: tensor<?x1024x64xbf16>) -> (tensor<64x64xf32>, tensor<2x32x32xbf16>) {
  // CHECK: plan [#bfly.library<name = "cuBLASLt">]
  %y = bfly.kernel "rows" (%a = %v) : (tensor<?x1024x64xbf16>) -> tensor<64x64xf32> {
    %r = bfly.row_product %a, %a : tensor<?x1024x64xbf16>, tensor<?x1024x64xbf16> -> tensor<64x64xf32>
    bfly.yield %r : tensor<64x64xf32>
  }
  // CHECK: plan [#bfly.gpu_block<threads = 256>, #bfly.gpu_rows<rows = 256>]
  %z = bfly.kernel "rows" (%a = %v) : (tensor<?x1024x64xbf16>) -> tensor<2x32x32xbf16> {
    %r = bfly.row_product %a, %a heads(2) : tensor<?x1024x64xbf16>, tensor<?x1024x64xbf16> -> tensor<2x32x32xbf16>
    bfly.yield %r : tensor<2x32x32xbf16>
  }
  return %y, %z : tensor<64x64xf32>, tensor<2x32x32xbf16>
}

// -----

func.func @f64(%v: tensor<2x1024x64xf64>) -> tensor<64x64xf64> {
  // expected-error @below {{(P1) name = "cuBLASLt": it does one bfly.linear without relu, or one bfly.row_product, not of f64, with rows of multiples of 16 bytes}}
  %y = bfly.kernel "rows" (%a = %v) plan [#bfly.library<name = "cuBLASLt">] : (tensor<2x1024x64xf64>) -> tensor<64x64xf64> {
    %r = bfly.row_product %a, %a : tensor<2x1024x64xf64>, tensor<2x1024x64xf64> -> tensor<64x64xf64>
    bfly.yield %r : tensor<64x64xf64>
  }
  return %y : tensor<64x64xf64>
}

// -----

func.func @dense(%v: tensor<2x1024x64xf64>) -> tensor<64x64xf64> {
  // expected-error @below {{says nothing of the sums over rows on "sm_90a": it must have a #bfly.gpu_rows or #bfly.library}}
  %y = bfly.kernel "rows" (%a = %v) plan [#bfly.gpu_block<threads = 256>, #bfly.gpu_dense<rows = 16, depth = 16>] : (tensor<2x1024x64xf64>) -> tensor<64x64xf64> {
    %r = bfly.row_product %a, %a : tensor<2x1024x64xf64>, tensor<2x1024x64xf64> -> tensor<64x64xf64>
    bfly.yield %r : tensor<64x64xf64>
  }
  return %y : tensor<64x64xf64>
}
