// RUN: bfly-opt %s --pass-pipeline='builtin.module(func.func(bfly-choose-plan))' -split-input-file -verify-diagnostics | FileCheck %s

// Two real channels share a complex transform: a slab is twice as wide as a vector.
// CHECK-LABEL: func @short
func.func @short(%x: tensor<4x256x64xf32>) -> tensor<4x256x64xf32> {
  // CHECK: plan [#bfly.cpu_transform<channels = 32, radices = [16, 16], groups = [<0 to 1 in slab>]>]
  %y = bfly.kernel "filter" (%a = %x) : (tensor<4x256x64xf32>) -> tensor<4x256x64xf32> {
    %f = bfly.fft %a : tensor<4x256x64xf32> -> tensor<4x129x64xcomplex<f32>>
    %r = bfly.ifft %f : tensor<4x129x64xcomplex<f32>> -> tensor<4x256x64xf32>
    bfly.yield %r : tensor<4x256x64xf32>
  }
  return %y : tensor<4x256x64xf32>
}

// -----

// A slab that outgrows the second-level cache: one pass over all of it, the rest a pair of sub-transforms at a time.
// CHECK-LABEL: func @long
func.func @long(%x: tensor<1x65536x64xf32>) -> tensor<1x65536x64xf32> {
  // CHECK: radices = [16, 16, 16, 16], groups = [<0 to 0 in slab>, <1 to 3 in pair>]
  %y = bfly.kernel "filter" (%a = %x) : (tensor<1x65536x64xf32>) -> tensor<1x65536x64xf32> {
    %f = bfly.fft %a : tensor<1x65536x64xf32> -> tensor<1x32769x64xcomplex<f32>>
    %r = bfly.ifft %f : tensor<1x32769x64xcomplex<f32>> -> tensor<1x65536x64xf32>
    bfly.yield %r : tensor<1x65536x64xf32>
  }
  return %y : tensor<1x65536x64xf32>
}

// -----

// f64: half as many lanes. 60 = 4 * 5 * 3.
// CHECK-LABEL: func @mixed_radix
func.func @mixed_radix(%x: tensor<4x60x64xf64>) -> tensor<4x60x64xf64> {
  // CHECK: channels = 16, radices = [4, 5, 3]
  %y = bfly.kernel "filter" (%a = %x) : (tensor<4x60x64xf64>) -> tensor<4x60x64xf64> {
    %f = bfly.fft %a : tensor<4x60x64xf64> -> tensor<4x31x64xcomplex<f64>>
    %r = bfly.ifft %f : tensor<4x31x64xcomplex<f64>> -> tensor<4x60x64xf64>
    bfly.yield %r : tensor<4x60x64xf64>
  }
  return %y : tensor<4x60x64xf64>
}

// -----

// 37 is a prime above 13: Bluestein's convolution of 128 points.
// CHECK-LABEL: func @bluestein
func.func @bluestein(%x: tensor<4x37x64xf32>) -> tensor<4x37x64xf32> {
  // CHECK: radices = [16, 8]
  %y = bfly.kernel "filter" (%a = %x) : (tensor<4x37x64xf32>) -> tensor<4x37x64xf32> {
    %f = bfly.fft %a : tensor<4x37x64xf32> -> tensor<4x19x64xcomplex<f32>>
    %r = bfly.ifft %f : tensor<4x19x64xcomplex<f32>> -> tensor<4x37x64xf32>
    bfly.yield %r : tensor<4x37x64xf32>
  }
  return %y : tensor<4x37x64xf32>
}

// -----

