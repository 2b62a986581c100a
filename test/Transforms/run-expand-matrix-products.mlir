// Products of matrix units against the sums that define them. All values are small integers, so every order of a sum
// is exact.

// DEFINE: %{entry} =
// DEFINE: %{pass} =
// DEFINE: %{run} = mlir-runner -e %{entry} -entry-point-result=f32 | FileCheck %s
// DEFINE: %{lower} = bfly-opt %s --pass-pipeline='builtin.module(func.func(%{pass},bfly-erase-memory-spaces,lower-affine,bfly-expand-scopes),convert-scf-to-cf,convert-vector-to-llvm,expand-strided-metadata,lower-affine,finalize-memref-to-llvm,convert-arith-to-llvm,convert-func-to-llvm,convert-cf-to-llvm,reconcile-unrealized-casts)'

// REDEFINE: %{pass} = bfly-expand-matrix-products
// REDEFINE: %{entry} = product
// RUN: %{lower} | %{run}
// REDEFINE: %{entry} = stream
// RUN: %{lower} | %{run}
// REDEFINE: %{pass} = bfly-expand-matrix-products{unroll}
// REDEFINE: %{entry} = product
// RUN: %{lower} | %{run}
// REDEFINE: %{entry} = stream
// RUN: %{lower} | %{run}

// The number of wrong places.
// CHECK: {{^}}0.000000e+00{{$}}

#workgroup = #gpu.address_space<workgroup>
#private = #gpu.address_space<private>

