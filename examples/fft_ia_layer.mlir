// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// One layer of FFT-IA (FFT-Inspired Attention, Tantisukarom 2025), at mixer level: butterfly attention. In six stages,
// s = 1, 2, 4, … 32, every token attends to itself and to the one token s away from it, j XOR s; after the last each
// has seen all 64.
//
// B sequences of 64 tokens with 32 channels in 4 heads; queries and keys are projected afresh in every stage, each with
// its own weights, and see all channels (dense weights).
//
//     python examples/make_parameters.py data
//     bfly-run examples/fft_ia_layer.mlir --input=@data/fft_ia_layer.input.npy \
//         --parameters=data/fft_ia_layer.safetensors --expected_output=@data/fft_ia_layer.expected.npy

ml_program.global private @"to_q.weight"(#ml_program.extern<tensor<6x32x32xf32>>) : tensor<6x32x32xf32>
ml_program.global private @"to_k.weight"(#ml_program.extern<tensor<6x32x32xf32>>) : tensor<6x32x32xf32>

func.func @layer(%x: tensor<?x64x32xf32>) -> tensor<?x64x32xf32> {
  %wq = ml_program.global_load_const @"to_q.weight" : tensor<6x32x32xf32>
  %wk = ml_program.global_load_const @"to_k.weight" : tensor<6x32x32xf32>
  // The scale of the scores is 1/sqrt(8), of the channels of a head, unless `scale` gives another.
  %y = bfly.butterfly_attention %x, %wq, %wk heads(4) : tensor<?x64x32xf32>, tensor<6x32x32xf32>
  return %y : tensor<?x64x32xf32>
}
