// RUN: bfly-opt %s -bfly-compile="to=affine target=sm_90a" -split-input-file | FileCheck %s
// RUN: bfly-opt %s -bfly-compile="to=schedule target=sm_90a" -split-input-file | FileCheck %s --check-prefix=PLAN
// RUN: bfly-opt %s -bfly-compile="to=schedule target=sm_90a" -split-input-file | bfly-opt -split-input-file -bfly-print-report 2>&1 >/dev/null | FileCheck %s --check-prefix=REPORT

// Both images; what a block holds.
// REPORT: state 524 kB in memory; pair_difference
// REPORT: state 176 kB in shared, then 176 kB in shared
// REPORT: state 41.0 kB in memory

// Dense weights: one kernel, four phases. Weights and input become images of core matrices, then all stages but the
// last are one loop around a phase, and the last one writes rows. A thread reads for four iterations before it writes for the first. Tiles of 128 pairs: 3 * 512 / 2 / 128, and heads in
// groups of two, 128 columns of each of three products. A step is 32 deep; five fit in the ring. The key of the difference
// is that of the partner less that of the first: in bf16 a difference would be rounded.
// PLAN-LABEL: func.func @dense
// PLAN: plan [#bfly.gpu_block<threads = 256>, #bfly.gpu_grid_attention<columns = 128, heads = 8, depth = 32, slots = 5>]
// PLAN-COUNT-9: pair_difference
// CHECK-LABEL: func.func @dense
// CHECK: bfly.kernel "butterfly_attention" (%[[X:.*]] = %{{.*}}, %[[Q:.*]] = %{{.*}}, %[[K:.*]] = %{{.*}}, %[[Y:.*]] = %{{.*}}) plan
// CHECK: %[[W:.*]] = memref.alloc() {{.*}} : memref<9x2x8x2x16x4x8x8xbf16>
// CHECK: bfly.grid (%{{.*}}, %{{.*}}, %{{.*}}) in (9, 2, 8) sync(grid) {
// CHECK-NEXT: bfly.threads (%{{.*}}) in (256) sync(block) {
// CHECK-DAG: vector.load %[[Q]]{{.*}} {alignment = 16 : i64} : memref<9x256x256xbf16>, vector<8xbf16>
// CHECK-DAG: vector.load %[[K]]{{.*}} {alignment = 16 : i64} : memref<9x256x256xbf16>, vector<8xbf16>
// CHECK: %[[V:.*]] = memref.alloc() {{.*}} : memref<6x2x8x2x2x8x4x8x8xbf16>
// CHECK: bfly.grid (%{{.*}}, %{{.*}}) in (6, 4) sync(grid) {
// CHECK-NEXT: bfly.threads (%{{.*}}) in (256) sync(block) {
// CHECK-COUNT-8: vector.load %[[X]]
// CHECK-COUNT-8: vector.store %{{.*}}, %[[V]]
// CHECK: affine.for %[[I:.*]] = 0 to 8 {
// CHECK-NEXT: bfly.grid (%[[T:.*]], %[[G:.*]]) in (6, 2) sync(grid) {
// CHECK-DAG:    %[[C:.*]] = memref.alloc() : memref<256x192xf32, #gpu.address_space<private>>
// CHECK-DAG:    %[[RING:.*]] = memref.alloc() {{.*}} : memref<5x32768xi8, #gpu.address_space<workgroup>>
// CHECK-DAG:    %[[PARITY:.*]] = affine.apply #{{.*}}(%[[I]])
// CHECK-DAG:    %[[A:.*]] = memref.subview %[[V]][%[[T]], %[[PARITY]], 0, 0, 0, 0, 0, 0, 0]
// CHECK-DAG:    %[[B:.*]] = memref.subview %[[W]][%[[I]], %[[G]], 0, 0, 0, 0, 0, 0]
// CHECK:        bfly.stream_product %[[A]], %[[B]], %[[C]] through %[[RING]] products [0, 0, 1, 0, 1, 1] minus [-1, -1, 0]
// CHECK-NOT:    bfly.stream_product
// CHECK:        bfly.threads (%{{.*}}) in (256) sync(block) {
// CHECK:        bfly.threads (%{{.*}}) in (256) sync(block) {
// CHECK-COUNT-2: math.exp
// CHECK:        bfly.threads (%{{.*}}) in (256) sync(block) {
// CHECK-COUNT-16: vector.load %[[V]]
// CHECK-COUNT-16: vector.store %{{.*}}, %[[V]]
// CHECK: bfly.grid (%{{.*}}, %{{.*}}) in (6, 2) sync(none) {
// CHECK:        bfly.stream_product
// CHECK-COUNT-2: vector.store %{{.*}}, %[[Y]]
// CHECK-NOT: bfly.stream_product
// CHECK: return
func.func @dense(%x: tensor<3x512x256xbf16>, %q: tensor<9x256x256xbf16>, %k: tensor<9x256x256xbf16>) -> tensor<3x512x256xbf16> {
  %y = bfly.butterfly_attention %x, %q, %k heads(4) : tensor<3x512x256xbf16>, tensor<9x256x256xbf16>
  return %y : tensor<3x512x256xbf16>
}

