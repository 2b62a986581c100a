// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// FNet's mixing (arXiv 2105.03824): y = Re(DFT over tokens of DFT over channels), with no parameter and no inverse.
// It shows that a spectrum and its map are general: here the map alone ends the network, and yields a real number.
//
// B sequences of 60 tokens (4 · 3 · 5: no power of two) with 32 channels. bfly.fft transforms along the tokens, so
// the sequences are turned on their side for the channels.
//
//     python examples/make_parameters.py data
//     bfly-run examples/fnet_mixing.mlir --input=@data/fnet_mixing.input.npy \
//         --expected_output=@data/fnet_mixing.expected.npy

func.func @mix(%x: tensor<?x60x32xf32>) -> tensor<?x60x32xf32> {
  %zero = arith.constant 0 : index
  %batch = tensor.dim %x, %zero : tensor<?x60x32xf32>

  // Over the channels: each becomes a "token" of 60 numbers.
  %turned_empty = tensor.empty(%batch) : tensor<?x32x60xf32>
  %turned = linalg.transpose ins(%x : tensor<?x60x32xf32>) outs(%turned_empty : tensor<?x32x60xf32>)
      permutation = [0, 2, 1]
  %over_channels = bfly.fft %turned : tensor<?x32x60xf32> -> tensor<?x32x60xcomplex<f32>>

  // Over the tokens, of what is complex by now.
  %back_empty = tensor.empty(%batch) : tensor<?x60x32xcomplex<f32>>
  %back = linalg.transpose ins(%over_channels : tensor<?x32x60xcomplex<f32>>)
      outs(%back_empty : tensor<?x60x32xcomplex<f32>>) permutation = [0, 2, 1]
  %over_both = bfly.fft %back : tensor<?x60x32xcomplex<f32>> -> tensor<?x60x32xcomplex<f32>>

  // The real part of every bin is the result.
  %y = bfly.spectrum_map %over_both tokens(60) : tensor<?x60x32xcomplex<f32>> -> tensor<?x60x32xf32> {
  ^bb0(%bin: complex<f32>, %k: index):
    %re = complex.re %bin : complex<f32>
    bfly.yield %re : f32
  }
  return %y : tensor<?x60x32xf32>
}
