// Lane loops give what the scalar loops give: as they stand, at the default width, and at widths that make
// loops and rests of everything. All values are small integers, so every order of a sum is exact.

// DEFINE: %{entry} =
// DEFINE: %{run} = mlir-runner -e %{entry} -entry-point-result=f32
// DEFINE: %{pass} =
// DEFINE: %{lower} = bfly-opt %s --pass-pipeline='builtin.module(func.func(%{pass}lower-affine),convert-scf-to-cf,convert-vector-to-llvm,expand-strided-metadata,lower-affine,finalize-memref-to-llvm,convert-math-to-llvm,convert-arith-to-llvm,convert-func-to-llvm,convert-cf-to-llvm,reconcile-unrealized-casts)'

// REDEFINE: %{entry} = product
// RUN: %{lower} | %{run} | FileCheck %s --check-prefix=PRODUCT
// REDEFINE: %{pass} = bfly-vectorize-lanes,
// RUN: %{lower} | %{run} | FileCheck %s --check-prefix=PRODUCT
// REDEFINE: %{pass} = bfly-vectorize-lanes{lanes=8 unroll=0},
// RUN: %{lower} | %{run} | FileCheck %s --check-prefix=PRODUCT
// REDEFINE: %{pass} = bfly-vectorize-lanes{lanes=64},
// RUN: %{lower} | %{run} | FileCheck %s --check-prefix=PRODUCT
// PRODUCT: {{^}}3.542840e+05{{$}}

// REDEFINE: %{entry} = largest
// REDEFINE: %{pass} =
// RUN: %{lower} | %{run} | FileCheck %s --check-prefix=LARGEST
// REDEFINE: %{pass} = bfly-vectorize-lanes,
// RUN: %{lower} | %{run} | FileCheck %s --check-prefix=LARGEST
// REDEFINE: %{pass} = bfly-vectorize-lanes{lanes=4 unroll=0},
// RUN: %{lower} | %{run} | FileCheck %s --check-prefix=LARGEST
// LARGEST: {{^}}5.000000e+00{{$}}

// REDEFINE: %{entry} = wide
// REDEFINE: %{pass} =
// RUN: %{lower} | %{run} | FileCheck %s --check-prefix=WIDE
// REDEFINE: %{pass} = bfly-vectorize-lanes,
// RUN: %{lower} | %{run} | FileCheck %s --check-prefix=WIDE
// REDEFINE: %{pass} = bfly-vectorize-lanes{lanes=6 unroll=0},
// RUN: %{lower} | %{run} | FileCheck %s --check-prefix=WIDE
// WIDE: {{^}}3.715000e+02{{$}}

/// (i^2 + 3 i) mod 11 - 5
func.func @value(%i: index) -> f32 {
  %c3 = arith.constant 3 : index
  %c5 = arith.constant 5 : index
  %c11 = arith.constant 11 : index
  %0 = arith.muli %i, %i : index
  %1 = arith.muli %i, %c3 : index
  %2 = arith.addi %0, %1 : index
  %3 = arith.remui %2, %c11 : index
  %4 = arith.subi %3, %c5 : index
  %5 = arith.index_cast %4 : index to i32
  %6 = arith.sitofp %5 : i32 to f32
  return %6 : f32
}

func.func @fill(%x: memref<416xf32>) {
  affine.for %i = 0 to 416 {
    %v = func.call @value(%i) : (index) -> f32
    affine.store %v, %x[%i] : memref<416xf32>
  }
  return
}

/// Every place counts differently.
func.func @checksum(%y: memref<52xf32>) -> f32 {
  %zero = arith.constant 0.0 : f32
  %s = affine.for %c = 0 to 52 iter_args(%acc = %zero) -> f32 {
    %i = affine.apply affine_map<(d0) -> (d0 mod 5 + 1)>(%c)
    %0 = arith.index_cast %i : index to i32
    %1 = arith.sitofp %0 : i32 to f32
    %2 = affine.load %y[%c] : memref<52xf32>
    %3 = arith.mulf %1, %2 : f32
    %4 = arith.addf %acc, %3 : f32
    affine.yield %4 : f32
  }
  return %s : f32
}

