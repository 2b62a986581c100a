// RUN: bfly-opt %s --pass-pipeline='builtin.module(bfly-set-target{target=sm_90a},func.func(bfly-choose-plan))' -split-input-file -verify-diagnostics | FileCheck %s

// A plan that fits is kept.
// CHECK-LABEL: func @kept
// CHECK: plan [#bfly.gpu_block<threads = 64>, #bfly.hadamard<rows = 4, channels = 3, radix = 2>]
func.func @kept(%x: tensor<4x16x5xf64>) -> tensor<4x16x5xf64> {
  %y = bfly.kernel "hadamard" (%a = %x) plan [#bfly.gpu_block<threads = 64>, #bfly.hadamard<rows = 4, channels = 3, radix = 2>] : (tensor<4x16x5xf64>) -> tensor<4x16x5xf64> {
    %h = bfly.hadamard %a : tensor<4x16x5xf64>
    bfly.yield %h : tensor<4x16x5xf64>
  }
  return %y : tensor<4x16x5xf64>
}

// -----

func.func @rows(%x: tensor<4x16x5xf32>) -> tensor<4x16x5xf32> {
  // expected-error @below {{(P1) rows must be at most the 16 tokens}}
  %y = bfly.kernel "hadamard" (%a = %x) plan [#bfly.gpu_block<threads = 64>, #bfly.hadamard<rows = 32, channels = 5, radix = 2>] : (tensor<4x16x5xf32>) -> tensor<4x16x5xf32> {
    %h = bfly.hadamard %a : tensor<4x16x5xf32>
    bfly.yield %h : tensor<4x16x5xf32>
  }
  return %y : tensor<4x16x5xf32>
}

// -----

func.func @shared(%x: tensor<4x4096x16xf32>) -> tensor<4x4096x16xf32> {
  // expected-error @below {{(P4) a slab takes 278528 bytes of a block's 228352 bytes of shared memory}}
  %y = bfly.kernel "hadamard" (%a = %x) plan [#bfly.gpu_block<threads = 64>, #bfly.hadamard<rows = 4096, channels = 16, radix = 16>] : (tensor<4x4096x16xf32>) -> tensor<4x4096x16xf32> {
    %h = bfly.hadamard %a : tensor<4x4096x16xf32>
    bfly.yield %h : tensor<4x4096x16xf32>
  }
  return %y : tensor<4x4096x16xf32>
}

// -----

func.func @unplanned(%x: tensor<4x16x5xf32>) -> tensor<4x16x5xf32> {
  // expected-error @below {{says nothing of the Hadamard transforms on "sm_90a": it must have a #bfly.hadamard}}
  %y = bfly.kernel "hadamard" (%a = %x) plan [#bfly.gpu_block<threads = 64>] : (tensor<4x16x5xf32>) -> tensor<4x16x5xf32> {
    %h = bfly.hadamard %a : tensor<4x16x5xf32>
    bfly.yield %h : tensor<4x16x5xf32>
  }
  return %y : tensor<4x16x5xf32>
}