// -----

// Weights per head: a phase for each group of stages, between which the result's own memory holds the state. A unit is
// a head's 512 tokens, neighbours in the first group and 512 apart in the second; each product has queries and keys.
// PLAN-LABEL: func.func @per_head
// PLAN: plan [#bfly.gpu_block<threads = 256>, #bfly.gpu_block_attention<tokens = 512, groups = [<0 to 8 in shared>, <9 to 10 in shared>]>]
// PLAN-COUNT-11: definition
// CHECK-LABEL: func.func @per_head
// CHECK: bfly.kernel "butterfly_attention" (%[[X:.*]] = %{{.*}}, %[[Q:.*]] = %{{.*}}, %[[K:.*]] = %{{.*}}, %[[Y:.*]] = %{{.*}}) plan
// CHECK: bfly.grid (%{{.*}}, %[[H:.*]]) in (%{{.*}}, 2) sync(grid) {
// CHECK-DAG: %[[V:.*]] = memref.alloc() {{.*}} : memref<2x2x2x2x8x8x9x8xbf16, #gpu.address_space<workgroup>>
// CHECK-DAG: %[[W:.*]] = memref.alloc() {{.*}} : memref<16x8x9x8xbf16, #gpu.address_space<workgroup>>
// CHECK: bfly.threads (%{{.*}}) in (1024) sync(block) {
// CHECK-COUNT-4: vector.load %[[X]]
// CHECK: affine.for %{{.*}} = 0 to 8 {
// CHECK: affine.for %{{.*}} = 0 to 2 {
// CHECK-COUNT-2: bfly.matrix_product
// CHECK-COUNT-16: vector.store %{{.*}}, %[[V]]
// CHECK-COUNT-2: bfly.matrix_product
// CHECK-COUNT-2: vector.store %{{.*}}, %[[Y]]
// CHECK: bfly.grid (%{{.*}}, %{{.*}}) in (%{{.*}}, 2) sync(none) {
// CHECK: vector.load %[[Y]]
// CHECK-COUNT-4: bfly.matrix_product
// CHECK: vector.store %{{.*}}, %[[Y]]
func.func @per_head(%x: tensor<?x2048x128xbf16>, %q: tensor<11x2x64x64xbf16>, %k: tensor<11x2x64x64xbf16>) -> tensor<?x2048x128xbf16> {
  %y = bfly.butterfly_attention %x, %q, %k heads(2) : tensor<?x2048x128xbf16>, tensor<11x2x64x64xbf16>
  return %y : tensor<?x2048x128xbf16>
}

// -----

// A head of 160 channels in f32 leaves a block too little room: its stages go through memory, as dense ones do, but
// the depth is that of the head.
// PLAN-LABEL: func.func @wide_heads
// PLAN: #bfly.gpu_grid_attention<columns = 32, heads = 8, depth = 16, slots = 2>
// CHECK-LABEL: func.func @wide_heads
// CHECK: memref.alloc() {{.*}} : memref<1x2x20x2x2x8x2x8x8xf32>
// CHECK: affine.for
// CHECK: bfly.stream_product {{.*}} products [0, 0, 1, 0, 0, 1, 1, 1] : memref<10x2x2x8x2x8x8xf32,
func.func @wide_heads(%x: tensor<1x16x320xf32>, %q: tensor<1x160x160xf32>, %k: tensor<1x160x160xf32>) -> tensor<1x16x320xf32> {
  %y = bfly.butterfly_attention %x, %q, %k heads(2) : tensor<1x16x320xf32>, tensor<1x160x160xf32>
  return %y : tensor<1x16x320xf32>
}

// -----

// Weights that are folded by hand have no part of a plan.
// CHECK-LABEL: func.func @fold
// CHECK: bfly.kernel "fold_weights" {{.*}} plan [#bfly.gpu_block<threads = 256>]
// CHECK: bfly.tile_product
func.func @fold(%q: tensor<2x3x8x8xf32>, %k: tensor<2x3x8x8xf32>) -> tensor<2x3x8x8xf32> {
  %m = bfly.fold_weights %q, %k : tensor<2x3x8x8xf32> -> tensor<2x3x8x8xf32>
  return %m : tensor<2x3x8x8xf32>
}
