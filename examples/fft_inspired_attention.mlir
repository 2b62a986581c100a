// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The forward of FFT-IA's drop-in module, FFTInspiredAttention(dim=24, heads=4, dim_head=8), at mixer level:
//
//     v = x Wv^T      out = butterfly_attention(v)
//
// The module takes any number of tokens. 48 is no power of two: the compiler pads with zero tokens, which take part as
// ordinary ones, up to 64, and cuts the result back, inside the one kernel. The module holds weights for 16 stages;
// 64 tokens need the first six, and the parameter is those.
//
//     python examples/make_parameters.py data
//     bfly-run examples/fft_inspired_attention.mlir --input=@data/fft_inspired_attention.input.npy \
//         --parameters=data/fft_inspired_attention.safetensors \
//         --expected_output=@data/fft_inspired_attention.expected.npy

ml_program.global private @"to_v.weight"(#ml_program.extern<tensor<32x24xf32>>) : tensor<32x24xf32>
ml_program.global private @"to_q.weight"(#ml_program.extern<tensor<6x32x32xf32>>) : tensor<6x32x32xf32>
ml_program.global private @"to_k.weight"(#ml_program.extern<tensor<6x32x32xf32>>) : tensor<6x32x32xf32>

func.func @forward(%x: tensor<?x48x24xf32>) -> tensor<?x48x32xf32> {
  // From the model's 24 channels to 4 heads of 8, without a bias.
  %wv = ml_program.global_load_const @"to_v.weight" : tensor<32x24xf32>
  %v = bfly.linear %x, %wv : tensor<?x48x24xf32>, tensor<32x24xf32> -> tensor<?x48x32xf32>

  %wq = ml_program.global_load_const @"to_q.weight" : tensor<6x32x32xf32>
  %wk = ml_program.global_load_const @"to_k.weight" : tensor<6x32x32xf32>
  %y = bfly.butterfly_attention %v, %wq, %wk heads(4) : tensor<?x48x32xf32>, tensor<6x32x32xf32>
  return %y : tensor<?x48x32xf32>
}
