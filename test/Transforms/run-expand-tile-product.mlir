// Tile products against the sum that defines them: rows, columns and depth that divide nothing, known and not.
// All values are small integers, so every order of a sum is exact.

// DEFINE: %{entry} =
// DEFINE: %{run} = mlir-runner -e %{entry} -entry-point-result=f32 | FileCheck %s
// DEFINE: %{pass} = bfly-expand-tile-product
// DEFINE: %{lower} = bfly-opt %s --pass-pipeline='builtin.module(func.func(%{pass},lower-affine),convert-scf-to-cf,convert-vector-to-llvm,expand-strided-metadata,lower-affine,finalize-memref-to-llvm,convert-arith-to-llvm,convert-func-to-llvm,convert-cf-to-llvm,reconcile-unrealized-casts)'

// REDEFINE: %{entry} = known
// RUN: %{lower} | %{run}
// REDEFINE: %{entry} = unknown
// RUN: %{lower} | %{run}
// REDEFINE: %{entry} = wide
// RUN: %{lower} | %{run}
// REDEFINE: %{pass} = bfly-expand-tile-product{lanes=4 rows=6}
// REDEFINE: %{entry} = known
// RUN: %{lower} | %{run}
// REDEFINE: %{entry} = unknown
// RUN: %{lower} | %{run}
// REDEFINE: %{entry} = wide
// RUN: %{lower} | %{run}

// The number of wrong places.
// CHECK: {{^}}0.000000e+00{{$}}

/// (5 i^2 + 3 j + i j) mod 13 - 6
func.func @value(%i: index, %j: index) -> f32 {
  %c3 = arith.constant 3 : index
  %c5 = arith.constant 5 : index
  %c6 = arith.constant 6 : index
  %c13 = arith.constant 13 : index
  %0 = arith.muli %i, %i : index
  %1 = arith.muli %0, %c5 : index
  %2 = arith.muli %j, %c3 : index
  %3 = arith.muli %i, %j : index
  %4 = arith.addi %1, %2 : index
  %5 = arith.addi %4, %3 : index
  %6 = arith.remui %5, %c13 : index
  %7 = arith.subi %6, %c6 : index
  %8 = arith.index_cast %7 : index to i32
  %9 = arith.sitofp %8 : i32 to f32
  return %9 : f32
}

/// B as panels of 20 of a matrix of the same values, what is over of the last panel being poison for C.
func.func @panels(%b: memref<3x7x20xf32>) {
  %huge = arith.constant 1.0e+30 : f32
  affine.for %p = 0 to 3 {
    affine.for %k = 0 to 7 {
      affine.for %j = 0 to 20 {
        affine.if affine_set<(d0, d1) : (44 - d0 * 20 - d1 >= 0)>(%p, %j) {
          %n = affine.apply affine_map<(d0, d1) -> (d0 * 20 + d1)>(%p, %j)
          %n1 = arith.addi %n, %k : index
          %v = func.call @value(%n, %n1) : (index, index) -> f32
          affine.store %v, %b[%p, %k, %j] : memref<3x7x20xf32>
        } else {
          affine.store %huge, %b[%p, %k, %j] : memref<3x7x20xf32>
        }
      }
    }
  }
  return
}

func.func @matrix(%a: memref<?x?xf32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %m = memref.dim %a, %c0 : memref<?x?xf32>
  %n = memref.dim %a, %c1 : memref<?x?xf32>
  affine.for %i = 0 to %m {
    affine.for %k = 0 to %n {
      %v = func.call @value(%i, %k) : (index, index) -> f32
      affine.store %v, %a[%i, %k] : memref<?x?xf32>
    }
  }
  return
}

/// How many places of C, beside `start`, are not the product; C is (rows, 48) with 45 columns in use.
func.func @check(%a: memref<?x?xf32>, %b: memref<3x7x20xf32>, %c: memref<?x?xf32>, %start: f32) -> f32 {
  %c0 = arith.constant 0 : index
  %zero = arith.constant 0.0 : f32
  %one = arith.constant 1.0 : f32
  %m = memref.dim %a, %c0 : memref<?x?xf32>
  %wrong = affine.for %i = 0 to %m iter_args(%w0 = %zero) -> f32 {
    %w = affine.for %j = 0 to 45 iter_args(%w1 = %w0) -> f32 {
      %s = affine.for %k = 0 to 7 iter_args(%acc = %start) -> f32 {
        %0 = affine.load %a[%i, %k] : memref<?x?xf32>
        %1 = affine.load %b[%j floordiv 20, %k, %j mod 20] : memref<3x7x20xf32>
        %2 = arith.mulf %0, %1 : f32
        %3 = arith.addf %acc, %2 : f32
        affine.yield %3 : f32
      }
      %4 = affine.load %c[%i, %j] : memref<?x?xf32>
      %5 = arith.cmpf une, %4, %s : f32
      %6 = arith.select %5, %one, %zero : f32
      %7 = arith.addf %w1, %6 : f32
      affine.yield %7 : f32
    }
    // Beyond its columns C keeps what it had.
    %v = affine.for %j = 45 to 48 iter_args(%w1 = %w) -> f32 {
      %4 = affine.load %c[%i, %j] : memref<?x?xf32>
      %5 = arith.cmpf une, %4, %start : f32
      %6 = arith.select %5, %one, %zero : f32
      %7 = arith.addf %w1, %6 : f32
      affine.yield %7 : f32
    }
    affine.yield %v : f32
  }
  return %wrong : f32
}

