// RUN: bfly-opt %s -bfly-expand-scopes -split-input-file -verify-diagnostics | FileCheck %s

// Units are shared out, their threads are serial; what the threads of a whole grid do is shared out, too.
// CHECK-LABEL: func.func @f
// CHECK-SAME:    (%[[X:.*]]: memref<?x2x8xf32>)
// CHECK:         %[[N:.*]] = memref.dim
// CHECK:         scf.parallel (%[[B:.*]], %[[U:.*]]) = (%{{.*}}, %{{.*}}) to (%[[N]], %c2{{.*}}) step (%{{.*}}, %{{.*}}) {
// CHECK:           memref.alloc
// CHECK:           scf.for %[[T:.*]] = %{{.*}} to %c8{{.*}} step %{{.*}} {
// CHECK:             memref.load %[[X]][%[[B]], %[[U]], %[[T]]]
// CHECK:           scf.for %[[I:.*]] = %{{.*}} to %c4{{.*}} step %{{.*}} {
// CHECK:             scf.for %[[J:.*]] = %{{.*}} to %c2{{.*}} step %{{.*}} {
// CHECK:               memref.load %[[X]][%[[B]], %[[J]], %[[I]]]
// CHECK:         scf.parallel (%[[T:.*]]) = (%{{.*}}) to (%c8{{.*}}) step (%{{.*}}) {
// CHECK:           memref.load %[[X]][%[[T]], %c0, %c0]
// CHECK-NOT:     bfly.
func.func @f(%x: memref<?x2x8xf32>) {
  %c0 = arith.constant 0 : index
  %n = memref.dim %x, %c0 : memref<?x2x8xf32>
  bfly.grid (%b, %u) in (%n, 2) sync(grid) {
    %s = memref.alloc() : memref<8xf32, #gpu.address_space<workgroup>>
    bfly.threads (%t) in (8) sync(block) {
      %v = memref.load %x[%b, %u, %t] : memref<?x2x8xf32>
      memref.store %v, %s[%t] : memref<8xf32, #gpu.address_space<workgroup>>
    }
    bfly.threads (%i, %j) in (4, 2) sync(none) {
      %v = memref.load %x[%b, %j, %i] : memref<?x2x8xf32>
      memref.store %v, %x[%b, %j, %i] : memref<?x2x8xf32>
    }
  }
  bfly.threads (%t) in (8) sync(none) {
    %v = memref.load %x[%t, %c0, %c0] : memref<?x2x8xf32>
    memref.store %v, %x[%t, %c0, %c0] : memref<?x2x8xf32>
  }
  return
}

// In a loop that is shared out already, all is serial.
// CHECK-LABEL: func.func @inside
// CHECK:         scf.parallel
// CHECK-NOT:     scf.parallel
// CHECK:           scf.for
// CHECK:             scf.for
// CHECK-NOT:     scf.parallel
func.func @inside(%x: memref<2x4x8xf32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  scf.parallel (%i) = (%c0) to (%c2) step (%c1) {
    bfly.grid (%u) in (4) sync(none) {
      bfly.threads (%t) in (8) sync(block) {
        %v = memref.load %x[%i, %u, %t] : memref<2x4x8xf32>
        memref.store %v, %x[%i, %u, %t] : memref<2x4x8xf32>
      }
    }
  }
  return
}

// -----

func.func @too_early(%x: memref<8xf32>) {
  bfly.threads (%t) in (8) sync(none) {
    // expected-error @below {{is in a bfly.grid or bfly.threads: -lower-affine has to be run first}}
    %v = affine.load %x[%t] : memref<8xf32>
    affine.store %v, %x[0] : memref<8xf32>
  }
  return
}