// Too few sequences for the threads, and long ones: the tiles of a stage are what runs in parallel.
// CHECK-LABEL: func @attention
func.func @attention(%x: tensor<1x1024x256xf32>, %w: tensor<10x256x256xf32>) -> tensor<1x1024x256xf32> {
  // CHECK: plan [#bfly.cpu_attention<pairs = 64, parallel = "tile">, #bfly.cpu_panels<columns = 32>]
  %y = bfly.kernel "stage" (%a = %x, %b = %w) : (tensor<1x1024x256xf32>, tensor<10x256x256xf32>) -> tensor<1x1024x256xf32> {
    %r = bfly.attention_stage %a weights(%b, %b : tensor<10x256x256xf32>, tensor<10x256x256xf32>) stage(0) heads(8) scale(1.0) chained : tensor<1x1024x256xf32>
    bfly.yield %r : tensor<1x1024x256xf32>
  }
  return %y : tensor<1x1024x256xf32>
}

// -----

// Few rows: smaller tiles, for both threads to have some.
// CHECK-LABEL: func @few_rows
func.func @few_rows(%x: tensor<64x32xf32>, %w: tensor<16x32xf32>) -> tensor<64x16xf32> {
  // CHECK: plan [#bfly.cpu_panels<columns = 32>, #bfly.cpu_dense<rows = 16>]
  %y = bfly.kernel "linear" (%a = %x, %b = %w) : (tensor<64x32xf32>, tensor<16x32xf32>) -> tensor<64x16xf32> {
    %r = bfly.linear %a, %b : tensor<64x32xf32>, tensor<16x32xf32> -> tensor<64x16xf32>
    bfly.yield %r : tensor<64x16xf32>
  }
  return %y : tensor<64x16xf32>
}

// -----

// A plan that somebody wrote is kept.
// CHECK-LABEL: func @overridden
func.func @overridden(%x: tensor<4x256x64xf32>) -> tensor<4x256x64xf32> {
  // CHECK: radices = [8, 8, 4]
  %y = bfly.kernel "filter" (%a = %x) plan [#bfly.cpu_transform<channels = 16, radices = [8, 8, 4], groups = [<0 to 2 in slab>]>] : (tensor<4x256x64xf32>) -> tensor<4x256x64xf32> {
    %f = bfly.fft %a : tensor<4x256x64xf32> -> tensor<4x129x64xcomplex<f32>>
    %r = bfly.ifft %f : tensor<4x129x64xcomplex<f32>> -> tensor<4x256x64xf32>
    bfly.yield %r : tensor<4x256x64xf32>
  }
  return %y : tensor<4x256x64xf32>
}

// -----

func.func @wrong_radices(%x: tensor<4x256x64xf32>) -> tensor<4x129x64xcomplex<f32>> {
  // expected-error @below {{(P3) the product of radices must be the 256 tokens, or a power of two of at least 511}}
  %y = bfly.kernel "fft" (%a = %x) plan [#bfly.cpu_transform<channels = 16, radices = [8, 8], groups = [<0 to 1 in slab>]>] : (tensor<4x256x64xf32>) -> tensor<4x129x64xcomplex<f32>> {
    %f = bfly.fft %a : tensor<4x256x64xf32> -> tensor<4x129x64xcomplex<f32>>
    bfly.yield %f : tensor<4x129x64xcomplex<f32>>
  }
  return %y : tensor<4x129x64xcomplex<f32>>
}

// -----

func.func @missing_pass(%x: tensor<4x256x64xf32>) -> tensor<4x129x64xcomplex<f32>> {
  // expected-error @below {{(P4) groups must be [<0 to 1 in slab>] or [<0 to 0 in slab>, <1 to 1 in pair>]}}
  %y = bfly.kernel "fft" (%a = %x) plan [#bfly.cpu_transform<channels = 16, radices = [16, 16], groups = [<0 to 0 in slab>]>] : (tensor<4x256x64xf32>) -> tensor<4x129x64xcomplex<f32>> {
    %f = bfly.fft %a : tensor<4x256x64xf32> -> tensor<4x129x64xcomplex<f32>>
    bfly.yield %f : tensor<4x129x64xcomplex<f32>>
  }
  return %y : tensor<4x129x64xcomplex<f32>>
}

