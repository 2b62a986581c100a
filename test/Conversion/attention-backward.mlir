// RUN: bfly-opt %s -bfly-compile="to=affine target=sm_90a" -split-input-file | FileCheck %s
// RUN: bfly-opt %s -bfly-compile="to=schedule target=sm_90a" -split-input-file | FileCheck %s --check-prefix=PLAN
// RUN: bfly-opt %s --pass-pipeline='builtin.module(func.func(bfly-convert-network-to-schedule,bfly-choose-plan,bfly-convert-schedule-to-affine))' -split-input-file | FileCheck %s --check-prefix=CPU

// On a GPU one kernel of five phases: weights, their transposes and the state become images; the stage's products again,
// whose fragments become the gradients of queries and keys, as rows of the results and as an image of three parts; and that
// image times the transposed weights, to the state's gradient. Tiles of 128 pairs: 3 * 512 / 2 / 128, and heads in groups of two.
// PLAN: bfly.kernel "attention_stage_backward" {{.*}} plan [#bfly.gpu_block<threads = 256>, #bfly.gpu_grid_attention<columns = 128, heads = 8, depth = 32, slots = 4>]
// CHECK-LABEL: func.func @stage
// CHECK: bfly.kernel "attention_stage_backward" (%[[X:.*]] = %{{.*}}, %[[G:.*]] = %{{.*}}, %[[Q:.*]] = %{{.*}}, %[[K:.*]] = %{{.*}}, %[[GV:.*]] = %{{.*}}, %[[DQ:.*]] = %{{.*}}, %[[DK:.*]] = %{{.*}}) plan
// CHECK-DAG: %[[W:.*]] = memref.alloc() {{.*}} : memref<1x2x8x2x16x4x8x8xbf16>
// CHECK-DAG: %[[WT:.*]] = memref.alloc() {{.*}} : memref<1x2x8x2x16x4x8x8xbf16>
// CHECK-DAG: %[[V:.*]] = memref.alloc() {{.*}} : memref<6x1x8x2x2x8x4x8x8xbf16>
// CHECK-DAG: %[[D:.*]] = memref.alloc() {{.*}} : memref<6x1x8x3x2x8x4x8x8xbf16>
// CHECK-DAG: %[[GATES:.*]] = memref.alloc() {{.*}} : memref<6x4x2x128xf32>
// CHECK: bfly.grid (%{{.*}}, %{{.*}}, %{{.*}}) in (1, 2, 8) sync(grid) {
// CHECK: bfly.grid (%{{.*}}, %{{.*}}, %{{.*}}) in (1, 2, 8) sync(grid) {
// CHECK: bfly.grid (%{{.*}}, %{{.*}}) in (6, 4) sync(grid) {
// CHECK: bfly.grid (%{{.*}}, %{{.*}}) in (6, 2) sync(grid) {
// CHECK: bfly.stream_product %{{.*}} products [0, 0, 1, 0, 1, 1] minus [-1, -1, 0]
// CHECK: bfly.threads (%{{.*}}) in (256) sync(block) {
// CHECK-COUNT-4: math.exp
// CHECK: affine.store %{{.*}}, %[[GATES]]
// CHECK: bfly.threads (%{{.*}}) in (1024) sync(block) {
// CHECK-DAG: vector.load %[[V]]
// CHECK-DAG: vector.load %[[G]]
// CHECK: bfly.threads (%{{.*}}) in (256) sync(block) {
// CHECK: vector.store %{{.*}}, %[[D]]
// CHECK: vector.store %{{.*}}, %[[DQ]]
// CHECK: vector.store %{{.*}}, %[[DK]]
// CHECK: bfly.grid (%{{.*}}, %{{.*}}) in (6, 2) sync(none) {
// CHECK: bfly.stream_product %{{.*}} products [0, 0, 1, 0, 2, 1]
// CHECK-NOT: minus
// CHECK: vector.load %[[G]]
// CHECK: vector.store %{{.*}}, %[[GV]]
// On a CPU tiles of pairs, which nothing in memory lies between: panels of the stage's weights alone, of both and of their
// transposes; two projections of the tokens and one of the difference, and as many back.
// CPU-LABEL: func.func @stage
// CPU: bfly.kernel "attention_stage_backward" (%[[X:.*]] = %{{.*}}, %[[G:.*]] = %{{.*}}, %[[Q:.*]] = %{{.*}}, %[[K:.*]] = %{{.*}}, %[[GV:.*]] = %{{.*}}, %[[DQ:.*]] = %{{.*}}, %[[DK:.*]] = %{{.*}}) plan
// CPU-COUNT-4: memref.alloc() {{.*}} : memref<1x{{.*}}x256x{{.*}}xf32>
// CPU: affine.parallel
// CPU-COUNT-3: bfly.tile_product
// CPU: affine.for %{{.*}} = 0 to 4 {
// CPU-COUNT-4: math.exp
// CPU-DAG: affine.store %{{.*}}, %[[DQ]]
// CPU-DAG: affine.store %{{.*}}, %[[DK]]
// CPU-COUNT-3: bfly.tile_product
// CPU: affine.store %{{.*}}, %[[GV]]
// CPU-NOT: tile_product
func.func @stage(%v: tensor<3x512x256xbf16>, %g: tensor<3x512x256xf32>, %q: tensor<9x256x256xbf16>, %k: tensor<9x256x256xbf16>) -> (tensor<3x512x256xf32>, tensor<3x512x256xbf16>, tensor<3x512x256xbf16>) {
  %r:3 = bfly.attention_stage_backward %v, %g weights(%q, %k : tensor<9x256x256xbf16>) stage(2) heads(4) scale(0.125) : tensor<3x512x256xbf16>, tensor<3x512x256xf32> -> tensor<3x512x256xf32>
  return %r#0, %r#1, %r#2 : tensor<3x512x256xf32>, tensor<3x512x256xbf16>, tensor<3x512x256xbf16>
}

// -----

// A sum over rows that is too small for a library: an element a thread, sequence and 256 rows, and their sum. On a CPU tiles of the
// result, to which a chunk of 128 rows is added at a time, and the 72 that are left.
// CHECK-LABEL: func.func @rows
// CHECK: %[[PARTIAL:.*]] = memref.alloc({{.*}}) {{.*}} : memref<?x1x2x3x5xf32>
// CHECK: bfly.grid
// CHECK: affine.for %{{.*}} = 0 to 200
// CHECK: affine.store %{{.*}}, %[[PARTIAL]]
// CHECK: bfly.grid (%{{.*}}) in (1) sync(none) {
// CHECK: affine.load %[[PARTIAL]]
// CPU-LABEL: func.func @rows
// CPU: affine.parallel (%{{.*}}, %{{.*}}) = (0, 0) to (2, 1) {
// CPU: affine.for
// CPU: bfly.tile_product %{{.*}} accumulate : memref<3x128xf32>, {{.*}}
// CPU: bfly.tile_product %{{.*}} accumulate : memref<3x72xf32>, {{.*}}
func.func @rows(%a: tensor<?x200x6xf32>, %b: tensor<?x200x10xf32>) -> tensor<2x3x5xf32> {
  %y = bfly.row_product %a, %b heads(2) : tensor<?x200x6xf32>, tensor<?x200x10xf32> -> tensor<2x3x5xf32>
  return %y : tensor<2x3x5xf32>
}
