// RUN: bfly-opt %s -split-input-file -bfly-rewrite-attention | FileCheck %s
// RUN: bfly-opt %s -split-input-file -bfly-rewrite-attention=scoring=pair_difference | FileCheck %s --check-prefix=PAIR
// RUN: bfly-opt %s -split-input-file -bfly-rewrite-attention=scoring=folded | FileCheck %s --check-prefix=FOLDED
// RUN: bfly-opt %s -split-input-file -bfly-rewrite-attention=scoring=definition | FileCheck %s --check-prefix=DEFINITION
// RUN: bfly-opt %s -split-input-file -bfly-rewrite-attention=scoring=carried -bfly-convert-network-to-schedule | FileCheck %s --check-prefix=CARRIED
// RUN: bfly-opt %s -split-input-file -bfly-set-target=target=sm_90a -bfly-rewrite-attention | FileCheck %s --check-prefix=GPU
// RUN: not bfly-opt %s -split-input-file -bfly-rewrite-attention=scoring=best 2>&1 | FileCheck %s --check-prefix=UNKNOWN
// UNKNOWN: error: unknown scoring 'best'

// Dense weights, several heads: chained is the fewest flops; nothing can be
// folded, whoever asks for it.
// CHECK-LABEL: func @dense
// CHECK-NOT: bfly.fold_weights
// CHECK-COUNT-2: bfly.attention_stage %{{.*}} weights(%{{.*}}, %{{.*}} : tensor<2x8x8xf32>, tensor<2x8x8xf32>) {{.*}} chained
// FOLDED-LABEL: func @dense
// FOLDED-COUNT-2: chained
// GPU-LABEL: func @dense
// GPU-COUNT-2: pair_difference
// PAIR-LABEL: func @dense
// PAIR-COUNT-2: pair_difference
// DEFINITION-LABEL: func @dense
// DEFINITION-COUNT-2: definition
func.func @dense(%x: tensor<2x4x8xf32>, %q: tensor<2x8x8xf32>, %k: tensor<2x8x8xf32>) -> tensor<2x4x8xf32> {
  %1 = bfly.attention_stage %x weights(%q, %k : tensor<2x8x8xf32>, tensor<2x8x8xf32>) stage(0) heads(2) scale(1.0) definition : tensor<2x4x8xf32>
  %2 = bfly.attention_stage %1 weights(%q, %k : tensor<2x8x8xf32>, tensor<2x8x8xf32>) stage(1) heads(2) scale(1.0) definition : tensor<2x4x8xf32>
  return %2 : tensor<2x4x8xf32>
}

// -----

// Many heads make chained scores dear: 2 H = D.
// CHECK-LABEL: func @many_heads
// CHECK: pair_difference
func.func @many_heads(%x: tensor<2x4x8xf32>, %q: tensor<2x8x8xf32>, %k: tensor<2x8x8xf32>) -> tensor<2x4x8xf32> {
  %1 = bfly.attention_stage %x weights(%q, %k : tensor<2x8x8xf32>, tensor<2x8x8xf32>) stage(0) heads(4) scale(1.0) definition : tensor<2x4x8xf32>
  return %1 : tensor<2x4x8xf32>
}

// -----

// Weights per head fold, once for all stages.
// CHECK-LABEL: func @per_head
// CHECK-SAME: (%[[X:.*]]: tensor<2x64x8xf32>, %[[Q:.*]]: tensor<6x2x4x4xf32>, %[[K:.*]]: tensor<6x2x4x4xf32>)
// CHECK: %[[M:.*]] = bfly.fold_weights %[[Q]], %[[K]] : tensor<6x2x4x4xf32> -> tensor<6x2x4x4xf32>
// CHECK-NOT: bfly.fold_weights
// CHECK: %[[V:.*]] = bfly.attention_stage %[[X]] weights(%[[M]] : tensor<6x2x4x4xf32>) stage(0) heads(2) scale(1.000000e+00) folded
// CHECK: bfly.attention_stage %[[V]] weights(%[[M]] : tensor<6x2x4x4xf32>) stage(1) heads(2) scale(1.000000e+00) folded
func.func @per_head(%x: tensor<2x64x8xf32>, %q: tensor<6x2x4x4xf32>, %k: tensor<6x2x4x4xf32>) -> tensor<2x64x8xf32> {
  %1 = bfly.attention_stage %x weights(%q, %k : tensor<6x2x4x4xf32>, tensor<6x2x4x4xf32>) stage(0) heads(2) scale(1.0) definition : tensor<2x64x8xf32>
  %2 = bfly.attention_stage %1 weights(%q, %k : tensor<6x2x4x4xf32>, tensor<6x2x4x4xf32>) stage(1) heads(2) scale(1.0) definition : tensor<2x64x8xf32>
  return %2 : tensor<2x64x8xf32>
}

// -----

