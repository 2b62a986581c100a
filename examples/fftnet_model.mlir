// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A whole FFTNet model ("The FFT Strikes Back", arXiv 2502.18394), at mixer level, from tokens to logits:
//
//     Embedding * sqrt(D) + P  ->  two layers (see fftnet_layer.mlir)  ->  LayerNorm  ->  Linear to the vocabulary
//
// P is the sinusoidal table of positions, computed for the 64 tokens at hand. B sequences (any number of them), 32
// channels, a vocabulary of 50; tokens are int64, as PyTorch has them.
//
//     python examples/make_parameters.py data
//     bfly-run examples/fftnet_model.mlir --function=model --input=@data/fftnet_model.input.npy \
//         --parameters=data/fftnet_model.safetensors --expected_output=@data/fftnet_model.expected.npy

ml_program.global private @"embedding.weight"(#ml_program.extern<tensor<50x32xf32>>) : tensor<50x32xf32>
ml_program.global private @"layers.0.input_norm.weight"(#ml_program.extern<tensor<32xf32>>) : tensor<32xf32>
ml_program.global private @"layers.0.input_norm.bias"(#ml_program.extern<tensor<32xf32>>) : tensor<32xf32>
ml_program.global private @"layers.0.adaptive_filter.W_base"(#ml_program.extern<tensor<32xf32>>) : tensor<32xf32>
ml_program.global private @"layers.0.adaptive_filter.mlp.0.weight"(#ml_program.extern<tensor<128x32xf32>>) : tensor<128x32xf32>
ml_program.global private @"layers.0.adaptive_filter.mlp.0.bias"(#ml_program.extern<tensor<128xf32>>) : tensor<128xf32>
ml_program.global private @"layers.0.adaptive_filter.mlp.2.weight"(#ml_program.extern<tensor<32x128xf32>>) : tensor<32x128xf32>
ml_program.global private @"layers.0.adaptive_filter.mlp.2.bias"(#ml_program.extern<tensor<32xf32>>) : tensor<32xf32>
ml_program.global private @"layers.0.modrelu.bias"(#ml_program.extern<tensor<32xf32>>) : tensor<32xf32>
ml_program.global private @"layers.0.output_norm.weight"(#ml_program.extern<tensor<32xf32>>) : tensor<32xf32>
ml_program.global private @"layers.0.output_norm.bias"(#ml_program.extern<tensor<32xf32>>) : tensor<32xf32>
ml_program.global private @"layers.1.input_norm.weight"(#ml_program.extern<tensor<32xf32>>) : tensor<32xf32>
ml_program.global private @"layers.1.input_norm.bias"(#ml_program.extern<tensor<32xf32>>) : tensor<32xf32>
ml_program.global private @"layers.1.adaptive_filter.W_base"(#ml_program.extern<tensor<32xf32>>) : tensor<32xf32>
ml_program.global private @"layers.1.adaptive_filter.mlp.0.weight"(#ml_program.extern<tensor<128x32xf32>>) : tensor<128x32xf32>
ml_program.global private @"layers.1.adaptive_filter.mlp.0.bias"(#ml_program.extern<tensor<128xf32>>) : tensor<128xf32>
ml_program.global private @"layers.1.adaptive_filter.mlp.2.weight"(#ml_program.extern<tensor<32x128xf32>>) : tensor<32x128xf32>
ml_program.global private @"layers.1.adaptive_filter.mlp.2.bias"(#ml_program.extern<tensor<32xf32>>) : tensor<32xf32>
ml_program.global private @"layers.1.modrelu.bias"(#ml_program.extern<tensor<32xf32>>) : tensor<32xf32>
ml_program.global private @"layers.1.output_norm.weight"(#ml_program.extern<tensor<32xf32>>) : tensor<32xf32>
ml_program.global private @"layers.1.output_norm.bias"(#ml_program.extern<tensor<32xf32>>) : tensor<32xf32>
ml_program.global private @"output_norm.weight"(#ml_program.extern<tensor<32xf32>>) : tensor<32xf32>
ml_program.global private @"output_norm.bias"(#ml_program.extern<tensor<32xf32>>) : tensor<32xf32>
ml_program.global private @"output_proj.weight"(#ml_program.extern<tensor<50x32xf32>>) : tensor<50x32xf32>
ml_program.global private @"output_proj.bias"(#ml_program.extern<tensor<50xf32>>) : tensor<50xf32>

// Row t of the embedding for every token t, times sqrt(32), plus the table of positions.
func.func private @embed(%tokens: tensor<?x64xi64>, %embedding: tensor<50x32xf32>) -> tensor<?x64x32xf32> {
  %zero = arith.constant 0 : index
  %batch = tensor.dim %tokens, %zero : tensor<?x64xi64>
  %x_empty = tensor.empty(%batch) : tensor<?x64x32xf32>
  %table = func.call @positions() : () -> tensor<64x32xf32>
  %x = linalg.generic {
      indexing_maps = [affine_map<(b, n, d) -> (b, n)>, affine_map<(b, n, d) -> (n, d)>,
                       affine_map<(b, n, d) -> (b, n, d)>],
      iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%tokens, %table : tensor<?x64xi64>, tensor<64x32xf32>) outs(%x_empty : tensor<?x64x32xf32>) {
  ^bb0(%token: i64, %position: f32, %unused: f32):
    // A token outside the vocabulary reads its nearest end: memory that is not ours is never read.
    %first = arith.constant 0 : i64
    %last = arith.constant 49 : i64
    %low = arith.maxsi %token, %first : i64
    %inside = arith.minsi %low, %last : i64
    %row = arith.index_cast %inside : i64 to index
    %d = linalg.index 2 : index
    %element = tensor.extract %embedding[%row, %d] : tensor<50x32xf32>
    %sqrt_d = arith.constant 5.65685424949238 : f32
    %scaled = arith.mulf %element, %sqrt_d : f32
    %sum = arith.addf %scaled, %position : f32
    linalg.yield %sum : f32
  } -> tensor<?x64x32xf32>
  return %x : tensor<?x64x32xf32>
}

// P[n, 2i] = sin(n 10000^(-2i/D)), P[n, 2i+1] = cos(the same). The angle is computed in f64, as an angle of up to 63
// radians in f32 is off by up to 4e-6 already.
func.func private @positions() -> tensor<64x32xf32> {
  %empty = tensor.empty() : tensor<64x32xf32>
  %table = linalg.generic {
      indexing_maps = [affine_map<(n, d) -> (n, d)>], iterator_types = ["parallel", "parallel"]}
      outs(%empty : tensor<64x32xf32>) {
  ^bb0(%unused: f32):
    %n = linalg.index 0 : index
    %d = linalg.index 1 : index
    %one = arith.constant 1 : index
    %odd = arith.andi %d, %one : index
    %even = arith.subi %d, %odd : index
    %n_int = arith.index_cast %n : index to i64
    %even_int = arith.index_cast %even : index to i64
    %n_real = arith.sitofp %n_int : i64 to f64
    %even_real = arith.sitofp %even_int : i64 to f64
    // 10000^(-2i/D) = exp(2i (-ln(10000) / 32))
    %rate = arith.constant -0.28782313662425575 : f64
    %exponent = arith.mulf %even_real, %rate : f64
    %frequency = math.exp %exponent : f64
    %angle = arith.mulf %n_real, %frequency : f64
    %sin = math.sin %angle : f64
    %cos = math.cos %angle : f64
    %is_odd = arith.cmpi eq, %odd, %one : index
    %wide = arith.select %is_odd, %cos, %sin : f64
    %value = arith.truncf %wide : f64 to f32
    linalg.yield %value : f32
  } -> tensor<64x32xf32>
  return %table : tensor<64x32xf32>
}

// One layer, as in fftnet_layer.mlir, its parameters being arguments: both layers share the code.
func.func private @layer(%x: tensor<?x64x32xf32>, %in_weight: tensor<32xf32>, %in_bias: tensor<32xf32>,
    %w_base: tensor<32xf32>, %w1: tensor<128x32xf32>, %b1: tensor<128xf32>, %w2: tensor<32x128xf32>,
    %b2: tensor<32xf32>, %threshold: tensor<32xf32>, %out_weight: tensor<32xf32>, %out_bias: tensor<32xf32>)
    -> tensor<?x64x32xf32> {
  %u = bfly.layer_norm %x weight(%in_weight : tensor<32xf32>) bias(%in_bias : tensor<32xf32>)
      epsilon(1.0e-5) : tensor<?x64x32xf32>

  // The context: what the filter does to a sequence depends on the mean of its tokens, through an MLP.
  %m = bfly.mean %u : tensor<?x64x32xf32> -> tensor<?x32xf32>
  %hidden = bfly.linear %m, %w1 bias(%b1 : tensor<128xf32>) relu
      : tensor<?x32xf32>, tensor<128x32xf32> -> tensor<?x128xf32>
  %delta = bfly.linear %hidden, %w2 bias(%b2 : tensor<32xf32>)
      : tensor<?x128xf32>, tensor<32x128xf32> -> tensor<?x32xf32>

  // The filter, in the frequency domain: the region says what becomes of one bin. A parameter's dimensions are named;
  // along the others it is the same.
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
  %out = bfly.layer_norm %z weight(%out_weight : tensor<32xf32>) bias(%out_bias : tensor<32xf32>)
      epsilon(1.0e-5) : tensor<?x64x32xf32>
  return %out : tensor<?x64x32xf32>
}

func.func @model(%tokens: tensor<?x64xi64>) -> tensor<?x64x50xf32> {
  %embedding = ml_program.global_load_const @"embedding.weight" : tensor<50x32xf32>
  %x0 = func.call @embed(%tokens, %embedding) : (tensor<?x64xi64>, tensor<50x32xf32>) -> tensor<?x64x32xf32>

  %in_weight_0 = ml_program.global_load_const @"layers.0.input_norm.weight" : tensor<32xf32>
  %in_bias_0 = ml_program.global_load_const @"layers.0.input_norm.bias" : tensor<32xf32>
  %w_base_0 = ml_program.global_load_const @"layers.0.adaptive_filter.W_base" : tensor<32xf32>
  %w1_0 = ml_program.global_load_const @"layers.0.adaptive_filter.mlp.0.weight" : tensor<128x32xf32>
  %b1_0 = ml_program.global_load_const @"layers.0.adaptive_filter.mlp.0.bias" : tensor<128xf32>
  %w2_0 = ml_program.global_load_const @"layers.0.adaptive_filter.mlp.2.weight" : tensor<32x128xf32>
  %b2_0 = ml_program.global_load_const @"layers.0.adaptive_filter.mlp.2.bias" : tensor<32xf32>
  %threshold_0 = ml_program.global_load_const @"layers.0.modrelu.bias" : tensor<32xf32>
  %out_weight_0 = ml_program.global_load_const @"layers.0.output_norm.weight" : tensor<32xf32>
  %out_bias_0 = ml_program.global_load_const @"layers.0.output_norm.bias" : tensor<32xf32>
  %x1 = func.call @layer(%x0, %in_weight_0, %in_bias_0, %w_base_0, %w1_0, %b1_0, %w2_0,
      %b2_0, %threshold_0, %out_weight_0, %out_bias_0)
      : (tensor<?x64x32xf32>, tensor<32xf32>, tensor<32xf32>, tensor<32xf32>, tensor<128x32xf32>, tensor<128xf32>,
         tensor<32x128xf32>, tensor<32xf32>, tensor<32xf32>, tensor<32xf32>, tensor<32xf32>) -> tensor<?x64x32xf32>

  %in_weight_1 = ml_program.global_load_const @"layers.1.input_norm.weight" : tensor<32xf32>
  %in_bias_1 = ml_program.global_load_const @"layers.1.input_norm.bias" : tensor<32xf32>
  %w_base_1 = ml_program.global_load_const @"layers.1.adaptive_filter.W_base" : tensor<32xf32>
  %w1_1 = ml_program.global_load_const @"layers.1.adaptive_filter.mlp.0.weight" : tensor<128x32xf32>
  %b1_1 = ml_program.global_load_const @"layers.1.adaptive_filter.mlp.0.bias" : tensor<128xf32>
  %w2_1 = ml_program.global_load_const @"layers.1.adaptive_filter.mlp.2.weight" : tensor<32x128xf32>
  %b2_1 = ml_program.global_load_const @"layers.1.adaptive_filter.mlp.2.bias" : tensor<32xf32>
  %threshold_1 = ml_program.global_load_const @"layers.1.modrelu.bias" : tensor<32xf32>
  %out_weight_1 = ml_program.global_load_const @"layers.1.output_norm.weight" : tensor<32xf32>
  %out_bias_1 = ml_program.global_load_const @"layers.1.output_norm.bias" : tensor<32xf32>
  %x2 = func.call @layer(%x1, %in_weight_1, %in_bias_1, %w_base_1, %w1_1, %b1_1, %w2_1,
      %b2_1, %threshold_1, %out_weight_1, %out_bias_1)
      : (tensor<?x64x32xf32>, tensor<32xf32>, tensor<32xf32>, tensor<32xf32>, tensor<128x32xf32>, tensor<128xf32>,
         tensor<32x128xf32>, tensor<32xf32>, tensor<32xf32>, tensor<32xf32>, tensor<32xf32>) -> tensor<?x64x32xf32>

  %norm_weight = ml_program.global_load_const @"output_norm.weight" : tensor<32xf32>
  %norm_bias = ml_program.global_load_const @"output_norm.bias" : tensor<32xf32>
  %normed = bfly.layer_norm %x2 weight(%norm_weight : tensor<32xf32>) bias(%norm_bias : tensor<32xf32>)
      epsilon(1.0e-5) : tensor<?x64x32xf32>
  %proj_weight = ml_program.global_load_const @"output_proj.weight" : tensor<50x32xf32>
  %proj_bias = ml_program.global_load_const @"output_proj.bias" : tensor<50xf32>
  %logits = bfly.linear %normed, %proj_weight bias(%proj_bias : tensor<50xf32>)
      : tensor<?x64x32xf32>, tensor<50x32xf32> -> tensor<?x64x50xf32>
  return %logits : tensor<?x64x50xf32>
}
