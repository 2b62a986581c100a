// RUN: bfly-opt %s --pass-pipeline='builtin.module(func.func(bfly-free-temporaries))' | FileCheck %s

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