/// y[c] = max(sum_k a[k] w[k, c], -20), or its negative where the condition holds; plus a sum of all.
func.func @product() -> f32 {
  %zero = arith.constant 0.0 : f32
  %floor = arith.constant -20.0 : f32
  %n = arith.constant 3 : index
  %flat = memref.alloc() : memref<416xf32>
  func.call @fill(%flat) : (memref<416xf32>) -> ()
  %w = memref.reinterpret_cast %flat to offset: [0], sizes: [8, 52], strides: [52, 1]
      : memref<416xf32> to memref<8x52xf32, strided<[52, 1]>>
  %y = memref.alloc() : memref<52xf32>
  %total = affine.for %c = 0 to 52 iter_args(%t = %floor) -> f32 {
    %s = affine.for %k = 0 to 8 iter_args(%acc = %zero) -> f32 {
      %0 = affine.load %w[%k, %c] : memref<8x52xf32, strided<[52, 1]>>
      %1 = affine.load %flat[%k * 2 + 1] : memref<416xf32>
      %2 = math.fma %0, %1, %acc : f32
      affine.yield %2 : f32
    }
    %m = arith.cmpf ogt, %s, %floor : f32
    %r = arith.select %m, %s, %floor : f32
    affine.if affine_set<()[s0] : (s0 - 2 >= 0)>()[%n] {
      affine.store %r, %y[%c] : memref<52xf32>
    } else {
      %g = arith.negf %r : f32
      affine.store %g, %y[%c] : memref<52xf32>
    }
    %u = arith.addf %t, %s : f32
    affine.yield %u : f32
  } {bfly.lanes}
  %sum = func.call @checksum(%y) : (memref<52xf32>) -> f32
  memref.dealloc %y : memref<52xf32>
  memref.dealloc %flat : memref<416xf32>
  %thousand = arith.constant 1000.0 : f32
  %scaled = arith.mulf %total, %thousand : f32
  %both = arith.addf %scaled, %sum : f32
  return %both : f32
}

/// The largest of 37 values from 100 on that are squared and turned over.
func.func @largest() -> f32 {
  %low = arith.constant -1000.0 : f32
  %flat = memref.alloc() : memref<416xf32>
  func.call @fill(%flat) : (memref<416xf32>) -> ()
  %one = arith.constant 1.0 : f32
  %m = affine.for %c = 0 to 37 iter_args(%t = %low) -> f32 {
    %i = affine.apply affine_map<(d0) -> (d0 + 100)>(%c)
    %0 = affine.load %flat[%i] : memref<416xf32>
    %1 = arith.mulf %0, %0 : f32
    %2 = arith.subf %one, %1 : f32
    %3 = affine.load %flat[%i * 1 + 7] : memref<416xf32>
    %4 = arith.subf %2, %3 : f32
    %5 = arith.maximumf %4, %t : f32
    affine.yield %5 : f32
  } {bfly.lanes}
  memref.dealloc %flat : memref<416xf32>
  return %m : f32
}

/// Sums in f64 of values kept in f32.
func.func @wide() -> f32 {
  %flat = memref.alloc() : memref<416xf32>
  func.call @fill(%flat) : (memref<416xf32>) -> ()
  %y = memref.alloc() : memref<29xf64>
  affine.parallel (%c) = (0) to (29) {
    %0 = affine.load %flat[%c + 11] : memref<416xf32>
    %1 = arith.extf %0 : f32 to f64
    %2 = arith.mulf %1, %1 : f64
    affine.store %2, %y[%c] : memref<29xf64>
  } {bfly.lanes}
  %zero = arith.constant 0.5 : f64
  %s = affine.for %c = 0 to 29 iter_args(%t = %zero) -> f64 {
    %0 = affine.load %y[%c] : memref<29xf64>
    %1 = arith.addf %0, %t : f64
    affine.yield %1 : f64
  } {bfly.lanes}
  memref.dealloc %y : memref<29xf64>
  memref.dealloc %flat : memref<416xf32>
  %r = arith.truncf %s : f64 to f32
  return %r : f32
}
