// RUN: bfly-opt %s --pass-pipeline='builtin.module(bfly-set-target{target=sm_90a},func.func(bfly-choose-plan))' -split-input-file -verify-diagnostics | FileCheck %s

// Two real channels share a complex transform; rows are 4 of those wide, 32 bytes of f32. One block a multiprocessor: it
// has more threads.
// CHECK-LABEL: func @one_block
func.func @one_block(%x: tensor<8x4096x768xf32>) -> tensor<8x4096x768xf32> {
  // CHECK: plan [#bfly.gpu_block<threads = 512>, #bfly.gpu_transform<columns = 4, radices = [16, 16, 16], groups = [<0 to 2 in shared>]>]
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
  // CHECK: plan [#bfly.gpu_block<threads = 256>, #bfly.gpu_transform<columns = 32, radices = [16, 16], groups = [<0 to 1 in shared>]>]
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
  // CHECK: plan [#bfly.gpu_block<threads = 512>, #bfly.gpu_transform<columns = 2, radices = [16, 16, 16, 16], groups = [<0 to 0 in memory>, <1 to 3 in shared>]>]
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
  // CHECK: plan [#bfly.gpu_block<threads = 256>]
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
  // CHECK: plan [#bfly.gpu_block<threads = 128>, #bfly.gpu_transform<columns = 4, radices = [16, 4, 4], groups = [<0 to 0 in memory>, <1 to 2 in shared>]>]
  %y = bfly.kernel "filter" (%a = %x) plan [#bfly.gpu_block<threads = 128>, #bfly.gpu_transform<columns = 4, radices = [16, 4, 4], groups = [<0 to 0 in memory>, <1 to 2 in shared>]>] : (tensor<4x256x64xf32>) -> tensor<4x256x64xf32> {
    %f = bfly.fft %a : tensor<4x256x64xf32> -> tensor<4x129x64xcomplex<f32>>
    %r = bfly.ifft %f : tensor<4x129x64xcomplex<f32>> -> tensor<4x256x64xf32>
    bfly.yield %r : tensor<4x256x64xf32>
  }
  return %y : tensor<4x256x64xf32>
}

// -----

// What a library does has no blocks of ours; around cuFFT loops copy what it takes and gives.
// CHECK-LABEL: func @libraries
func.func @libraries(%x: tensor<4096x512xf32>, %w: tensor<512x512xf32>, %z: tensor<4x60x64xf32>) -> (tensor<4096x512xf32>, tensor<4x31x64xcomplex<f32>>) {
  // CHECK: plan [#bfly.library<name = "cuBLASLt">]
  %y = bfly.kernel "linear" (%a = %x, %b = %w) : (tensor<4096x512xf32>, tensor<512x512xf32>) -> tensor<4096x512xf32> {
    %r = bfly.linear %a, %b : tensor<4096x512xf32>, tensor<512x512xf32> -> tensor<4096x512xf32>
    bfly.yield %r : tensor<4096x512xf32>
  }
  // CHECK: plan [#bfly.gpu_block<threads = 256>, #bfly.library<name = "cuFFT">]
  %f = bfly.kernel "fft" (%a = %z) : (tensor<4x60x64xf32>) -> tensor<4x31x64xcomplex<f32>> {
    %r = bfly.fft %a : tensor<4x60x64xf32> -> tensor<4x31x64xcomplex<f32>>
    bfly.yield %r : tensor<4x31x64xcomplex<f32>>
  }
  return %y, %f : tensor<4096x512xf32>, tensor<4x31x64xcomplex<f32>>
}

// -----

func.func @no_blocks(%x: tensor<4x8x64xf32>) -> tensor<4x8x64xf32> {
  // expected-error @below {{has a plan that says nothing of the blocks on "sm_90a": it must have a #bfly.gpu_block}}
  %y = bfly.kernel "k" (%a = %x) plan [] : (tensor<4x8x64xf32>) -> tensor<4x8x64xf32> {
    %r = bfly.layer_norm %a epsilon(1.0e-5) : tensor<4x8x64xf32>
    bfly.yield %r : tensor<4x8x64xf32>
  }
  return %y : tensor<4x8x64xf32>
}

