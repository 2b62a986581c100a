// RUN: bfly-opt %s --pass-pipeline='builtin.module(func.func(bfly-expand-copies))' | FileCheck %s

// CHECK-LABEL: func @view
func.func @view(%a: memref<2x3xf32>, %b: memref<2x3xf32, strided<[4, 1]>>) {
  // CHECK-NOT: memref.copy
  // CHECK: linalg.copy ins(%{{.*}} : memref<2x3xf32>) outs(%{{.*}} : memref<2x3xf32, strided<[4, 1]>>)
  memref.copy %a, %b : memref<2x3xf32> to memref<2x3xf32, strided<[4, 1]>>
  return
}

// CHECK-LABEL: func @whole
func.func @whole(%a: memref<2x3xf32>, %b: memref<2x3xf32>) {
  // CHECK: memref.copy
  memref.copy %a, %b : memref<2x3xf32> to memref<2x3xf32>
  return
}
