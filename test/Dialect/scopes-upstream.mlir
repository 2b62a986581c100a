// RUN: bfly-opt %s -canonicalize | FileCheck %s
// RUN: bfly-opt %s -cse | FileCheck %s
// RUN: bfly-opt %s -affine-simplify-structures | FileCheck %s
// RUN: bfly-opt %s -loop-invariant-code-motion | FileCheck %s --check-prefixes=CHECK,MOVED
// RUN: bfly-opt %s -lower-affine -canonicalize -cse -loop-invariant-code-motion | FileCheck %s

// What upstream's passes leave of scopes is what they mean: one unit, one iteration and a barrier behind nothing stay.

// CHECK-LABEL: func.func @one_of_each
// CHECK:         bfly.grid (%{{.*}}) in (1) sync(grid) {
// CHECK:           bfly.threads (%{{.*}}) in (1) sync(block) {
// CHECK:             store
// CHECK:           bfly.threads (%{{.*}}) in (64) sync(block) {
// CHECK:             store
// CHECK:         bfly.grid (%{{.*}}) in (1) sync(none) {
// CHECK-NEXT:      bfly.threads (%{{.*}}) in (1) sync(none) {
// CHECK:             store
func.func @one_of_each(%x: memref<64xf32>, %y: memref<64xf32>) {
  bfly.grid (%u) in (1) sync(grid) {
    bfly.threads (%t) in (1) sync(block) {
      %v = affine.load %x[%t] : memref<64xf32>
      affine.store %v, %y[%u] : memref<64xf32>
    }
    bfly.threads (%t) in (64) sync(block) {
      %v = affine.load %y[0] : memref<64xf32>
      affine.store %v, %x[%t] : memref<64xf32>
    }
  }
  bfly.grid (%u) in (1) sync(none) {
    bfly.threads (%t) in (1) sync(none) {
      %v = affine.load %x[%t + 1] : memref<64xf32>
      affine.store %v, %y[%t] : memref<64xf32>
    }
  }
  return
}

// A barrier is one where nothing else is done.
// CHECK-LABEL: func.func @barriers_alone
// CHECK:         bfly.grid (%{{.*}}) in (8) sync(none) {
// CHECK:           bfly.threads (%{{.*}}) in (0) sync(block) {
// CHECK:         bfly.grid (%{{.*}}) in (8) sync(grid) {
func.func @barriers_alone() {
  bfly.grid (%u) in (8) sync(none) {
    bfly.threads (%t) in (0) sync(block) {
    }
  }
  bfly.grid (%u) in (8) sync(grid) {
  }
  return
}

// The loop of one iteration goes, the scopes around and in it stay; what does not change in a scope comes before it.
// CHECK-LABEL: func.func @invariant
// MOVED:         arith.mulf
// MOVED:         bfly.grid
// MOVED-NOT:     arith.mulf
// CHECK:         bfly.threads (%{{.*}}) in (8) sync(block) {
// CHECK:         bfly.threads (%{{.*}}) in (8) sync(block) {
// CHECK-NOT:     bfly.threads
func.func @invariant(%x: memref<8x8xf32>, %y: memref<8x8xf32>, %a: f32) {
  bfly.grid (%u) in (8) sync(none) {
    affine.for %i = 0 to 1 {
      bfly.threads (%t) in (8) sync(block) {
        %b = arith.mulf %a, %a : f32
        affine.store %b, %x[%u, %t + %i] : memref<8x8xf32>
      }
      bfly.threads (%t) in (8) sync(block) {
        %v = affine.load %x[%u, -%t + 7] : memref<8x8xf32>
        affine.store %v, %y[%u, %t] : memref<8x8xf32>
      }
    }
  }
  return
}
