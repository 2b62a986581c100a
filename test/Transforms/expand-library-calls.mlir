// RUN: bfly-opt %s --pass-pipeline='builtin.module(func.func(bfly-expand-library-calls))' | FileCheck %s

// CHECK-LABEL: func @forward
// CHECK-SAME: (%[[X:.*]]: memref<?x6x4xf32>, %[[F:.*]]: memref<?x4x4xcomplex<f32>>)
// CHECK: %[[W:.*]] = bfly.table roots(6) : memref<6x2xf64>
// CHECK: affine.parallel (%[[B:.*]], %[[K:.*]], %[[C:.*]]) = (0, 0, 0) to (symbol(%{{.*}}), 4, 4) {
// CHECK: %[[SUM:.*]]:3 = affine.for %[[N:.*]] = 0 to 6 iter_args(%{{.*}} = %{{.*}}, %{{.*}} = %{{.*}}, %[[ROW:.*]] = %{{.*}}) -> (f64, f64, index) {
// CHECK: affine.load %[[X]][%[[B]], %[[N]], %[[C]]]
// CHECK: memref.load %[[W]][%[[ROW]], %{{.*}}]
// CHECK: memref.load %[[W]][%[[ROW]], %{{.*}}]
// CHECK: %[[NEXT:.*]] = arith.addi %[[ROW]], %[[K]]
// CHECK: arith.cmpi uge, %[[NEXT]]
// CHECK-NOT: arith.negf
// CHECK: affine.store %{{.*}}, %[[F]][%[[B]], %[[K]], %[[C]]]
// CHECK-NOT: library_transform
func.func @forward(%x: memref<?x6x4xf32>, %f: memref<?x4x4xcomplex<f32>>) {
  bfly.library_transform %x to %f : memref<?x6x4xf32> to memref<?x4x4xcomplex<f32>>
  return
}

// Bins stand for two, but for those that are their own mirror, which are real.
// CHECK-LABEL: func @inverse
// CHECK: affine.for %[[K:.*]] = 0 to 4
// CHECK: %[[FIRST:.*]] = arith.cmpi eq, %[[K]], %{{.*}}
// CHECK: arith.cmpi eq, %[[K]], %{{.*}}
// CHECK: %[[OWN:.*]] = arith.ori %[[FIRST]]
// CHECK: arith.select %[[OWN]]
// CHECK: arith.select %[[OWN]]
// CHECK: arith.negf
// CHECK: arith.truncf %{{.*}} : f64 to f32
func.func @inverse(%f: memref<2x4x4xcomplex<f32>>, %x: memref<2x6x4xf32>) {
  bfly.library_transform inverse %f to %x : memref<2x4x4xcomplex<f32>> to memref<2x6x4xf32>
  return
}

// CHECK-LABEL: func @product
// CHECK-SAME: (%[[X:.*]]: memref<?x6x4xbf16>, %[[W:.*]]: memref<5x4xbf16>, %[[B:.*]]: memref<5xbf16>, %[[Y:.*]]: memref<?x6x5xbf16>)
// CHECK: affine.parallel (%[[I:.*]], %[[J:.*]], %[[O:.*]]) = (0, 0, 0) to (symbol(%{{.*}}), 6, 5) {
// CHECK: affine.load %[[B]][%[[O]]]
// CHECK: affine.for %[[K:.*]] = 0 to 4 iter_args({{.*}}) -> (f64) {
// CHECK: affine.load %[[X]][%[[I]], %[[J]], %[[K]]]
// CHECK: affine.load %[[W]][%[[O]], %[[K]]]
// CHECK: arith.truncf %{{.*}} : f64 to bf16
// CHECK: affine.store %{{.*}}, %[[Y]][%[[I]], %[[J]], %[[O]]]
// CHECK-NOT: library_product
func.func @product(%x: memref<?x6x4xbf16>, %w: memref<5x4xbf16>, %b: memref<5xbf16>, %y: memref<?x6x5xbf16>) {
  bfly.library_product %x, %w bias(%b : memref<5xbf16>) to %y : memref<?x6x4xbf16>, memref<5x4xbf16> to memref<?x6x5xbf16>
  return
}

// Rows of all sequences in order, of one head's columns.
// CHECK-LABEL: func @row_product
// CHECK-SAME: (%[[A:.*]]: memref<?x6x4xbf16>, %[[B:.*]]: memref<?x6x10xbf16>, %[[Y:.*]]: memref<2x2x5xf32>)
// CHECK: affine.parallel (%[[H:.*]], %[[O:.*]], %[[I:.*]]) = (0, 0, 0) to (2, 2, 5) {
// CHECK: %[[SUM:.*]] = affine.for %[[S:.*]] = 0 to %{{.*}} iter_args({{.*}}) -> (f64) {
// CHECK: affine.for %[[R:.*]] = 0 to 6 iter_args({{.*}}) -> (f64) {
// CHECK: %[[LEFT:.*]] = affine.apply {{.*}}(%[[H]], %[[O]])
// CHECK: affine.load %[[A]][%[[S]], %[[R]], %[[LEFT]]]
// CHECK: %[[RIGHT:.*]] = affine.apply {{.*}}(%[[H]], %[[I]])
// CHECK: affine.load %[[B]][%[[S]], %[[R]], %[[RIGHT]]]
// CHECK: %[[ROUNDED:.*]] = arith.truncf %[[SUM]] : f64 to f32
// CHECK: affine.store %[[ROUNDED]], %[[Y]][%[[H]], %[[O]], %[[I]]]
func.func @row_product(%a: memref<?x6x4xbf16>, %b: memref<?x6x10xbf16>, %y: memref<2x2x5xf32>) {
  bfly.library_row_product %a, %b to %y heads 2 : memref<?x6x4xbf16>, memref<?x6x10xbf16> to memref<2x2x5xf32>
  return
}
