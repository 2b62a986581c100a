// RUN: bfly-opt %s --pass-pipeline='builtin.module(bfly-set-target{target=sm_90a},func.func(bfly-choose-plan))' -split-input-file -verify-diagnostics | FileCheck %s

// Two real channels share a complex transform; rows are 4 of those wide, 32 bytes of f32. One block a multiprocessor: it
// has more threads.
// CHECK-LABEL: func @one_block
func.func @one_block(%x: tensor<8x4096x768xf32>) -> tensor<8x4096x768xf32> {
  // CHECK: plan <machine = "sm_90a", lanes = 4, tile = 8, radices = [16, 16, 16], groups = [<0 to 2 in shared>], parallel = "tile", threads = 512>
  %y = bfly.kernel "filter" (%a = %x) : (tensor<8x4096x768xf32>) -> tensor<8x4096x768xf32> {
    %f = bfly.fft %a : tensor<8x4096x768xf32> -> tensor<8x2049x768xcomplex<f32>>
    %r = bfly.ifft %f : tensor<8x2049x768xcomplex<f32>> -> tensor<8x4096x768xf32>
    bfly.yield %r : tensor<8x4096x768xf32>
  }
  return %y : tensor<8x4096x768xf32>
}

// -----

// Shorter: wider rows.
// CHECK-LABEL: func @short
func.func @short(%x: tensor<64x256x768xf32>) -> tensor<64x256x768xf32> {
  // CHECK: lanes = 32, tile = 64, radices = [16, 16], groups = [<0 to 1 in shared>], parallel = "tile", threads = 256>
  %y = bfly.kernel "filter" (%a = %x) : (tensor<64x256x768xf32>) -> tensor<64x256x768xf32> {
    %f = bfly.fft %a : tensor<64x256x768xf32> -> tensor<64x129x768xcomplex<f32>>
    %r = bfly.ifft %f : tensor<64x129x768xcomplex<f32>> -> tensor<64x256x768xf32>
    bfly.yield %r : tensor<64x256x768xf32>
  }
  return %y : tensor<64x256x768xf32>
}

// -----

// A slab that fits in no block: the first pass goes through memory, the others have a pair of its sub-transforms.
// CHECK-LABEL: func @long
func.func @long(%x: tensor<1x65536x64xf32>) -> tensor<1x65536x64xf32> {
  // CHECK: lanes = 2, tile = 4, radices = [16, 16, 16, 16], groups = [<0 to 0 in memory>, <1 to 3 in shared>], parallel = "tile", threads = 512>
  %y = bfly.kernel "filter" (%a = %x) : (tensor<1x65536x64xf32>) -> tensor<1x65536x64xf32> {
    %f = bfly.fft %a : tensor<1x65536x64xf32> -> tensor<1x32769x64xcomplex<f32>>
    %r = bfly.ifft %f : tensor<1x32769x64xcomplex<f32>> -> tensor<1x65536x64xf32>
    bfly.yield %r : tensor<1x65536x64xf32>
  }
  return %y : tensor<1x65536x64xf32>
}

// -----

// CHECK-LABEL: func @no_network
func.func @no_network(%x: tensor<4x60x64xf32>) -> tensor<4x64xf32> {
  // CHECK: radices = [], groups = [], parallel = "tile", threads = 256>
  %y = bfly.kernel "mean" (%a = %x) : (tensor<4x60x64xf32>) -> tensor<4x64xf32> {
    %r = bfly.mean %a : tensor<4x60x64xf32> -> tensor<4x64xf32>
    bfly.yield %r : tensor<4x64xf32>
  }
  return %y : tensor<4x64xf32>
}

// -----

// A plan that somebody wrote is kept.
// CHECK-LABEL: func @overridden
func.func @overridden(%x: tensor<4x256x64xf32>) -> tensor<4x256x64xf32> {
  // CHECK: radices = [16, 4, 4], groups = [<0 to 0 in memory>, <1 to 2 in shared>], parallel = "tile", threads = 128>
  %y = bfly.kernel "filter" (%a = %x) plan <machine = "sm_90a", lanes = 4, tile = 8, radices = [16, 4, 4], groups = [<0 to 0 in memory>, <1 to 2 in shared>], parallel = "tile", threads = 128> : (tensor<4x256x64xf32>) -> tensor<4x256x64xf32> {
    %f = bfly.fft %a : tensor<4x256x64xf32> -> tensor<4x129x64xcomplex<f32>>
    %r = bfly.ifft %f : tensor<4x129x64xcomplex<f32>> -> tensor<4x256x64xf32>
    bfly.yield %r : tensor<4x256x64xf32>
  }
  return %y : tensor<4x256x64xf32>
}

