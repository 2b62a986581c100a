// RUN: bfly-opt %s -bfly-unroll-thread-loops | FileCheck %s

// Short loops of a thread wholly, longer ones so many iterations at a time, six at
// most, that none are left over; loops around threads, and those of a phase's
// threads, stay.
// CHECK-LABEL: func.func @f
// CHECK:         scf.for
// CHECK:           bfly.grid
// CHECK:             bfly.threads
// CHECK-COUNT-4:       memref.load
// CHECK-NOT:           scf.for
// CHECK:             bfly.threads
// CHECK:               scf.for
// CHECK-COUNT-4:         memref.load
// CHECK-NOT:             memref.load
// CHECK:         bfly.threads
// CHECK:           scf.for
// CHECK-COUNT-1:     memref.load
// CHECK-NOT:         memref.load
func.func @f(%a: memref<64x64xf32>, %b: memref<64xf32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c4 = arith.constant 4 : index
  %c64 = arith.constant 64 : index
  %zero = arith.constant 0.0 : f32
  scf.for %stage = %c0 to %c4 step %c1 {
    bfly.grid (%unit) in (4) sync(grid) {
      bfly.threads (%t) in (64) sync(block) {
        %sum = scf.for %i = %c0 to %c4 step %c1 iter_args(%s = %zero) -> (f32) {
          %v = memref.load %a[%i, %t] : memref<64x64xf32>
          %next = arith.addf %s, %v : f32
          scf.yield %next : f32
        }
        memref.store %sum, %b[%t] : memref<64xf32>
      }
      bfly.threads (%t) in (64) sync(block) {
        %sum = scf.for %i = %c0 to %c64 step %c1 iter_args(%s = %zero) -> (f32) {
          %v = memref.load %a[%i, %t] : memref<64x64xf32>
          %next = arith.addf %s, %v : f32
          scf.yield %next : f32
        }
        memref.store %sum, %b[%t] : memref<64xf32>
      }
    }
  }
  bfly.threads (%t) in (64) sync(none) {
    %sum = scf.for %i = %c0 to %c64 step %c1 iter_args(%s = %zero) -> (f32) {
      %v = memref.load %a[%i, %t] : memref<64x64xf32>
      %next = arith.addf %s, %v : f32
      scf.yield %next : f32
    }
    memref.store %sum, %b[%t] : memref<64xf32>
  }
  return
}
