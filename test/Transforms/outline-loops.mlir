// RUN: bfly-opt %s -bfly-outline-loops=max-loops=1 | FileCheck %s
// RUN: bfly-opt %s -bfly-outline-loops | FileCheck %s --check-prefix=FEW

// CHECK-LABEL: func.func @two(
// CHECK-SAME: %[[X:.*]]: memref<?xf32>, %[[N:.*]]: index)
// CHECK-NOT: scf.for
// CHECK: call @two_loops(%[[X]], %[[N]])
// CHECK: call @two_loops_0(%[[X]], %[[N]])
// FEW: scf.for
// FEW: scf.parallel
func.func @two(%x: memref<?xf32>, %n: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %one = arith.constant 1.0 : f32
  scf.for %i = %c0 to %n step %c1 {
    memref.store %one, %x[%i] : memref<?xf32>
  }
  scf.parallel (%i) = (%c0) to (%n) step (%c1) {
    memref.store %one, %x[%i] : memref<?xf32>
  }
  return
}

// CHECK-LABEL: func.func @one(
// CHECK: scf.for
func.func @one(%x: memref<?xf32>, %n: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %one = arith.constant 1.0 : f32
  scf.for %i = %c0 to %n step %c1 {
    memref.store %one, %x[%i] : memref<?xf32>
  }
  return
}

// CHECK: func.func private @two_loops(%{{.*}}: {{.*}})
// CHECK: scf.for
// CHECK: func.func private @two_loops_0(
// CHECK: scf.parallel
