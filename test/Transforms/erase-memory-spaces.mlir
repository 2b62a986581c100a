// RUN: bfly-opt %s -pass-pipeline="builtin.module(func.func(bfly-erase-memory-spaces))" | FileCheck %s

// CHECK-LABEL: func.func @f
// CHECK:         memref.alloc() : memref<8xf32>
// CHECK:         memref.store %{{.*}} : memref<8xf32>
// CHECK-NOT:     address_space
func.func @f(%v: f32) {
  affine.parallel (%u) = (0) to (4) {
    %s = memref.alloc() : memref<8xf32, #gpu.address_space<workgroup>>
    affine.parallel (%t) = (0) to (8) {
      memref.store %v, %s[%t] : memref<8xf32, #gpu.address_space<workgroup>>
    }
  }
  return
}