// -----

func.func @place_of_a_gpu(%x: tensor<4x8x64xf32>) -> tensor<4x8x64xf32> {
  // expected-error @below {{(P4) groups must be [<0 to 0 in slab>]}}
  %y = bfly.kernel "k" (%a = %x) plan [#bfly.cpu_transform<channels = 16, radices = [8], groups = [<0 to 0 in shared>]>] : (tensor<4x8x64xf32>) -> tensor<4x8x64xf32> {
    %f = bfly.fft %a : tensor<4x8x64xf32> -> tensor<4x5x64xcomplex<f32>>
    %r = bfly.ifft %f : tensor<4x5x64xcomplex<f32>> -> tensor<4x8x64xf32>
    bfly.yield %r : tensor<4x8x64xf32>
  }
  return %y : tensor<4x8x64xf32>
}

// -----

func.func @no_groups(%x: tensor<4x8x64xf32>) -> tensor<4x8x64xf32> {
  // expected-error @below {{(P4) groups must be [<0 to 0 in slab>]}}
  %y = bfly.kernel "k" (%a = %x) plan [#bfly.cpu_transform<channels = 16, radices = [8], groups = []>] : (tensor<4x8x64xf32>) -> tensor<4x8x64xf32> {
    %f = bfly.fft %a : tensor<4x8x64xf32> -> tensor<4x5x64xcomplex<f32>>
    %r = bfly.ifft %f : tensor<4x5x64xcomplex<f32>> -> tensor<4x8x64xf32>
    bfly.yield %r : tensor<4x8x64xf32>
  }
  return %y : tensor<4x8x64xf32>
}

// -----

func.func @groups_of_bluestein(%x: tensor<4x8x64xf32>) -> tensor<4x8x64xf32> {
  // expected-error @below {{(P4) groups must be [<0 to 1 in slab>]}}
  %y = bfly.kernel "k" (%a = %x) plan [#bfly.cpu_transform<channels = 16, radices = [4, 4], groups = [<0 to 0 in slab>, <1 to 1 in pair>]>] : (tensor<4x8x64xf32>) -> tensor<4x8x64xf32> {
    %f = bfly.fft %a : tensor<4x8x64xf32> -> tensor<4x5x64xcomplex<f32>>
    %r = bfly.ifft %f : tensor<4x5x64xcomplex<f32>> -> tensor<4x8x64xf32>
    bfly.yield %r : tensor<4x8x64xf32>
  }
  return %y : tensor<4x8x64xf32>
}

// -----

func.func @missing_part(%x: tensor<4x8x64xf32>) -> tensor<4x8x64xf32> {
  // expected-error @below {{has a plan that says nothing of the transforms on "cpu": it must have a #bfly.cpu_transform}}
  %y = bfly.kernel "k" (%a = %x) plan [] : (tensor<4x8x64xf32>) -> tensor<4x8x64xf32> {
    %f = bfly.fft %a : tensor<4x8x64xf32> -> tensor<4x5x64xcomplex<f32>>
    %r = bfly.ifft %f : tensor<4x5x64xcomplex<f32>> -> tensor<4x8x64xf32>
    bfly.yield %r : tensor<4x8x64xf32>
  }
  return %y : tensor<4x8x64xf32>
}

// -----

func.func @unread_part(%x: tensor<4x8x64xf32>) -> tensor<4x8x64xf32> {
  // expected-error @below {{has a plan with #bfly.cpu_dense<rows = 8>, which nothing in it reads on "cpu"}}
  %y = bfly.kernel "k" (%a = %x) plan [#bfly.cpu_dense<rows = 8>] : (tensor<4x8x64xf32>) -> tensor<4x8x64xf32> {
    %r = bfly.layer_norm %a epsilon(1.0e-5) : tensor<4x8x64xf32>
    bfly.yield %r : tensor<4x8x64xf32>
  }
  return %y : tensor<4x8x64xf32>
}

