// RUN: bfly-opt %s -pass-pipeline="builtin.module(func.func(bfly-erase-memory-spaces))" | FileCheck %s

// CHECK-LABEL: func.func @f
// CHECK:         memref.alloc() : memref<8xf32>
// CHECK:         memref.store %{{.*}} : memref<8xf32>
// CHECK-NOT:     address_space
func.func @f(%v: f32) {
  bfly.grid (%u) in (4) sync(none) {
    %s = memref.alloc() : memref<8xf32, #gpu.address_space<workgroup>>
    bfly.threads (%t) in (8) sync(block) {
      memref.store %v, %s[%t] : memref<8xf32, #gpu.address_space<workgroup>>
    }
  }
  return
}