// -----

func.func @no_threads(%x: tensor<4x8x64xf32>) -> tensor<4x64xf32> {
  // expected-error @below {{has a plan without threads}}
  %y = bfly.kernel "mean" (%a = %x) plan <machine = "sm_90a", lanes = 4, tile = 8, radices = [], groups = [], parallel = "tile"> : (tensor<4x8x64xf32>) -> tensor<4x64xf32> {
    %r = bfly.mean %a : tensor<4x8x64xf32> -> tensor<4x64xf32>
    bfly.yield %r : tensor<4x64xf32>
  }
  return %y : tensor<4x64xf32>
}

// -----

func.func @too_large(%x: tensor<4x4096x64xf32>) -> tensor<4x4096x64xf32> {
  // expected-error @below {{has a plan whose slab of 278528 bytes does not fit in a block's 228352 bytes of shared memory}}
  %y = bfly.kernel "filter" (%a = %x) plan <machine = "sm_90a", lanes = 8, tile = 16, radices = [16, 16, 16], groups = [<0 to 2 in shared>], parallel = "tile", threads = 512> : (tensor<4x4096x64xf32>) -> tensor<4x4096x64xf32> {
    %f = bfly.fft %a : tensor<4x4096x64xf32> -> tensor<4x2049x64xcomplex<f32>>
    %r = bfly.ifft %f : tensor<4x2049x64xcomplex<f32>> -> tensor<4x4096x64xf32>
    bfly.yield %r : tensor<4x4096x64xf32>
  }
  return %y : tensor<4x4096x64xf32>
}

// -----

func.func @too_many_registers(%x: tensor<4x64x64xf32>) -> tensor<4x64x64xf32> {
  // expected-error @below {{has a plan with a pass of radix 64; a thread's registers take 2 to 32 values}}
  %y = bfly.kernel "filter" (%a = %x) plan <machine = "sm_90a", lanes = 8, tile = 16, radices = [64], groups = [<0 to 0 in shared>], parallel = "tile", threads = 256> : (tensor<4x64x64xf32>) -> tensor<4x64x64xf32> {
    %f = bfly.fft %a : tensor<4x64x64xf32> -> tensor<4x33x64xcomplex<f32>>
    %r = bfly.ifft %f : tensor<4x33x64xcomplex<f32>> -> tensor<4x64x64xf32>
    bfly.yield %r : tensor<4x64x64xf32>
  }
  return %y : tensor<4x64x64xf32>
}

// -----

func.func @all_in_memory(%x: tensor<4x16x64xf32>) -> tensor<4x16x64xf32> {
  // expected-error @below {{has a plan with passes in memory; a first of two groups is in memory, all else in shared}}
  %y = bfly.kernel "filter" (%a = %x) plan <machine = "sm_90a", lanes = 8, tile = 16, radices = [16], groups = [<0 to 0 in memory>], parallel = "tile", threads = 256> : (tensor<4x16x64xf32>) -> tensor<4x16x64xf32> {
    %f = bfly.fft %a : tensor<4x16x64xf32> -> tensor<4x9x64xcomplex<f32>>
    %r = bfly.ifft %f : tensor<4x9x64xcomplex<f32>> -> tensor<4x16x64xf32>
    bfly.yield %r : tensor<4x16x64xf32>
  }
  return %y : tensor<4x16x64xf32>
}

// -----

func.func @cache_of_a_gpu(%x: tensor<4x8x64xf32>) -> tensor<4x8x64xf32> {
  // expected-error @below {{has a plan with a group in l2; "sm_90a" has shared and memory}}
  %y = bfly.kernel "k" (%a = %x) plan <machine = "sm_90a", lanes = 4, tile = 8, radices = [8], groups = [<0 to 0 in l2>], parallel = "tile", threads = 256> : (tensor<4x8x64xf32>) -> tensor<4x8x64xf32> {
    %f = bfly.fft %a : tensor<4x8x64xf32> -> tensor<4x5x64xcomplex<f32>>
    %r = bfly.ifft %f : tensor<4x5x64xcomplex<f32>> -> tensor<4x8x64xf32>
    bfly.yield %r : tensor<4x8x64xf32>
  }
  return %y : tensor<4x8x64xf32>
}
