// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The picture of README.md is that of this module's report: both mixers at the size of bench/RESULTS.md, 1024 tokens of 256
// channels. scripts/update_tours.py draws it.

func.func @mixers(%x: tensor<?x1024x256xf32>,
    // FFTNet's: base filter, the context's MLP, modReLU's bias.
    %w_base: tensor<256xf32>, %w1: tensor<1024x256xf32>, %b1: tensor<1024xf32>, %w2: tensor<256x1024xf32>,
    %b2: tensor<256xf32>, %threshold: tensor<256xf32>,
    // FFT-IA's: queries and keys of each of the 10 stages.
    %wq: tensor<10x256x256xf32>, %wk: tensor<10x256x256xf32>)
    -> (tensor<?x1024x256xf32>, tensor<?x1024x256xf32>) {
  %m = bfly.mean %x : tensor<?x1024x256xf32> -> tensor<?x256xf32>
  %hidden = bfly.linear %m, %w1 bias(%b1 : tensor<1024xf32>) relu
      : tensor<?x256xf32>, tensor<1024x256xf32> -> tensor<?x1024xf32>
  %delta = bfly.linear %hidden, %w2 bias(%b2 : tensor<256xf32>)
      : tensor<?x1024xf32>, tensor<256x1024xf32> -> tensor<?x256xf32>
  %y = bfly.spectral_filter %x params(%w_base[channel] : tensor<256xf32>, %delta[batch, channel] : tensor<?x256xf32>,
      %threshold[channel] : tensor<256xf32>) : tensor<?x1024x256xf32> -> tensor<?x1024x256xf32> {
  ^bb0(%bin: complex<f32>, %k: index, %base: f32, %change: f32, %bias: f32):
    %zero = arith.constant 0.0 : f32
    %tiny = arith.constant 1.0e-10 : f32
    %gain = arith.addf %base, %change : f32
    %factor = complex.create %gain, %zero : complex<f32>
    %g = complex.mul %bin, %factor : complex<f32>
    %size = complex.abs %g : complex<f32>
    %shifted = arith.addf %size, %bias : f32
    %kept = arith.maximumf %shifted, %zero : f32
    %divisor = arith.addf %size, %tiny : f32
    %ratio = arith.divf %kept, %divisor : f32
    %real_ratio = complex.create %ratio, %zero : complex<f32>
    %a = complex.mul %g, %real_ratio : complex<f32>
    bfly.yield %a : complex<f32>
  }

  %z = bfly.butterfly_attention %x, %wq, %wk heads(8) : tensor<?x1024x256xf32>, tensor<10x256x256xf32>
  return %y, %z : tensor<?x1024x256xf32>, tensor<?x1024x256xf32>
}
