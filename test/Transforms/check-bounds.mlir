// RUN: bfly-opt %s -split-input-file -bfly-check-bounds | FileCheck %s

// An index that only data knows is checked, a constant that fits is not.
// CHECK-LABEL: func.func @row
// CHECK-SAME:    %[[TABLE:.*]]: tensor<50x8xf32>, %[[I:.*]]: index
// CHECK-DAG:     %[[END:.*]] = arith.constant 50 : index
// CHECK:         %[[INSIDE:.*]] = arith.cmpi ult, %{{.*}}, %[[END]] : index
// CHECK-NEXT:    cf.assert %[[INSIDE]], "{{.*}}check-bounds.mlir:[[#@LINE+5]]:8: 'tensor.extract' leaves its array"
// CHECK-NEXT:    tensor.extract
// CHECK-NOT:     cf.assert
func.func @row(%table: tensor<50x8xf32>, %i: index) -> f32 {
  %c3 = arith.constant 3 : index
  %0 = tensor.extract %table[%i, %c3] : tensor<50x8xf32>
  return %0 : f32
}

// -----

// Loops, quotients, remainders, conditions, clamps: all proven.
// CHECK-LABEL: func.func @proven
// CHECK-NOT:     cf.assert
// CHECK:         return
func.func @proven(%x: memref<30x8xf32> {bufferize.result}, %k: i64) -> f32 {
  %zero = arith.constant 0.0 : f32
  affine.parallel (%ii) = (0) to (30) step (8) {
    affine.for %i = 0 to min affine_map<(d0) -> (8, 30 - d0)>(%ii) {
      affine.for %j = 0 to 16 {
        affine.store %zero, %x[%ii + %i, %j floordiv 2] : memref<30x8xf32>
        affine.store %zero, %x[(%ii + %i * 2) mod 30, %j mod 8] : memref<30x8xf32>
        affine.if affine_set<(d0) : (7 - d0 >= 0)>(%j) {
          affine.store %zero, %x[0, %j] : memref<30x8xf32>
        } else {
          affine.store %zero, %x[0, %j - 8] : memref<30x8xf32>
        }
      }
    }
  }
  affine.for %i = 0 to 60 {
    affine.store %zero, %x[((%i * -7) mod 60) floordiv 4 - ((((%i * -7) mod 60) floordiv 4) floordiv 5) * 5, 0] : memref<30x8xf32>
  }
  %low = arith.constant 0 : i64
  %high = arith.constant 29 : i64
  %0 = arith.maxsi %k, %low : i64
  %1 = arith.minsi %0, %high : i64
  %2 = arith.index_cast %1 : i64 to index
  %c7 = arith.constant 7 : index
  %3 = memref.load %x[%2, %c7] : memref<30x8xf32>
  return %3 : f32
}

// -----

// Only the last iteration is outside. So is what overflows, although exact arithmetic says otherwise.
// CHECK-LABEL: func.func @outside
// CHECK-COUNT-3: cf.assert
// CHECK-NOT:     cf.assert
func.func @outside(%x: memref<8xf32> {bufferize.result}) {
  %zero = arith.constant 0.0 : f32
  affine.for %i = 0 to 9 {
    affine.store %zero, %x[%i] : memref<8xf32>
  }
  affine.for %i = 0 to 8 {
    affine.store %zero, %x[%i - 1] : memref<8xf32>
    affine.store %zero, %x[(%i * 2305843009213693953) floordiv 2305843009213693952] : memref<8xf32>
  }
  return
}

// -----

// Two arguments that have to be of one size: asserted once, where the function begins.
// CHECK-LABEL: func.func @batch
// CHECK:         %[[SAME:.*]] = arith.cmpi eq
// CHECK-NEXT:    cf.assert %[[SAME]], {{.*}}'affine.store'
// CHECK-NOT:     cf.assert
func.func @batch(%x: memref<?x4xf32>, %y: memref<?x4xf32> {bufferize.result}) {
  %c0 = arith.constant 0 : index
  %n = memref.dim %x, %c0 : memref<?x4xf32>
  affine.for %b = 0 to %n {
    affine.for %i = 0 to 4 {
      %0 = affine.load %x[%b, %i] : memref<?x4xf32>
      affine.store %0, %y[%b, %i] : memref<?x4xf32>
      affine.store %0, %y[%n - %b - 1, 3 - %i] : memref<?x4xf32>
    }
  }
  return
}

// -----

// Slices: proven, checked, of a size that is not known; copies of what may differ.
// CHECK-LABEL: func.func @slices
// CHECK:         cf.assert %{{.*}}, {{.*}}'memref.subview'
// CHECK:         memref.subview
// CHECK:         cf.assert %{{.*}}, {{.*}}'memref.copy'
// CHECK-NOT:     cf.assert
func.func @slices(%x: memref<20xf32>, %i: index, %z: memref<?xf32> {bufferize.result}) {
  affine.for %j = 0 to 4 {
    %o = affine.apply affine_map<(d0) -> (d0 * 5)>(%j)
    %p = memref.subview %x[%o] [5] [1] : memref<20xf32> to memref<5xf32, strided<[1], offset: ?>>
  }
  %s = memref.subview %x[%i] [4] [2] : memref<20xf32> to memref<4xf32, strided<[2], offset: ?>>
  %d = memref.cast %x : memref<20xf32> to memref<?xf32>
  memref.copy %d, %z : memref<?xf32> to memref<?xf32>
  return
}

// -----

// Memory of a size that data gives; vectors of several elements.
// CHECK-LABEL: func.func @memory
// CHECK:         cf.assert %{{.*}}, {{.*}}'memref.alloc'
// CHECK-NOT:     cf.assert
// CHECK:         vector.load
// CHECK:         cf.assert %{{.*}}, {{.*}}'vector.load'
// CHECK-NOT:     cf.assert
func.func @memory(%n: index, %x: memref<20xf32>) {
  %m = memref.alloc(%n) : memref<?xf32>
  affine.for %i = 0 to 17 {
    %0 = vector.load %x[%i] : memref<20xf32>, vector<4xf32>
  }
  affine.for %i = 0 to 18 {
    %0 = vector.load %x[%i] : memref<20xf32>, vector<4xf32>
  }
  return
}