// -----

func.func @part_of_a_cpu(%x: tensor<4x8x64xf32>) -> tensor<4x8x64xf32> {
  // expected-error @below {{has a plan with #bfly.cpu_slabs<channels = 32>, which nothing in it reads on "sm_90a"}}
  %y = bfly.kernel "k" (%a = %x) plan [#bfly.gpu_block<threads = 256>, #bfly.cpu_slabs<channels = 32>] : (tensor<4x8x64xf32>) -> tensor<4x8x64xf32> {
    %r = bfly.layer_norm %a epsilon(1.0e-5) : tensor<4x8x64xf32>
    bfly.yield %r : tensor<4x8x64xf32>
  }
  return %y : tensor<4x8x64xf32>
}

// -----

func.func @too_large(%x: tensor<4x4096x64xf32>) -> tensor<4x4096x64xf32> {
  // expected-error @below {{(P5) a slab takes 278528 bytes of a block's 228352 bytes of shared memory}}
  %y = bfly.kernel "k" (%a = %x) plan [#bfly.gpu_block<threads = 512>, #bfly.gpu_transform<columns = 8, radices = [16, 16, 16], groups = [<0 to 2 in shared>]>] : (tensor<4x4096x64xf32>) -> tensor<4x4096x64xf32> {
    %f = bfly.fft %a : tensor<4x4096x64xf32> -> tensor<4x2049x64xcomplex<f32>>
    %r = bfly.ifft %f : tensor<4x2049x64xcomplex<f32>> -> tensor<4x4096x64xf32>
    bfly.yield %r : tensor<4x4096x64xf32>
  }
  return %y : tensor<4x4096x64xf32>
}

// -----

func.func @wrong_radices(%x: tensor<4x64x64xf32>) -> tensor<4x64x64xf32> {
  // expected-error @below {{(P3) the product of radices must be the 64 tokens}}
  %y = bfly.kernel "k" (%a = %x) plan [#bfly.gpu_block<threads = 256>, #bfly.gpu_transform<columns = 8, radices = [16], groups = [<0 to 0 in shared>]>] : (tensor<4x64x64xf32>) -> tensor<4x64x64xf32> {
    %f = bfly.fft %a : tensor<4x64x64xf32> -> tensor<4x33x64xcomplex<f32>>
    %r = bfly.ifft %f : tensor<4x33x64xcomplex<f32>> -> tensor<4x64x64xf32>
    bfly.yield %r : tensor<4x64x64xf32>
  }
  return %y : tensor<4x64x64xf32>
}

// -----

func.func @all_in_memory(%x: tensor<4x16x64xf32>) -> tensor<4x16x64xf32> {
  // expected-error @below {{(P4) groups must be [<0 to 0 in shared>]}}
  %y = bfly.kernel "k" (%a = %x) plan [#bfly.gpu_block<threads = 256>, #bfly.gpu_transform<columns = 8, radices = [16], groups = [<0 to 0 in memory>]>] : (tensor<4x16x64xf32>) -> tensor<4x16x64xf32> {
    %f = bfly.fft %a : tensor<4x16x64xf32> -> tensor<4x9x64xcomplex<f32>>
    %r = bfly.ifft %f : tensor<4x9x64xcomplex<f32>> -> tensor<4x16x64xf32>
    bfly.yield %r : tensor<4x16x64xf32>
  }
  return %y : tensor<4x16x64xf32>
}

// -----