func.func @set(%c: memref<?x?xf32>, %value: f32) {
  %c0 = arith.constant 0 : index
  %m = memref.dim %c, %c0 : memref<?x?xf32>
  affine.for %i = 0 to %m {
    affine.for %j = 0 to 48 {
      affine.store %value, %c[%i, %j] : memref<?x?xf32>
    }
  }
  return
}

/// 20 rows; the sum is stored over what was there.
func.func @known() -> f32 {
  %four = arith.constant 4.0 : f32
  %a = memref.alloc() : memref<20x7xf32>
  %b = memref.alloc() : memref<3x7x20xf32>
  %c = memref.alloc() : memref<20x48xf32>
  %da = memref.cast %a : memref<20x7xf32> to memref<?x?xf32>
  %dc = memref.cast %c : memref<20x48xf32> to memref<?x?xf32>
  func.call @matrix(%da) : (memref<?x?xf32>) -> ()
  func.call @panels(%b) : (memref<3x7x20xf32>) -> ()
  func.call @set(%dc, %four) : (memref<?x?xf32>, f32) -> ()
  %part = memref.subview %c[0, 0] [20, 45] [1, 1] : memref<20x48xf32> to memref<20x45xf32, strided<[48, 1]>>
  bfly.tile_product %a, %b, %part accumulate
      : memref<20x7xf32>, memref<3x7x20xf32>, memref<20x45xf32, strided<[48, 1]>>
  %wrong = func.call @check(%da, %b, %dc, %four) : (memref<?x?xf32>, memref<3x7x20xf32>, memref<?x?xf32>, f32) -> f32
  return %wrong : f32
}

/// 0 to 23 rows.
func.func @unknown() -> f32 {
  %zero = arith.constant 0.0 : f32
  %b = memref.alloc() : memref<3x7x20xf32>
  func.call @panels(%b) : (memref<3x7x20xf32>) -> ()
  %c7 = arith.constant 7 : index
  %c48 = arith.constant 48 : index
  %wrong = affine.for %m = 0 to 24 iter_args(%w = %zero) -> f32 {
    %a = memref.alloc(%m, %c7) : memref<?x?xf32>
    %c = memref.alloc(%m, %c48) : memref<?x?xf32>
    func.call @matrix(%a) : (memref<?x?xf32>) -> ()
    func.call @set(%c, %zero) : (memref<?x?xf32>, f32) -> ()
    %part = memref.subview %c[0, 0] [%m, 45] [1, 1] : memref<?x?xf32> to memref<?x45xf32, strided<[?, 1]>>
    bfly.tile_product %a, %b, %part
        : memref<?x?xf32>, memref<3x7x20xf32>, memref<?x45xf32, strided<[?, 1]>>
    %new = func.call @check(%a, %b, %c, %zero) : (memref<?x?xf32>, memref<3x7x20xf32>, memref<?x?xf32>, f32) -> f32
    %sum = arith.addf %w, %new : f32
    memref.dealloc %a : memref<?x?xf32>
    memref.dealloc %c : memref<?x?xf32>
    affine.yield %sum : f32
  }
  memref.dealloc %b : memref<3x7x20xf32>
  return %wrong : f32
}

/// f64, and a panel wider than the registers hold at a time.
func.func @wide() -> f32 {
  %zero = arith.constant 0.0 : f32
  %one = arith.constant 1.0 : f32
  %wide_zero = arith.constant 0.0 : f64
  %a = memref.alloc() : memref<9x6xf64>
  %b = memref.alloc() : memref<1x6x70xf64>
  %c = memref.alloc() : memref<9x69xf64>
  affine.for %k = 0 to 6 {
    affine.for %i = 0 to 9 {
      %v = func.call @value(%i, %k) : (index, index) -> f32
      %x = arith.extf %v : f32 to f64
      affine.store %x, %a[%i, %k] : memref<9x6xf64>
    }
    affine.for %j = 0 to 70 {
      %v = func.call @value(%j, %k) : (index, index) -> f32
      %x = arith.extf %v : f32 to f64
      affine.store %x, %b[0, %k, %j] : memref<1x6x70xf64>
    }
  }
  bfly.tile_product %a, %b, %c : memref<9x6xf64>, memref<1x6x70xf64>, memref<9x69xf64>
  %wrong = affine.for %i = 0 to 9 iter_args(%w0 = %zero) -> f32 {
    %w = affine.for %j = 0 to 69 iter_args(%w1 = %w0) -> f32 {
      %s = affine.for %k = 0 to 6 iter_args(%acc = %wide_zero) -> f64 {
        %0 = affine.load %a[%i, %k] : memref<9x6xf64>
        %1 = affine.load %b[0, %k, %j] : memref<1x6x70xf64>
        %2 = arith.mulf %0, %1 : f64
        %3 = arith.addf %acc, %2 : f64
        affine.yield %3 : f64
      }
      %4 = affine.load %c[%i, %j] : memref<9x69xf64>
      %5 = arith.cmpf une, %4, %s : f64
      %6 = arith.select %5, %one, %zero : f32
      %7 = arith.addf %w1, %6 : f32
      affine.yield %7 : f32
    }
    affine.yield %w : f32
  }
  return %wrong : f32
}
