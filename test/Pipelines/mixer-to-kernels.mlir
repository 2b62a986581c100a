// RUN: bfly-opt %s -split-input-file \
// RUN:   -pass-pipeline='builtin.module(bfly-parameters-to-arguments,func.func(bfly-convert-mixer-to-network,bfly-rewrite-spectra,bfly-rewrite-attention,bfly-convert-network-to-schedule))' | FileCheck %s

// The promise: each mixer, as people write it, is exactly one kernel.

// FFTNet's filter with its context (docs/definitions.md): modReLU after a gain.
// CHECK-LABEL: func @fftnet
// CHECK-COUNT-1: bfly.kernel
// CHECK-SAME: "spectral_filter"
// CHECK: bfly.fft %{{.*}} : tensor<?x1024x64xf32> -> tensor<?x513x64xcomplex<f32>>
// CHECK-NEXT: bfly.bin %{{.*}}[0] factor(9.765625E-4)
// CHECK-NEXT: bfly.linear {{.*}} relu
// CHECK-NEXT: bfly.linear
// CHECK-NEXT: bfly.spectrum_map %{{.*}} params(%{{.*}}[channel] {{.*}}[batch, channel] {{.*}}[channel] {{.*}}) tokens(1024) : tensor<?x513x64xcomplex<f32>>
// CHECK: bfly.ifft %{{.*}} : tensor<?x513x64xcomplex<f32>> -> tensor<?x1024x64xf32>
// CHECK-NOT: bfly.kernel
// CHECK: return
ml_program.global private @base(#ml_program.extern<tensor<64xf32>>) : tensor<64xf32>
ml_program.global private @w1(#ml_program.extern<tensor<256x64xf32>>) : tensor<256x64xf32>
ml_program.global private @b1(#ml_program.extern<tensor<256xf32>>) : tensor<256xf32>
ml_program.global private @w2(#ml_program.extern<tensor<64x256xf32>>) : tensor<64x256xf32>
ml_program.global private @b2(#ml_program.extern<tensor<64xf32>>) : tensor<64xf32>
ml_program.global private @bias(#ml_program.extern<tensor<64xf32>>) : tensor<64xf32>
func.func @fftnet(%x: tensor<?x1024x64xf32>) -> tensor<?x1024x64xf32> {
  %base = ml_program.global_load_const @base : tensor<64xf32>
  %w1 = ml_program.global_load_const @w1 : tensor<256x64xf32>
  %b1 = ml_program.global_load_const @b1 : tensor<256xf32>
  %w2 = ml_program.global_load_const @w2 : tensor<64x256xf32>
  %b2 = ml_program.global_load_const @b2 : tensor<64xf32>
  %bias = ml_program.global_load_const @bias : tensor<64xf32>
  %m = bfly.mean %x : tensor<?x1024x64xf32> -> tensor<?x64xf32>
  %h = bfly.linear %m, %w1 bias(%b1 : tensor<256xf32>) relu : tensor<?x64xf32>, tensor<256x64xf32> -> tensor<?x256xf32>
  %d = bfly.linear %h, %w2 bias(%b2 : tensor<64xf32>) : tensor<?x256xf32>, tensor<64x256xf32> -> tensor<?x64xf32>
  %y = bfly.spectral_filter %x params(%base[channel] : tensor<64xf32>, %d[batch, channel] : tensor<?x64xf32>, %bias[channel] : tensor<64xf32>)
      : tensor<?x1024x64xf32> -> tensor<?x1024x64xf32> {
  ^bb0(%bin: complex<f32>, %k: index, %wc: f32, %dc: f32, %bc: f32):
    %zero = arith.constant 0.0 : f32
    %tiny = arith.constant 1.0e-10 : f32
    %w = arith.addf %wc, %dc : f32
    %factor = complex.create %w, %zero : complex<f32>
    %g = complex.mul %bin, %factor : complex<f32>
    %abs = complex.abs %g : complex<f32>
    %shifted = arith.addf %abs, %bc : f32
    %kept = arith.maximumf %shifted, %zero : f32
    %safe = arith.addf %abs, %tiny : f32
    %gain = arith.divf %kept, %safe : f32
    %scale = complex.create %gain, %zero : complex<f32>
    %a = complex.mul %g, %scale : complex<f32>
    bfly.yield %a : complex<f32>
  }
  return %y : tensor<?x1024x64xf32>
}

// -----

// CHECK-LABEL: func @fft_ia
// CHECK-COUNT-1: bfly.kernel
// CHECK-SAME: "butterfly_attention"
// CHECK: tensor.pad
// CHECK: arith.extf
// CHECK-COUNT-10: bfly.attention_stage {{.*}} chained
// CHECK: arith.truncf
// CHECK: tensor.extract_slice
// CHECK-NOT: bfly.kernel
// CHECK: return
func.func @fft_ia(%x: tensor<?x1000x64xbf16>, %wq: tensor<10x64x64xbf16>, %wk: tensor<10x64x64xbf16>) -> tensor<?x1000x64xbf16> {
  %y = bfly.butterfly_attention %x, %wq, %wk heads(8) : tensor<?x1000x64xbf16>, tensor<10x64x64xbf16>
  return %y : tensor<?x1000x64xbf16>
}
