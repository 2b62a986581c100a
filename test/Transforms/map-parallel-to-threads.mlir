// RUN: bfly-opt %s --pass-pipeline='builtin.module(func.func(bfly-map-parallel-to-threads))' --split-input-file --verify-diagnostics | FileCheck %s

// CHECK-LABEL: func.func @inner_loops
// CHECK:       affine.parallel (%[[B:.*]]) = (0) to (symbol(%{{.*}})) {
// CHECK-NEXT:    affine.for %[[N:.*]] = 0 to 8 {
// CHECK-NEXT:      affine.for %[[C:.*]] = 0 to 16 step 4 {
// CHECK-NEXT:        affine.store %{{.*}}, %{{.*}}[%[[B]], %[[N]], %[[C]]]
func.func @inner_loops(%x: memref<?x8x16xf32>, %zero: f32) {
  %c0 = arith.constant 0 : index
  %batch = memref.dim %x, %c0 : memref<?x8x16xf32>
  affine.parallel (%b) = (0) to (symbol(%batch)) {
    affine.parallel (%n, %c) = (0, 0) to (8, 16) step (1, 4) {
      affine.store %zero, %x[%b, %n, %c] : memref<?x8x16xf32>
    }
  }
  return
}

// -----

// Tiles that do not divide: bounds of several expressions.

// CHECK-LABEL: func.func @bounds
// CHECK:       affine.parallel (%[[I:.*]]) = (0) to (100) step (32) {
// CHECK-NEXT:    affine.for %{{.*}} = {{.*}}(%[[I]]) to min {{.*}}(%[[I]]) {
func.func @bounds(%x: memref<100xf32>, %zero: f32) {
  affine.parallel (%i) = (0) to (100) step (32) {
    affine.parallel (%j) = (%i) to (min(%i + 32, 100)) {
      affine.store %zero, %x[%j] : memref<100xf32>
    }
  }
  return
}

// -----

// One iteration is nothing to share out: the loop inside it is the threads'.

// CHECK-LABEL: func.func @one_iteration
// CHECK:       affine.for %{{.*}} = 0 to 1 {
// CHECK-NEXT:    affine.parallel (%{{.*}}) = (0) to (16) {
// CHECK-NEXT:      affine.for %{{.*}} = 0 to 4 {
func.func @one_iteration(%x: memref<1x16x4xf32>, %zero: f32) {
  affine.parallel (%b) = (0) to (1) {
    affine.parallel (%n) = (0) to (16) {
      affine.parallel (%c) = (0) to (4) {
        affine.store %zero, %x[%b, %n, %c] : memref<1x16x4xf32>
      }
    }
  }
  return
}

// -----

// CHECK-LABEL: func.func @stack_memory
// CHECK:       affine.parallel
// CHECK-NEXT:    %[[A:.*]] = memref.alloca() : memref<4xf32>
// CHECK-NEXT:    %[[B:.*]] = memref.alloca() : memref<8xf32>
// CHECK-NEXT:    affine.for
// CHECK-NEXT:      affine.store %{{.*}}, %[[A]]
func.func @stack_memory(%zero: f32) {
  affine.parallel (%b) = (0) to (8) {
    affine.parallel (%n) = (0) to (16) {
      %a = memref.alloca() : memref<4xf32>
      affine.store %zero, %a[0] : memref<4xf32>
      %b2 = memref.alloca() : memref<8xf32>
      affine.store %zero, %b2[0] : memref<8xf32>
    }
  }
  return
}

// -----

func.func @reduction(%x: memref<16xf32>) -> f32 {
  // expected-error @+1 {{a parallel loop with reductions cannot be mapped to threads}}
  %s = affine.parallel (%i) = (0) to (16) reduce ("addf") -> f32 {
    %0 = affine.load %x[%i] : memref<16xf32>
    affine.yield %0 : f32
  }
  return %s : f32
}