// -----

func.func @two_parts(%x: tensor<4x8x64xf32>) -> tensor<4x8x64xf32> {
  // expected-error @below {{has a plan with two parts for the transforms, #bfly.cpu_transform<channels = 16, radices = [8], groups = [<0 to 0 in slab>]> and #bfly.cpu_transform<channels = 32, radices = [8], groups = [<0 to 0 in slab>]>}}
  %y = bfly.kernel "k" (%a = %x) plan [#bfly.cpu_transform<channels = 16, radices = [8], groups = [<0 to 0 in slab>]>, #bfly.cpu_transform<channels = 32, radices = [8], groups = [<0 to 0 in slab>]>] : (tensor<4x8x64xf32>) -> tensor<4x8x64xf32> {
    %f = bfly.fft %a : tensor<4x8x64xf32> -> tensor<4x5x64xcomplex<f32>>
    %r = bfly.ifft %f : tensor<4x5x64xcomplex<f32>> -> tensor<4x8x64xf32>
    bfly.yield %r : tensor<4x8x64xf32>
  }
  return %y : tensor<4x8x64xf32>
}

// -----

func.func @threads_of_a_cpu(%x: tensor<4x8x64xf32>) -> tensor<4x8x64xf32> {
  // expected-error @below {{has a plan with #bfly.gpu_block<threads = 1024>, which nothing in it reads on "cpu"}}
  %y = bfly.kernel "k" (%a = %x) plan [#bfly.gpu_block<threads = 1024>] : (tensor<4x8x64xf32>) -> tensor<4x8x64xf32> {
    %r = bfly.layer_norm %a epsilon(1.0e-5) : tensor<4x8x64xf32>
    bfly.yield %r : tensor<4x8x64xf32>
  }
  return %y : tensor<4x8x64xf32>
}

// -----

func.func @two_lengths(%x: tensor<4x8x64xf32>) -> tensor<4x9x64xf32> {
  // expected-error @below {{holds transforms of 8 and of 9 tokens; a plan is of one length, so they must be two kernels}}
  %y = bfly.kernel "k" (%a = %x) plan [#bfly.cpu_transform<channels = 16, radices = [8], groups = [<0 to 0 in slab>]>] : (tensor<4x8x64xf32>) -> tensor<4x9x64xf32> {
    %f = bfly.fft %a : tensor<4x8x64xf32> -> tensor<4x5x64xcomplex<f32>>
    %r = bfly.ifft %f : tensor<4x5x64xcomplex<f32>> -> tensor<4x9x64xf32>
    bfly.yield %r : tensor<4x9x64xf32>
  }
  return %y : tensor<4x9x64xf32>
}

// -----

func.func @two_kinds(%x: tensor<4x8x64xf32>) -> tensor<4x8x64xf32> {
  // expected-error @below {{holds a transform and stages of attention; a plan is of one of them, so they must be two kernels}}
  %y = bfly.kernel "k" (%a = %x) plan [#bfly.cpu_transform<channels = 16, radices = [8], groups = [<0 to 0 in slab>]>] : (tensor<4x8x64xf32>) -> tensor<4x8x64xf32> {
    %f = bfly.fft %a : tensor<4x8x64xf32> -> tensor<4x5x64xcomplex<f32>>
    %g = bfly.ifft %f : tensor<4x5x64xcomplex<f32>> -> tensor<4x8x64xf32>
    %w = arith.constant dense<1.0> : tensor<3x64x64xf32>
    %r = bfly.attention_stage %g weights(%w, %w : tensor<3x64x64xf32>, tensor<3x64x64xf32>) stage(0) heads(1) scale(1.0) definition : tensor<4x8x64xf32>
    bfly.yield %r : tensor<4x8x64xf32>
  }
  return %y : tensor<4x8x64xf32>
}
