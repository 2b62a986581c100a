// RUN: bfly-opt %s --pass-pipeline='builtin.module(func.func(bfly-expand-matrix-products))' | FileCheck %s
// RUN: bfly-opt %s --pass-pipeline='builtin.module(bfly-set-target{target=sm_90a},func.func(bfly-expand-matrix-products{keep-units unroll}))' | FileCheck %s --check-prefix=GPU

// Where the target has no units that kernels use, they are loops too.
// RUN: bfly-opt %s --pass-pipeline='builtin.module(bfly-set-target{target=sm_80},func.func(bfly-expand-matrix-products{keep-units unroll}))' | FileCheck %s --check-prefix=LOOPS
// LOOPS-NOT: bfly.{{matrix|stream}}_product

#workgroup = #gpu.address_space<workgroup>
#private = #gpu.address_space<private>

// The thread's rows are those of wgmma's fragments; 16-bit elements are widened.
// CHECK-LABEL: func.func @narrow
// CHECK-SAME:  (%[[A:.*]]: memref<1x8x2x8x8xbf16, {{.*}}>, %[[B:.*]]: memref<4x2x8x8xbf16, {{.*}}>, %[[C:.*]]: memref<128x16xf32, {{.*}}>)
// CHECK:       bfly.threads (%[[T:.*]]) in (128) sync(block) {
// CHECK-NEXT:    affine.for %[[I:.*]] = 0 to 16 {
// CHECK-NEXT:      %[[OLD:.*]] = affine.load %[[C]][symbol(%[[T]]), %[[I]]]
// CHECK-NEXT:      %[[SUM:.*]] = affine.for %[[M:.*]] = 0 to 2 iter_args(%{{.*}} = %[[OLD]]) -> (f32) {
// CHECK-NEXT:        affine.for %[[K:.*]] = 0 to 8
// CHECK-NEXT:          %[[L:.*]] = affine.load %[[A]][symbol(%[[T]]) floordiv 128, (%[[I]] floordiv 2) mod 2 + ((symbol(%[[T]]) mod 128) floordiv 32) * 2, %[[M]], (symbol(%[[T]]) mod 32) floordiv 4, %[[K]]]
// CHECK-NEXT:          arith.extf %[[L]] : bf16 to f32
// CHECK-NEXT:          %[[R:.*]] = affine.load %[[B]][%[[I]] floordiv 4, %[[M]], %[[I]] + (%[[I]] floordiv 2) * -2 + symbol(%[[T]]) * 2 - (symbol(%[[T]]) floordiv 4) * 8, %[[K]]]
// CHECK:           affine.store %[[SUM]], %[[C]][symbol(%[[T]]), %[[I]]]
// CHECK-NOT:   bfly.matrix_product
// Those of 16-bit types stay for the matrix units.
// GPU-LABEL: func.func @narrow
// GPU: bfly.matrix_product
func.func @narrow(%a: memref<1x8x2x8x8xbf16, #workgroup>, %b: memref<4x2x8x8xbf16, #workgroup>, %c: memref<128x16xf32, #private>) {
  bfly.grid (%unit) in (1) sync(none) {
    bfly.matrix_product %a, %b, %c accumulate : memref<1x8x2x8x8xbf16, #workgroup>, memref<4x2x8x8xbf16, #workgroup>, memref<128x16xf32, #private>
  }
  return
}

// Three products of two parts by one: eight columns are four registers of each. On a GPU every one has a number, and
// rows come four elements at a time, each once: two of either part of A, two columns of B.
// CHECK-LABEL: func.func @streamed
// CHECK:       affine.for %{{.*}} = 0 to 4 {
// CHECK:         affine.for %{{.*}} = 0 to 5 iter_args
// CHECK:       affine.store %{{.*}}[symbol(%{{.*}}), %{{.*}} + 8]
// GPU-LABEL: func.func @streamed
// GPU-NOT:     bfly.stream_product
// GPU:         bfly.threads (%[[T:.*]]) in (128) sync(block) {
// GPU-COUNT-12:  affine.store %cst{{.*}}
// GPU:           affine.for %{{.*}} = 0 to 5 {
// GPU-COUNT-4:     vector.load {{.*}} {alignment = 16 : i64} : memref<5x2x1x8x2x8x8xf32>, vector<4xf32>
// GPU:             vector.load {{.*}} : memref<5x1x1x2x8x8xf32>, vector<4xf32>
// GPU-COUNT-6:     affine.store
// GPU:             vector.load {{.*}} : memref<5x1x1x2x8x8xf32>, vector<4xf32>
// GPU-COUNT-6:     affine.store
// GPU-NOT:         vector.load
// GPU:         return
func.func @streamed(%a: memref<5x2x1x8x2x8x8xf32>, %b: memref<5x1x1x2x8x8xf32>, %c: memref<128x12xf32, #private>, %ring: memref<2x9000xi8, #workgroup>) {
  bfly.grid (%unit) in (1) sync(none) {
    bfly.stream_product %a, %b, %c through %ring products [0, 0, 1, 0, 0, 0] : memref<5x2x1x8x2x8x8xf32>, memref<5x1x1x2x8x8xf32>, memref<128x12xf32, #private>, memref<2x9000xi8, #workgroup>
  }
  return
}
