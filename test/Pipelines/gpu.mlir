// RUN: bfly-opt %s -bfly-compile="to=gpu target=sm_90a" | FileCheck %s --check-prefix=GPU
// RUN: bfly-opt %s -bfly-compile="to=nvvm target=sm_90a" | FileCheck %s --check-prefix=NVVM
// RUN: bfly-opt %s -bfly-compile="to=binary target=sm_90a" | FileCheck %s --check-prefix=BINARY
// RUN: bfly-opt %s -bfly-compile="to=llvm target=sm_90a" | FileCheck %s --check-prefix=LLVM
// RUN: env BFLY_CUDA=none bfly-opt %s -bfly-compile="to=binary target=sm_90a" | FileCheck %s --check-prefix=PTX
// RUN: bfly-opt %s -bfly-compile="to=llvm target=sm_90a emulate=true" | FileCheck %s --check-prefix=EMULATED
// RUN: not bfly-opt %s -bfly-compile="to=gpu" 2>&1 | FileCheck %s --check-prefix=CPU
// RUN: not bfly-opt %s -bfly-compile="to=gpu target=sm_90a emulate=true" 2>&1 | FileCheck %s --check-prefix=BOTH

// CPU: level 'gpu' is one of a GPU, not of target 'cpu'
// BOTH: level 'gpu' is one of a GPU, not of target 'sm_90a', emulated

// The promise: each mixer ends as one gpu.func and one launch.

// GPU-LABEL:   func.func @filter
// GPU-COUNT-1:   gpu.launch_func @filter_spectral_filter_0::@filter_spectral_filter_0
// GPU-NOT:       gpu.launch_func
// GPU-LABEL:   func.func @attention
// GPU-COUNT-1:   gpu.launch_func @attention_butterfly_attention_0::@attention_butterfly_attention_0
// GPU-NOT:       gpu.launch_func
// GPU-LABEL:   gpu.module @filter_spectral_filter_0
// GPU-COUNT-1:   gpu.func @filter_spectral_filter_0
// GPU-NOT:       gpu.func
// GPU:           bfly.grid_barrier
// GPU-LABEL:   gpu.module @attention_butterfly_attention_0
// GPU-COUNT-1:   gpu.func @attention_butterfly_attention_0
// GPU-NOT:       gpu.func
// GPU:           bfly.bulk_copy
// GPU:           bfly.wgmma

// NVVM-LABEL:  gpu.module @attention_butterfly_attention_0 [#nvvm.target<O = 3, chip = "sm_90a", features = "+ptx80">]
// NVVM-COUNT-1:  llvm.func @attention_butterfly_attention_0
// NVVM:          nvvm.cp.async.bulk.shared.cluster.global
// NVVM:          llvm.inline_asm{{.*}}wgmma.mma_async.sync.aligned.m64n64k16.f32.bf16.bf16
// NVVM-NOT:      bfly.

// BINARY-COUNT-2: gpu.binary @{{.*}} [#gpu.object<#nvvm.target<O = 3, chip = "sm_90a", features = "+ptx80">
// BINARY-NOT:     assembly = "

// Where there is no assembler the driver has to be one; nothing of libdevice is
// missing then.
// PTX-COUNT-2: assembly = "{{.*}}.target sm_90a
// PTX-NOT:     __nv_

// LLVM-LABEL: llvm.func @attention
// LLVM:         llvm.call @bflyCudaMalloc
// LLVM:         llvm.mlir.addressof @attention_butterfly_attention_0_module
// LLVM:         llvm.mlir.addressof @attention_butterfly_attention_0_name
// LLVM:         llvm.call @bflyCudaLaunch
// LLVM:         llvm.call @bflyCudaRelease
// LLVM-NOT:     gpu.

// EMULATED-LABEL: llvm.func @attention
// EMULATED-NOT:     gpu.
// EMULATED-NOT:     address_space

func.func @filter(%x: tensor<?x64x16xf32>, %w: tensor<16x16xf32>) -> tensor<?x64x16xf32> {
  %m = bfly.mean %x : tensor<?x64x16xf32> -> tensor<?x16xf32>
  %g = bfly.linear %m, %w relu : tensor<?x16xf32>, tensor<16x16xf32> -> tensor<?x16xf32>
  %y = bfly.spectral_filter %x params(%g[batch, channel] : tensor<?x16xf32>) : tensor<?x64x16xf32> -> tensor<?x64x16xf32> {
  ^bb0(%bin: complex<f32>, %k: index, %gain: f32):
    %size = complex.abs %bin : complex<f32>
    %kept = arith.mulf %size, %gain : f32
    %zero = arith.constant 0.0 : f32
    %factor = complex.create %kept, %zero : complex<f32>
    %a = complex.mul %bin, %factor : complex<f32>
    bfly.yield %a : complex<f32>
  }
  return %y : tensor<?x64x16xf32>
}

func.func @attention(%x: tensor<?x64x64xbf16>, %wq: tensor<6x64x64xbf16>, %wk: tensor<6x64x64xbf16>) -> tensor<?x64x64xbf16> {
  %y = bfly.butterfly_attention %x, %wq, %wk heads(2) : tensor<?x64x64xbf16>, tensor<6x64x64xbf16>
  return %y : tensor<?x64x64xbf16>
}
