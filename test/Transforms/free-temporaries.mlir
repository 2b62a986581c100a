// RUN: bfly-opt %s -split-input-file -verify-diagnostics -bfly-free-temporaries | FileCheck %s

// CHECK-LABEL: func @last_use
func.func @last_use(%c: f32, %out: memref<8xf32>) {
  // CHECK: %[[A:.*]] = memref.alloc
  %0 = memref.alloc() : memref<8xf32>
  %1 = memref.subview %0[2] [4] [1] : memref<8xf32> to memref<4xf32, strided<[1], offset: 2>>
  affine.for %i = 0 to 4 {
    affine.store %c, %1[%i] : memref<4xf32, strided<[1], offset: 2>>
  }
  // CHECK: affine.for
  // CHECK: }
  // A use of a view is a use.
  // CHECK-NEXT: memref.dealloc %[[A]]
  // CHECK-NEXT: affine.store
  affine.store %c, %out[0] : memref<8xf32>
  return
}

// CHECK-LABEL: func @leaves
func.func @leaves(%c: f32) -> memref<8xf32> {
  %0 = memref.alloc() : memref<8xf32>
  affine.store %c, %0[0] : memref<8xf32>
  // CHECK-NOT: memref.dealloc
  return %0 : memref<8xf32>
}

// CHECK-LABEL: func @freed
func.func @freed(%c: f32) {
  %0 = memref.alloc() : memref<8xf32>
  affine.store %c, %0[0] : memref<8xf32>
  // CHECK: memref.dealloc
  // CHECK-NOT: memref.dealloc
  memref.dealloc %0 : memref<8xf32>
  return
}

// What an iteration allocates it frees.
// CHECK-LABEL: func @loop
func.func @loop(%c: f32, %n: index, %out: memref<8xf32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  // CHECK: %[[A:.*]] = memref.alloc
  %0 = memref.alloc() : memref<8xf32>
  // CHECK: scf.for
  %1 = scf.for %i = %c0 to %n step %c1 iter_args(%a = %0) -> (memref<8xf32>) {
    // CHECK-NEXT: %[[B:.*]] = memref.alloc
    %2 = memref.alloc() : memref<8xf32>
    // CHECK-NEXT: memref.copy
    memref.copy %a, %2 : memref<8xf32> to memref<8xf32>
    // CHECK-NEXT: memref.copy %[[B]]
    memref.copy %2, %a : memref<8xf32> to memref<8xf32>
    // CHECK-NEXT: memref.dealloc %[[B]]
    // CHECK-NEXT: scf.yield
    scf.yield %a : memref<8xf32>
  }
  // CHECK: memref.copy
  memref.copy %1, %out : memref<8xf32> to memref<8xf32>
  // What a loop carries is used as long as its result is.
  // CHECK-NEXT: memref.dealloc %[[A]]
  return
}

// -----

func.func @leaves_a_loop(%x: memref<8xf32>, %n: index, %out: memref<8xf32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %1 = scf.for %i = %c0 to %n step %c1 iter_args(%a = %x) -> (memref<8xf32>) {
    // expected-error @+1 {{is of a buffer that leaves the loop or branch that it is allocated in}}
    %2 = memref.alloc() : memref<8xf32>
    memref.copy %a, %2 : memref<8xf32> to memref<8xf32>
    scf.yield %2 : memref<8xf32>
  }
  memref.copy %1, %out : memref<8xf32> to memref<8xf32>
  return
}
