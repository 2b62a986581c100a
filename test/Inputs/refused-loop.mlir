// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// A loop that cannot carry tensors.
func.func @loop(%x: tensor<2x8x4xf32>) -> tensor<2x8x4xf32> {
  // One slice of the result for each channel.
  %c4 = arith.constant 4 : index
  %e = tensor.empty() : tensor<2x8x4xf32>
  %r = scf.forall (%c) in (%c4) shared_outs(%o = %e) -> (tensor<2x8x4xf32>) {
    %s = tensor.extract_slice %x[0, 0, %c] [2, 8, 1] [1, 1, 1] : tensor<2x8x4xf32> to tensor<2x8x1xf32>
    %f = bfly.spectral_filter %s : tensor<2x8x1xf32> -> tensor<2x8x1xf32> {
    ^bb0(%z: complex<f32>, %k: index):
      bfly.yield %z : complex<f32>
    }
    scf.forall.in_parallel {
      tensor.parallel_insert_slice %f into %o[0, 0, %c] [2, 8, 1] [1, 1, 1] : tensor<2x8x1xf32> into tensor<2x8x4xf32>
    }
  }
  return %r : tensor<2x8x4xf32>
}
