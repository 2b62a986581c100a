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

// -----

// What an operation promises of its operands proves nothing, and is taken back.
// CHECK-LABEL: func.func @promises
// CHECK-NEXT:    arith.constant
// CHECK-NEXT:    arith.constant
// CHECK:         arith.addi %{{.*}}, %{{.*}} : index
// CHECK-NEXT:    arith.divsi %{{.*}}, %{{.*}} : index
// CHECK:         arith.addf %{{.*}}, %{{.*}} fastmath<contract> : f32
// CHECK:         cf.assert %{{.*}}, {{.*}}'memref.load'
func.func @promises(%x: memref<8xf32>, %i: index, %a: f32) -> f32 {
  %large = arith.constant 9223372036854775807 : index
  %step = arith.constant 1152921504606846976 : index
  %0 = arith.addi %i, %large overflow<nsw> : index
  %1 = arith.divsi %0, %step exact : index
  %2 = arith.addf %a, %a fastmath<nnan,ninf,contract> : f32
  %3 = memref.load %x[%1] : memref<8xf32>
  %4 = arith.addf %2, %3 : f32
  return %4 : f32
}

// -----

// The parts of a size: proven, checked.
// CHECK-LABEL: func.func @parts
// CHECK:         memref.expand_shape
// CHECK-DAG:     %[[COUNT:.*]] = arith.divui
// CHECK-DAG:     %[[REST:.*]] = arith.remui
// CHECK:         cf.assert %{{.*}}, {{.*}}'memref.expand_shape'
// CHECK-NEXT:    memref.expand_shape
// CHECK-NOT:     cf.assert
func.func @parts(%x: memref<?x6xf32>, %n: index) {
  %c0 = arith.constant 0 : index
  %d = memref.dim %x, %c0 : memref<?x6xf32>
  %0 = memref.expand_shape %x [[0], [1, 2]] output_shape [%d, 2, 3] : memref<?x6xf32> into memref<?x2x3xf32>
  %1 = memref.expand_shape %x [[0, 1], [2]] output_shape [%n, 4, 6] : memref<?x6xf32> into memref<?x4x6xf32>
  return
}

// -----

// An element of a vector that only data knows.
// CHECK-LABEL: func.func @positions
// CHECK:         vector.extract
// CHECK:         cf.assert %{{.*}}, {{.*}}'vector.extract'
// CHECK:         cf.assert %{{.*}}, {{.*}}'vector.insert'
func.func @positions(%v: vector<8xf32>, %i: index, %a: f32) -> vector<8xf32> {
  affine.for %j = 0 to 8 {
    %0 = vector.extract %v[%j] : f32 from vector<8xf32>
  }
  %1 = vector.extract %v[%i] : f32 from vector<8xf32>
  %2 = vector.insert %a, %v[%i] : f32 into vector<8xf32>
  return %2 : vector<8xf32>
}

// -----

// The size of a dimension that only data knows.
// CHECK-LABEL: func.func @dimension
// CHECK:         memref.dim
// CHECK:         cf.assert %{{.*}}, {{.*}}'memref.dim'
// CHECK-NEXT:    memref.dim
func.func @dimension(%x: memref<?x8xf32>, %i: index) -> index {
  %c0 = arith.constant 0 : index
  %0 = memref.dim %x, %c0 : memref<?x8xf32>
  %1 = memref.dim %x, %i : memref<?x8xf32>
  %2 = arith.addi %0, %1 : index
  return %2 : index
}

// -----

// Numbers of a GPU's scopes lie below their sizes, which are not negative.
// CHECK-LABEL: func.func @scopes
// CHECK-SAME:    (%[[X:.*]]: memref<?x8x4xf32> {bufferize.result}, %[[N:.*]]: index)
// CHECK-NOT:     cf.assert
// CHECK:           affine.store
// CHECK-NOT:       cf.assert
// CHECK:         %[[SIZE:.*]] = arith.cmpi sge, %[[N]], %c0{{.*}} : index
// CHECK-NEXT:    cf.assert %[[SIZE]], "{{.*}}check-bounds.mlir:[[#@LINE+11]]:3: 'bfly.threads' has a size that is negative"
// CHECK:         bfly.threads
func.func @scopes(%x: memref<?x8x4xf32> {bufferize.result}, %n: index) {
  %c0 = arith.constant 0 : index
  %zero = arith.constant 0.0 : f32
  %batch = memref.dim %x, %c0 : memref<?x8x4xf32>
  bfly.grid (%b, %u) in (%batch, 2) sync(none) {
    bfly.threads (%t) in (16) sync(block) {
      affine.store %zero, %x[%b, %u * 4 + %t floordiv 4, %t mod 4] : memref<?x8x4xf32>
    }
  }
  bfly.threads (%i, %j) in (%n, %n) sync(none) {
  }
  return
}