// Folding costs more than it saves where there are few tokens.
// CHECK-LABEL: func @few_tokens
// CHECK-NOT: bfly.fold_weights
// CHECK: chained
// FOLDED-LABEL: func @few_tokens
// FOLDED: bfly.fold_weights
// FOLDED: folded
func.func @few_tokens(%x: tensor<2x2x8xf32>, %q: tensor<1x8x8xf32>, %k: tensor<1x8x8xf32>) -> tensor<2x2x8xf32> {
  %1 = bfly.attention_stage %x weights(%q, %k : tensor<1x8x8xf32>, tensor<1x8x8xf32>) stage(0) heads(1) scale(1.0) definition : tensor<2x2x8xf32>
  return %1 : tensor<2x2x8xf32>
}

// -----

// The example of the pass's description.
// CHECK-LABEL: func @one_head
// CHECK: %[[M:.*]] = bfly.fold_weights %{{.*}}, %{{.*}} : tensor<1x8x8xf32> -> tensor<1x8x8xf32>
// CHECK: bfly.attention_stage %{{.*}} weights(%[[M]] : tensor<1x8x8xf32>) stage(0) heads(1) scale(1.000000e+00) folded : tensor<2x64x8xf32>
func.func @one_head(%0: tensor<2x64x8xf32>, %q: tensor<1x8x8xf32>, %k: tensor<1x8x8xf32>) -> tensor<2x64x8xf32> {
  %1 = bfly.attention_stage %0 weights(%q, %k : tensor<1x8x8xf32>, tensor<1x8x8xf32>) stage(0) heads(1) scale(1.0) definition : tensor<2x64x8xf32>
  return %1 : tensor<2x64x8xf32>
}

// -----

// Weights shared by three stages: the images are made once and carried along.
// CHECK-LABEL: func @shared
// CHECK-SAME: (%[[X:.*]]: tensor<?x64x8xf32>, %[[Q:.*]]: tensor<1x4x4xbf16>, %[[K:.*]]: tensor<1x4x4xbf16>)
// CHECK: %[[M:.*]] = bfly.fold_weights %[[Q]], %[[K]] : tensor<1x4x4xbf16> -> tensor<1x4x4xf32>
// CHECK: %[[R:.*]] = bfly.project %[[X]], %[[M]] heads(2) : tensor<?x64x8xf32>, tensor<1x4x4xf32>
// CHECK: %[[V1:.*]], %[[R1:.*]] = bfly.attention_stage %[[X]] image(%[[R]] : tensor<?x64x8xf32> -> tensor<?x64x8xf32>) stage(0) heads(2) scale(1.000000e+00) carried
// CHECK: %[[V2:.*]], %[[R2:.*]] = bfly.attention_stage %[[V1]] image(%[[R1]] {{.*}}) stage(1) {{.*}} carried
// CHECK: %[[V3:.*]], %{{.*}} = bfly.attention_stage %[[V2]] image(%[[R2]] {{.*}}) stage(2) {{.*}} carried
// CHECK: return %[[V3]]
// GPU-LABEL: func @shared
// GPU-NOT: bfly.fold_weights
// GPU-COUNT-3: definition
// CARRIED-LABEL: func @shared
// CARRIED-COUNT-1: bfly.kernel
// CARRIED: bfly.fold_weights
// CARRIED: bfly.project
// CARRIED-COUNT-3: carried
// CARRIED-NOT: bfly.kernel
// CARRIED: return
func.func @shared(%x: tensor<?x64x8xf32>, %q: tensor<1x4x4xbf16>, %k: tensor<1x4x4xbf16>) -> tensor<?x64x8xf32> {
  %1 = bfly.attention_stage %x weights(%q, %k : tensor<1x4x4xbf16>, tensor<1x4x4xbf16>) stage(0) heads(2) scale(1.0) definition : tensor<?x64x8xf32>
  %2 = bfly.attention_stage %1 weights(%q, %k : tensor<1x4x4xbf16>, tensor<1x4x4xbf16>) stage(1) heads(2) scale(1.0) definition : tensor<?x64x8xf32>
  %3 = bfly.attention_stage %2 weights(%q, %k : tensor<1x4x4xbf16>, tensor<1x4x4xbf16>) stage(2) heads(2) scale(1.0) definition : tensor<?x64x8xf32>
  return %3 : tensor<?x64x8xf32>
}

// -----

// What somebody chose stays.
// CHECK-LABEL: func @chosen
// CHECK: pair_difference
func.func @chosen(%x: tensor<2x4x8xf32>, %q: tensor<2x8x8xf32>) -> tensor<2x4x8xf32> {
  %1 = bfly.attention_stage %x weights(%q, %q : tensor<2x8x8xf32>, tensor<2x8x8xf32>) stage(0) heads(1) scale(1.0) pair_difference : tensor<2x4x8xf32>
  return %1 : tensor<2x4x8xf32>
}