/// (5 i + 3 j + i j) mod 13 - 6
func.func @value(%i: index, %j: index) -> f32 {
  %c3 = arith.constant 3 : index
  %c5 = arith.constant 5 : index
  %c6 = arith.constant 6 : index
  %c13 = arith.constant 13 : index
  %1 = arith.muli %i, %c5 : index
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

/// 128 rows of A and 24 of B, 32 deep: A[m, k] = value(m, k), B[n, k] = value(n + 7, k). C starts as ones.
func.func @product() -> f32 {
  %zero = arith.constant 0.0 : f32
  %one = arith.constant 1.0 : f32
  %c7 = arith.constant 7 : index
  %wrong = affine.for %unit = 0 to 1 iter_args(%w0 = %zero) -> f32 {
    %a = memref.alloc() : memref<2x8x4x8x8xf32, #workgroup>
    %b = memref.alloc() : memref<3x4x8x8xf32, #workgroup>
    %c = memref.alloc() : memref<256x12xf32, #private>
    affine.for %k = 0 to 32 {
      affine.for %m = 0 to 128 {
        %v = func.call @value(%m, %k) : (index, index) -> f32
        affine.store %v, %a[%m floordiv 64, (%m mod 64) floordiv 8, %k floordiv 8, %m mod 8, %k mod 8] : memref<2x8x4x8x8xf32, #workgroup>
      }
      affine.for %n = 0 to 24 {
        %n7 = arith.addi %n, %c7 : index
        %v = func.call @value(%n7, %k) : (index, index) -> f32
        affine.store %v, %b[%n floordiv 8, %k floordiv 8, %n mod 8, %k mod 8] : memref<3x4x8x8xf32, #workgroup>
      }
    }
    affine.for %t = 0 to 256 {
      affine.for %i = 0 to 12 {
        affine.store %one, %c[%t, %i] : memref<256x12xf32, #private>
      }
    }
    bfly.grid (%u) in (1) sync(none) {
      bfly.matrix_product %a, %b, %c accumulate : memref<2x8x4x8x8xf32, #workgroup>, memref<3x4x8x8xf32, #workgroup>, memref<256x12xf32, #private>
    }
    %w = affine.for %t = 0 to 256 iter_args(%w1 = %w0) -> f32 {
      %v = affine.for %i = 0 to 12 iter_args(%w2 = %w1) -> f32 {
        %m = affine.apply affine_map<(t, i) -> ((t floordiv 128) * 64 + ((t mod 128) floordiv 32) * 16 + (t mod 32) floordiv 4 + ((i floordiv 2) mod 2) * 8)>(%t, %i)
        %n = affine.apply affine_map<(t, i) -> ((i floordiv 4) * 8 + (t mod 4) * 2 + i mod 2 + 7)>(%t, %i)
        %sum = affine.for %k = 0 to 32 iter_args(%s = %one) -> f32 {
          %x = func.call @value(%m, %k) : (index, index) -> f32
          %y = func.call @value(%n, %k) : (index, index) -> f32
          %z = arith.mulf %x, %y : f32
          %next = arith.addf %s, %z : f32
          affine.yield %next : f32
        }
        %got = affine.load %c[%t, %i] : memref<256x12xf32, #private>
        %bad = arith.cmpf une, %got, %sum : f32
        %count = arith.select %bad, %one, %zero : f32
        %next = arith.addf %w2, %count : f32
        affine.yield %next : f32
      }
      affine.yield %v : f32
    }
    affine.yield %w : f32
  }
  return %wrong : f32
}

/// Three steps of 16; parts p of A are value(m, k + p) and q of B value(n + 7, k + q); what C held is overwritten.
func.func @stream() -> f32 {
  %zero = arith.constant 0.0 : f32
  %one = arith.constant 1.0 : f32
  %wrong = affine.for %unit = 0 to 1 iter_args(%w0 = %zero) -> f32 {
    %a = memref.alloc() : memref<3x2x1x8x2x8x8xf32>
    %b = memref.alloc() : memref<3x2x2x2x8x8xf32>
    %c = memref.alloc() : memref<128x24xf32, #private>
    %ring = memref.alloc() : memref<2x12288xi8, #workgroup>
    affine.for %p = 0 to 2 {
      affine.for %k = 0 to 48 {
        %kp = affine.apply affine_map<(k, p) -> (k + p)>(%k, %p)
        affine.for %m = 0 to 64 {
          %v = func.call @value(%m, %kp) : (index, index) -> f32
          affine.store %v, %a[%k floordiv 16, %p, 0, %m floordiv 8, (%k mod 16) floordiv 8, %m mod 8, %k mod 8] : memref<3x2x1x8x2x8x8xf32>
        }
        affine.for %n = 0 to 16 {
          %n7 = affine.apply affine_map<(n) -> (n + 7)>(%n)
          %v = func.call @value(%n7, %kp) : (index, index) -> f32
          affine.store %v, %b[%k floordiv 16, %p, %n floordiv 8, (%k mod 16) floordiv 8, %n mod 8, %k mod 8] : memref<3x2x2x2x8x8xf32>
        }
      }
    }
    bfly.grid (%u) in (1) sync(none) {
      bfly.stream_product %a, %b, %c through %ring products [1, 0, 0, 1, 1, 1] minus [-1, -1, 0] : memref<3x2x1x8x2x8x8xf32>, memref<3x2x2x2x8x8xf32>, memref<128x24xf32, #private>, memref<2x12288xi8, #workgroup>
    }
    %w = affine.for %t = 0 to 128 iter_args(%w1 = %w0) -> f32 {
      %v = affine.for %j = 0 to 24 iter_args(%w2 = %w1) -> f32 {
        %m = affine.apply affine_map<(t, j) -> ((t floordiv 32) * 16 + (t mod 32) floordiv 4 + ((j floordiv 2) mod 2) * 8)>(%t, %j)
        %n = affine.apply affine_map<(t, j) -> (((j mod 8) floordiv 4) * 8 + (t mod 4) * 2 + j mod 2 + 7)>(%t, %j)
        // Products 0, 1, 2 have parts 1, 0, 1 of A and 0, 1, 1 of B; the last one has part 0 of A subtracted.
        %third = arith.constant 16 : index
        %isThird = arith.cmpi sge, %j, %third : index
        %p = affine.apply affine_map<(j) -> ((j floordiv 8 + 1) mod 2)>(%j)
        %q = affine.apply affine_map<(j) -> ((j floordiv 8 + 1) floordiv 2)>(%j)
        %sum = affine.for %k = 0 to 48 iter_args(%s = %zero) -> f32 {
          %kp = arith.addi %k, %p : index
          %kq = arith.addi %k, %q : index
          %x = func.call @value(%m, %kp) : (index, index) -> f32
          %y = func.call @value(%n, %kq) : (index, index) -> f32
          %first = func.call @value(%m, %k) : (index, index) -> f32
          %minus = arith.select %isThird, %first, %zero : f32
          %d = arith.subf %x, %minus : f32
          %z = arith.mulf %d, %y : f32
          %next = arith.addf %s, %z : f32
          affine.yield %next : f32
        }
        %got = affine.load %c[%t, %j] : memref<128x24xf32, #private>
        %bad = arith.cmpf une, %got, %sum : f32
        %count = arith.select %bad, %one, %zero : f32
        %next = arith.addf %w2, %count : f32
        affine.yield %next : f32
      }
      affine.yield %v : f32
    }
    memref.dealloc %a : memref<3x2x1x8x2x8x8xf32>
    memref.dealloc %b : memref<3x2x2x2x8x8xf32>
    affine.yield %w : f32
  }
  return %wrong : f32
}