func.func @place_of_a_cpu(%x: tensor<4x8x64xf32>) -> tensor<4x8x64xf32> {
  // expected-error @below {{(P4) groups must be [<0 to 0 in shared>]}}
  %y = bfly.kernel "k" (%a = %x) plan [#bfly.gpu_block<threads = 256>, #bfly.gpu_transform<columns = 8, radices = [8], groups = [<0 to 0 in slab>]>] : (tensor<4x8x64xf32>) -> tensor<4x8x64xf32> {
    %f = bfly.fft %a : tensor<4x8x64xf32> -> tensor<4x5x64xcomplex<f32>>
    %r = bfly.ifft %f : tensor<4x5x64xcomplex<f32>> -> tensor<4x8x64xf32>
    bfly.yield %r : tensor<4x8x64xf32>
  }
  return %y : tensor<4x8x64xf32>
}

// -----

func.func @no_power_of_two(%x: tensor<4x60x64xf32>) -> tensor<4x60x64xf32> {
  // expected-error @below {{(P3) must be a kernel of its own, with #bfly.library<name = "cuFFT">: cuFFT transforms N = 60, which is no power of two}}
  %y = bfly.kernel "k" (%a = %x) plan [#bfly.gpu_block<threads = 256>, #bfly.gpu_transform<columns = 8, radices = [15, 4], groups = [<0 to 1 in shared>]>] : (tensor<4x60x64xf32>) -> tensor<4x60x64xf32> {
    %f = bfly.fft %a : tensor<4x60x64xf32> -> tensor<4x31x64xcomplex<f32>>
    %r = bfly.ifft %f : tensor<4x31x64xcomplex<f32>> -> tensor<4x60x64xf32>
    bfly.yield %r : tensor<4x60x64xf32>
  }
  return %y : tensor<4x60x64xf32>
}

// -----

func.func @fused_cufft(%x: tensor<4x60x64xf32>) -> tensor<4x60x64xf32> {
  // expected-error @below {{(P1) name = "cuFFT": a transform that it does must be a kernel of its own: cuFFT transforms N = 60, which is no power of two}}
  %y = bfly.kernel "k" (%a = %x) plan [#bfly.gpu_block<threads = 256>, #bfly.library<name = "cuFFT">] : (tensor<4x60x64xf32>) -> tensor<4x60x64xf32> {
    %f = bfly.fft %a : tensor<4x60x64xf32> -> tensor<4x31x64xcomplex<f32>>
    %r = bfly.ifft %f : tensor<4x31x64xcomplex<f32>> -> tensor<4x60x64xf32>
    bfly.yield %r : tensor<4x60x64xf32>
  }
  return %y : tensor<4x60x64xf32>
}

// -----

func.func @cublaslt_and_relu(%x: tensor<100x32xf32>, %w: tensor<64x32xf32>) -> tensor<100x64xf32> {
  // expected-error @below {{(P1) name = "cuBLASLt": it does one bfly.linear without relu, or one bfly.row_product, not of f64, with rows of multiples of 16 bytes}}
  %y = bfly.kernel "k" (%a = %x, %b = %w) plan [#bfly.library<name = "cuBLASLt">] : (tensor<100x32xf32>, tensor<64x32xf32>) -> tensor<100x64xf32> {
    %r = bfly.linear %a, %b relu : tensor<100x32xf32>, tensor<64x32xf32> -> tensor<100x64xf32>
    bfly.yield %r : tensor<100x64xf32>
  }
  return %y : tensor<100x64xf32>
}

// -----

func.func @blocks_of_cublaslt(%x: tensor<4096x512xf32>, %w: tensor<512x512xf32>) -> tensor<4096x512xf32> {
  // expected-error @below {{has a plan with #bfly.gpu_block<threads = 256>, which nothing in it reads on "sm_90a"}}
  %y = bfly.kernel "k" (%a = %x, %b = %w) plan [#bfly.gpu_block<threads = 256>, #bfly.library<name = "cuBLASLt">] : (tensor<4096x512xf32>, tensor<512x512xf32>) -> tensor<4096x512xf32> {
    %r = bfly.linear %a, %b : tensor<4096x512xf32>, tensor<512x512xf32> -> tensor<4096x512xf32>
    bfly.yield %r : tensor<4096x512xf32>
  }
  return %y : tensor<4096x512xf32>
}

