// RUN: bfly-opt %s --pass-pipeline='builtin.module(bfly-set-target,func.func(bfly-convert-network-to-schedule,bfly-choose-plan,bfly-convert-schedule-to-affine,canonicalize))' | FileCheck %s --check-prefix=CPU
// RUN: bfly-opt %s --pass-pipeline='builtin.module(bfly-set-target{target=sm_90a},func.func(bfly-convert-network-to-schedule,bfly-choose-plan,bfly-convert-schedule-to-affine,canonicalize))' | FileCheck %s --check-prefix=GPU

// 8 stages in two passes, one slab that holds a row more after each 16. The factor is 1/16, before the first.
// CPU-LABEL: func @short
// CPU: bfly.kernel "hadamard" (%[[X:.*]] = %{{.*}}, %[[Y:.*]] = %{{.*}}) plan [#bfly.hadamard<rows = 256, channels = 20, radix = 16>]
// CPU: %[[FACTOR:.*]] = arith.constant 6.250000e-02 : f32
// CPU: affine.parallel (%[[B:.*]], %{{.*}}, %{{.*}}) = (0, 0, 0) to (symbol(%{{.*}}), 1, 1)
// CPU-NEXT: %[[SLAB:.*]] = memref.alloc() {alignment = 64 : i64} : memref<272x20xf32>
// CPU: affine.load %[[X]][%[[B]],
// CPU-NEXT: arith.mulf %{{.*}}, %[[FACTOR]]
// CPU-COUNT-16: affine.store %{{.*}}, %[[SLAB]]
// CPU: } {bfly.lanes}
// CPU-COUNT-16: affine.load %[[SLAB]]
// CPU-NOT: mulf
// CPU-COUNT-16: affine.store %{{.*}}, %[[Y]]
// CPU: } {bfly.lanes}
// CPU: memref.dealloc %[[SLAB]]
// CPU-NOT: affine.parallel

// GPU-LABEL: func @short
// GPU: plan [#bfly.gpu_block<threads = 256>, #bfly.hadamard<rows = 256, channels = 20, radix = 16>]
// GPU: bfly.grid (%{{.*}}, %{{.*}}, %{{.*}}) in (%{{.*}}, 1, 1) sync(none) {
// GPU-NEXT: memref.alloc() {alignment = 128 : i64} : memref<272x20xf32, #gpu.address_space<workgroup>>
// GPU-NEXT: bfly.threads (%{{.*}}) in (320) sync(block) {
// GPU: bfly.threads (%{{.*}}) in (320) sync(block) {
// GPU-NOT: bfly.{{grid|threads}}
func.func @short(%x: tensor<?x256x20xf32>) -> tensor<?x256x20xf32> {
  %y = bfly.hadamard %x orthonormal : tensor<?x256x20xf32>
  return %y : tensor<?x256x20xf32>
}

// Two groups where a slab does not fit, the state between them in memory, in f32; rows of the second are 128 apart. The
// root of 2 that is left of 1/sqrt(8192) comes last.
// CPU-LABEL: func @long
// CPU: #bfly.hadamard<rows = 128, channels = 32, radix = 16>
// GPU-LABEL: func @long
// GPU: #bfly.hadamard<rows = 128, channels = 64, radix = 16>
// GPU-DAG: %[[ROOT:.*]] = arith.constant 1.41421354 : f32
// GPU-DAG: %[[STATE:.*]] = memref.alloc() {alignment = 64 : i64} : memref<2x8192x100xf32>
// GPU: bfly.grid (%{{.*}}, %{{.*}}, %{{.*}}) in (2, 2, 64) sync(grid) {
// GPU: affine.store %{{.*}}, %[[STATE]]
// GPU: bfly.grid (%[[B:.*]], %{{.*}}, %[[SET:.*]]) in (2, 2, 128) sync(none) {
// GPU: affine.load %[[STATE]][symbol(%[[B]]), {{.*}}, {{.*}}]
// GPU-NEXT: affine.load %[[STATE]][symbol(%[[B]]), {{.*}} + 128, {{.*}}]
// GPU: arith.mulf %{{.*}}, %[[ROOT]]
// GPU: affine.store {{.*}} memref<2x8192x100xbf16>
func.func @long(%x: tensor<2x8192x100xbf16>) -> tensor<2x8192x100xbf16> {
  %y = bfly.hadamard %x orthonormal : tensor<2x8192x100xbf16>
  return %y : tensor<2x8192x100xbf16>
}
