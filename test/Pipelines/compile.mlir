// RUN: bfly-opt %s -bfly-compile="to=network" | FileCheck %s --check-prefix=NETWORK
// RUN: bfly-opt %s -bfly-compile="to=schedule" | FileCheck %s --check-prefix=SCHEDULE
// RUN: bfly-opt %s -bfly-compile="to=affine" | FileCheck %s --check-prefix=AFFINE
// RUN: bfly-opt %s -bfly-compile="to=affine fuse=false" | FileCheck %s --check-prefix=UNFUSED
// RUN: bfly-opt %s -bfly-compile | FileCheck %s --check-prefix=LLVM
// RUN: not bfly-opt %s -bfly-compile="to=moon" 2>&1 | FileCheck %s --check-prefix=LEVEL
// RUN: not bfly-opt %s -bfly-compile="target=abacus" 2>&1 | FileCheck %s --check-prefix=TARGET

// LEVEL: unknown level 'moon', known: network, schedule, affine, gpu, nvvm, binary, llvm
// TARGET: unknown target 'abacus', known: cpu, sm_90a, sm_80

// The promise, for both mixers: one kernel, and no temporary of the input's size.

// NETWORK-LABEL: func.func @filter
// NETWORK-DAG: bfly.fft
// NETWORK-DAG: bfly.spectrum_map
// NETWORK-DAG: bfly.ifft
// SCHEDULE-LABEL: func.func @filter
// SCHEDULE-COUNT-1: bfly.kernel "spectral_filter"
// SCHEDULE-NOT: bfly.kernel
// AFFINE-LABEL: func.func @filter
// AFFINE-NOT: memref<?x64x32xf32>, strided
// AFFINE-NOT: memref.alloc({{.*}}) {{.*}}memref<?x64x32x
// AFFINE: bfly.kernel "spectral_filter"
// AFFINE-NOT: bfly.kernel
// AFFINE-NOT: memref.alloc({{.*}}) {{.*}}memref<?x64x32x
// AFFINE-NOT: memref.alloc({{.*}}) {{.*}}memref<?x33x32x
// UNFUSED-LABEL: func.func @filter
// UNFUSED: memref.alloc({{.*}}) {{.*}}memref<?x33x32xcomplex<f32>>
// UNFUSED: bfly.kernel "fft"
// UNFUSED: bfly.kernel "ifft"
// LLVM-DAG: llvm.func @filter
// LLVM-DAG: llvm.func @_mlir_ciface_filter
// LLVM-NOT: builtin.unrealized_conversion_cast
func.func @filter(%x: tensor<?x64x32xf32>, %w1: tensor<32x32xf32>, %b: tensor<32xf32>) -> tensor<?x64x32xf32> {
  %m = bfly.mean %x : tensor<?x64x32xf32> -> tensor<?x32xf32>
  %dw = bfly.linear %m, %w1 bias(%b : tensor<32xf32>) relu : tensor<?x32xf32>, tensor<32x32xf32> -> tensor<?x32xf32>
  %y = bfly.spectral_filter %x params(%dw[batch, channel] : tensor<?x32xf32>) : tensor<?x64x32xf32> -> tensor<?x64x32xf32> {
  ^bb0(%bin: complex<f32>, %k: index, %w: f32):
    %abs = complex.abs %bin : complex<f32>
    %f = arith.mulf %abs, %w : f32
    %zero = arith.constant 0.0 : f32
    %g = complex.create %f, %zero : complex<f32>
    %a = complex.mul %bin, %g : complex<f32>
    bfly.yield %a : complex<f32>
  }
  return %y : tensor<?x64x32xf32>
}

// NETWORK-LABEL: func.func @attention
// NETWORK-COUNT-6: bfly.attention_stage
// SCHEDULE-LABEL: func.func @attention
// SCHEDULE-COUNT-1: bfly.kernel "butterfly_attention"
// SCHEDULE-NOT: bfly.kernel
// AFFINE-LABEL: func.func @attention
// AFFINE-NOT: memref.alloc({{.*}}) {{.*}}memref<2x64x32x
// AFFINE: bfly.kernel "butterfly_attention"
// AFFINE-NOT: bfly.kernel
func.func @attention(%x: tensor<8x64x32xf32>, %q: tensor<6x32x32xf32>, %k: tensor<6x32x32xf32>) -> tensor<8x64x32xf32> {
  %y = bfly.butterfly_attention %x, %q, %k heads(4) : tensor<8x64x32xf32>, tensor<6x32x32xf32>
  return %y : tensor<8x64x32xf32>
}
