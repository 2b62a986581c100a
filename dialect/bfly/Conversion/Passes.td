// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Passes that cross one level.

#ifndef BFLY_CONVERSION_PASSES_TD
#define BFLY_CONVERSION_PASSES_TD

include "mlir/Pass/PassBase.td"

def ConvertMixerToNetworkPass
    : Pass<"bfly-convert-mixer-to-network", "::mlir::func::FuncOp"> {
  let summary = "Mixers to transforms, spectra and attention stages";
  let description = [{
    `bfly.spectral_filter` becomes `bfly.fft`, `bfly.spectrum_map` and `bfly.ifft`;
    `bfly.butterfly_attention` becomes a pad to a power of two, ceil(log2 N)
    `bfly.attention_stage`s in the compute type, and a slice.

    Before:
    ```mlir
    %y = bfly.spectral_filter %x params() : tensor<2x8x4xf32> -> tensor<2x8x4xf32> {
    ^bb0(%bin: complex<f32>, %k: index):
      bfly.yield %bin : complex<f32>
    }
    ```
    After:
    ```mlir
    %f = bfly.fft %x : tensor<2x8x4xf32> -> tensor<2x8x4xcomplex<f32>>
    %a = bfly.spectrum_map %f params() tokens(8)
        : tensor<2x8x4xcomplex<f32>> -> tensor<2x8x4xcomplex<f32>> {
    ^bb0(%bin: complex<f32>, %k: index):
      bfly.yield %bin : complex<f32>
    }
    %y = bfly.ifft %a : tensor<2x8x4xcomplex<f32>> -> tensor<2x8x4xf32>
    ```
  }];
  let dependentDialects = ["::mlir::bfly::BflyDialect", "::mlir::tensor::TensorDialect",
                           "::mlir::arith::ArithDialect"];
}

def ConvertScheduleToAffinePass
    : Pass<"bfly-convert-schedule-to-affine", "::mlir::func::FuncOp"> {
  let summary = "Kernels to affine nests on memrefs";
  let description = [{
    Each `bfly.kernel` gets memref operands (its tensors as buffers, its results
    as buffers allocated before it) and a body of affine loops that follows its
    plan. A kernel without a plan is an error.

    Before:
    ```mlir
    %m = bfly.kernel "mean" (%a = %x) plan <machine = "cpu", lanes = 16, tile = 4,
        radices = [], groups = [], parallel = "batch">
        : (tensor<2x8x4xf32>) -> tensor<2x4xf32> {
      %0 = bfly.mean %a : tensor<2x8x4xf32> -> tensor<2x4xf32>
      bfly.yield %0 : tensor<2x4xf32>
    }
    ```
    After:
    ```mlir
    %0 = bufferization.to_buffer %x read_only : tensor<2x8x4xf32> to memref<2x8x4xf32>
    %alloc = memref.alloc() : memref<2x4xf32>
    bfly.kernel "mean" (%a = %0, %b = %alloc) plan <machine = "cpu", lanes = 16, tile = 4,
        radices = [], groups = [], parallel = "batch"> : (memref<2x8x4xf32>, memref<2x4xf32>) {
      %eighth = arith.constant 0.125 : f32
      %zero = arith.constant 0.0 : f32
      affine.parallel (%i) = (0) to (2) {
        affine.for %c = 0 to 4 {
          %sum = affine.for %n = 0 to 8 iter_args(%partial = %zero) -> f32 {
            %1 = affine.load %a[%i, %n, %c] : memref<2x8x4xf32>
            %2 = arith.addf %partial, %1 : f32
            affine.yield %2 : f32
          }
          %mean = arith.mulf %sum, %eighth : f32
          affine.store %mean, %b[%i, %c] : memref<2x4xf32>
        } {bfly.lanes}
      }
    }
    %m = bufferization.to_tensor %alloc restrict writable : memref<2x4xf32> to tensor<2x4xf32>
    ```
  }];
  let dependentDialects = ["::mlir::bfly::BflyDialect", "::mlir::affine::AffineDialect",
                           "::mlir::memref::MemRefDialect", "::mlir::arith::ArithDialect",
                           "::mlir::math::MathDialect", "::mlir::bufferization::BufferizationDialect",
                           "::mlir::gpu::GPUDialect", "::mlir::vector::VectorDialect"];
}

#endif // BFLY_CONVERSION_PASSES_TD