// -----

// Two spectra: a slab for each, of half as many columns, and threads that have registers for the bins of both.
// CHECK-LABEL: func @two_spectra
func.func @two_spectra(%g: tensor<8x4096x768xf32>, %x: tensor<8x4096x768xf32>) -> (tensor<8x4096x768xf32>, tensor<8x768xf32>) {
  // CHECK: plan [#bfly.gpu_block<threads = 256>, #bfly.gpu_transform<columns = 2, radices = [16, 16, 16], groups = [<0 to 2 in shared>]>]
  %y:2 = bfly.kernel "filter" (%a = %g, %b = %x) : (tensor<8x4096x768xf32>, tensor<8x4096x768xf32>) -> (tensor<8x4096x768xf32>, tensor<8x768xf32>) {
    %f = bfly.fft %a : tensor<8x4096x768xf32> -> tensor<8x2049x768xcomplex<f32>>
    %h = bfly.fft %b : tensor<8x4096x768xf32> -> tensor<8x2049x768xcomplex<f32>>
    %p, %s = bfly.spectrum_map %f params(%h[batch, bin, channel] : tensor<8x2049x768xcomplex<f32>>) tokens(4096) : tensor<8x2049x768xcomplex<f32>> -> tensor<8x2049x768xcomplex<f32>> sums(tensor<8x768xf32>) {
    ^bb0(%bin: complex<f32>, %k: index, %other: complex<f32>):
      %m = complex.mul %bin, %other : complex<f32>
      %t = complex.re %m : complex<f32>
      bfly.yield %m, %t : complex<f32>, f32
    }
    %r = bfly.ifft %p : tensor<8x2049x768xcomplex<f32>> -> tensor<8x4096x768xf32>
    bfly.yield %r, %s : tensor<8x4096x768xf32>, tensor<8x768xf32>
  }
  return %y#0, %y#1 : tensor<8x4096x768xf32>, tensor<8x768xf32>
}

// -----

// As many columns as fit for one spectrum: 2 (2 4 4352) numbers of 4 bytes, and 16384 bytes for the sums.
func.func @too_wide(%g: tensor<8x4096x768xf32>, %x: tensor<8x4096x768xf32>) -> tensor<8x768xf32> {
  // expected-error @below {{(P5) slabs take 294912 bytes of a block's 228352 bytes of shared memory}}
  %y = bfly.kernel "filter" (%a = %g, %b = %x) plan [#bfly.gpu_block<threads = 256>, #bfly.gpu_transform<columns = 4, radices = [16, 16, 16], groups = [<0 to 2 in shared>]>] : (tensor<8x4096x768xf32>, tensor<8x4096x768xf32>) -> tensor<8x768xf32> {
    %f = bfly.fft %a : tensor<8x4096x768xf32> -> tensor<8x2049x768xcomplex<f32>>
    %h = bfly.fft %b : tensor<8x4096x768xf32> -> tensor<8x2049x768xcomplex<f32>>
    %p, %s = bfly.spectrum_map %f params(%h[batch, bin, channel] : tensor<8x2049x768xcomplex<f32>>) tokens(4096) : tensor<8x2049x768xcomplex<f32>> -> tensor<8x2049x768xcomplex<f32>> sums(tensor<8x768xf32>) {
    ^bb0(%bin: complex<f32>, %k: index, %other: complex<f32>):
      %m = complex.mul %bin, %other : complex<f32>
      %t = complex.re %m : complex<f32>
      bfly.yield %m, %t : complex<f32>, f32
    }
    bfly.yield %s : tensor<8x768xf32>
  }
  return %y : tensor<8x768xf32>
}
