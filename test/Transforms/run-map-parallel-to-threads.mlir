// Loops that become serial visit what the parallel ones visited, tiles that do not divide among it.

// DEFINE: %{run} = mlir-runner -e main -entry-point-result=f32 | FileCheck %s
// DEFINE: %{lower} = func.func(lower-affine),convert-scf-to-cf,expand-strided-metadata,finalize-memref-to-llvm,convert-arith-to-llvm,convert-func-to-llvm,convert-cf-to-llvm,reconcile-unrealized-casts

// RUN: bfly-opt %s --pass-pipeline='builtin.module(%{lower})' | %{run}
// RUN: bfly-opt %s --pass-pipeline='builtin.module(func.func(bfly-map-parallel-to-threads),%{lower})' | %{run}

// CHECK: {{^}}5.306400e+05{{$}}

/// x[i, j] += 7 i + j for each place once, over 3 x tiles of 8 x 8 of 30 x 21; then a weighted sum.
func.func @main() -> f32 {
  %zero = arith.constant 0.0 : f32
  %x = memref.alloc() : memref<3x30x21xf32>
  affine.for %b = 0 to 3 {
    affine.for %i = 0 to 30 {
      affine.for %j = 0 to 21 {
        affine.store %zero, %x[%b, %i, %j] : memref<3x30x21xf32>
      }
    }
  }
  affine.parallel (%b) = (0) to (3) {
    affine.parallel (%ii, %jj) = (0, 0) to (30, 21) step (8, 8) {
      %tile = memref.alloca() : memref<8x8xf32>
      affine.parallel (%i, %j) = (%ii, %jj) to (min(%ii + 8, 30), min(%jj + 8, 21)) {
        %0 = affine.apply affine_map<(d0, d1) -> (d0 * 7 + d1)>(%i, %j)
        %1 = arith.index_cast %0 : index to i32
        %2 = arith.sitofp %1 : i32 to f32
        affine.store %2, %tile[%i - %ii, %j - %jj] : memref<8x8xf32>
      }
      affine.parallel (%i, %j) = (%ii, %jj) to (min(%ii + 8, 30), min(%jj + 8, 21)) {
        %0 = affine.load %tile[%i - %ii, %j - %jj] : memref<8x8xf32>
        %1 = affine.load %x[%b, %i, %j] : memref<3x30x21xf32>
        %2 = arith.addf %0, %1 : f32
        affine.store %2, %x[%b, %i, %j] : memref<3x30x21xf32>
      }
    }
  }
  %s = affine.for %b = 0 to 3 iter_args(%s0 = %zero) -> f32 {
    %t = affine.for %i = 0 to 30 iter_args(%s1 = %s0) -> f32 {
      %u = affine.for %j = 0 to 21 iter_args(%s2 = %s1) -> f32 {
        %w = affine.apply affine_map<(d0, d1, d2) -> (d0 + d1 mod 3 + d2 mod 2)>(%b, %i, %j)
        %0 = arith.index_cast %w : index to i32
        %1 = arith.sitofp %0 : i32 to f32
        %2 = affine.load %x[%b, %i, %j] : memref<3x30x21xf32>
        %3 = arith.mulf %1, %2 : f32
        %4 = arith.addf %s2, %3 : f32
        affine.yield %4 : f32
      }
      affine.yield %u : f32
    }
    affine.yield %t : f32
  }
  memref.dealloc %x : memref<3x30x21xf32>
  return %s : f32
}
