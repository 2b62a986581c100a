// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// One FFTNet layer ("The FFT Strikes Back", arXiv 2502.18394), at mixer level:
//
//     u = LayerNorm_in(x)      y = spectral_filter(u)      z = y + x      out = LayerNorm_out(z)
//
// B sequences (any number of them) of 64 tokens with 32 channels; the context's MLP has 128 hidden units.
//
//     python examples/make_parameters.py data
//     bfly-run examples/fftnet_layer.mlir --input=@data/fftnet_layer.input.npy \
//         --parameters=data/fftnet_layer.safetensors --expected_output=@data/fftnet_layer.expected.npy

// Parameters have no value here: they come by name from a safetensors file. The names are those of the PyTorch
// module's state_dict, the weights (out, in) as torch.nn.Linear stores them.
ml_program.global private @"input_norm.weight"(#ml_program.extern<tensor<32xf32>>) : tensor<32xf32>
ml_program.global private @"input_norm.bias"(#ml_program.extern<tensor<32xf32>>) : tensor<32xf32>
ml_program.global private @"adaptive_filter.W_base"(#ml_program.extern<tensor<32xf32>>) : tensor<32xf32>
ml_program.global private @"adaptive_filter.mlp.0.weight"(#ml_program.extern<tensor<128x32xf32>>) : tensor<128x32xf32>
ml_program.global private @"adaptive_filter.mlp.0.bias"(#ml_program.extern<tensor<128xf32>>) : tensor<128xf32>
ml_program.global private @"adaptive_filter.mlp.2.weight"(#ml_program.extern<tensor<32x128xf32>>) : tensor<32x128xf32>
ml_program.global private @"adaptive_filter.mlp.2.bias"(#ml_program.extern<tensor<32xf32>>) : tensor<32xf32>
ml_program.global private @"modrelu.bias"(#ml_program.extern<tensor<32xf32>>) : tensor<32xf32>
ml_program.global private @"output_norm.weight"(#ml_program.extern<tensor<32xf32>>) : tensor<32xf32>
ml_program.global private @"output_norm.bias"(#ml_program.extern<tensor<32xf32>>) : tensor<32xf32>

func.func @layer(%x: tensor<?x64x32xf32>) -> tensor<?x64x32xf32> {
  %in_weight = ml_program.global_load_const @"input_norm.weight" : tensor<32xf32>
  %in_bias = ml_program.global_load_const @"input_norm.bias" : tensor<32xf32>
  %u = bfly.layer_norm %x weight(%in_weight : tensor<32xf32>) bias(%in_bias : tensor<32xf32>)
      epsilon(1.0e-5) : tensor<?x64x32xf32>

  // The context: what the filter does to a sequence depends on the mean of its tokens, through an MLP.
  %w1 = ml_program.global_load_const @"adaptive_filter.mlp.0.weight" : tensor<128x32xf32>
  %b1 = ml_program.global_load_const @"adaptive_filter.mlp.0.bias" : tensor<128xf32>
  %w2 = ml_program.global_load_const @"adaptive_filter.mlp.2.weight" : tensor<32x128xf32>
  %b2 = ml_program.global_load_const @"adaptive_filter.mlp.2.bias" : tensor<32xf32>
  %m = bfly.mean %u : tensor<?x64x32xf32> -> tensor<?x32xf32>
  %hidden = bfly.linear %m, %w1 bias(%b1 : tensor<128xf32>) relu
      : tensor<?x32xf32>, tensor<128x32xf32> -> tensor<?x128xf32>
  %delta = bfly.linear %hidden, %w2 bias(%b2 : tensor<32xf32>)
      : tensor<?x128xf32>, tensor<32x128xf32> -> tensor<?x32xf32>

  // The filter, in the frequency domain: the region says what becomes of one bin. A parameter's dimensions are named;
  // along the others it is the same.
  %w_base = ml_program.global_load_const @"adaptive_filter.W_base" : tensor<32xf32>
  %threshold = ml_program.global_load_const @"modrelu.bias" : tensor<32xf32>
  %y = bfly.spectral_filter %u params(%w_base[channel] : tensor<32xf32>, %delta[batch, channel] : tensor<?x32xf32>,
      %threshold[channel] : tensor<32xf32>) : tensor<?x64x32xf32> -> tensor<?x64x32xf32> {
  ^bb0(%bin: complex<f32>, %k: index, %base: f32, %change: f32, %bias: f32):
    %zero = arith.constant 0.0 : f32
    %tiny = arith.constant 1.0e-10 : f32
    // G = F (W_base + dW)
    %gain = arith.addf %base, %change : f32
    %factor = complex.create %gain, %zero : complex<f32>
    %g = complex.mul %bin, %factor : complex<f32>
    // modReLU: relu(|G| + bias) G / (|G| + 1e-10)
    %size = complex.abs %g : complex<f32>
    %shifted = arith.addf %size, %bias : f32
    %kept = arith.maximumf %shifted, %zero : f32
    %divisor = arith.addf %size, %tiny : f32
    %ratio = arith.divf %kept, %divisor : f32
    %real_ratio = complex.create %ratio, %zero : complex<f32>
    %a = complex.mul %g, %real_ratio : complex<f32>
    bfly.yield %a : complex<f32>
  }

  // The residual is of the input before its LayerNorm.
  %z = arith.addf %y, %x : tensor<?x64x32xf32>
  %out_weight = ml_program.global_load_const @"output_norm.weight" : tensor<32xf32>
  %out_bias = ml_program.global_load_const @"output_norm.bias" : tensor<32xf32>
  %out = bfly.layer_norm %z weight(%out_weight : tensor<32xf32>) bias(%out_bias : tensor<32xf32>)
      epsilon(1.0e-5) : tensor<?x64x32xf32>
  return %out : tensor<?x64x32xf32>
}
