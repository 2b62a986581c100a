// Target sm_80: kernels that every GPU from compute capability 8.0 on runs, as machine code for the first of them and PTX for
// the others in one fat binary; as PTX alone where there is no assembler.

// RUN: bfly-opt %s -bfly-compile="to=schedule target=sm_80" | FileCheck %s --check-prefix=SCHEDULE
// RUN: bfly-opt %s -bfly-compile="to=gpu target=sm_80" | FileCheck %s --check-prefix=GPU
// RUN: bfly-opt %s -bfly-compile="to=binary target=sm_80" | FileCheck %s --check-prefix=BINARY
// RUN: bfly-opt %s -bfly-compile="to=llvm target=sm_80" | FileCheck %s --check-prefix=LLVM
// RUN: env BFLY_CUDA=none bfly-opt %s -bfly-compile="to=binary target=sm_80" | FileCheck %s --check-prefix=PTX
// RUN: bfly-opt %s -bfly-compile="to=llvm target=sm_80 emulate=true" | FileCheck %s --check-prefix=EMULATED

// What a block has of shared memory is what the least of these GPUs has: a filter of 4096 tokens goes through memory, a head's 256
// rows of 16 bits just fit.
// SCHEDULE: module attributes {bfly.target = #bfly.target<"sm_80", {{.*}}shared = 101376,
// SCHEDULE-LABEL: func.func @filter
// SCHEDULE:         #bfly.gpu_transform<{{.*}}groups = [<0 to 0 in memory>, <1 to {{[0-9]}} in shared>]
// SCHEDULE-LABEL: func.func @per_head
// SCHEDULE:         in shared

// Nothing of it is one of Hopper's instructions, and one gpu.func and one launch is still the promise.
// GPU-LABEL:   func.func @filter
// GPU-COUNT-1:   gpu.launch_func
// GPU-NOT:       gpu.launch_func
// GPU-LABEL:   func.func @dense
// GPU-COUNT-1:   gpu.launch_func
// GPU-NOT:       gpu.launch_func
// GPU-LABEL:   func.func @per_head
// GPU-COUNT-1:   gpu.launch_func
// GPU-NOT:       gpu.launch_func
// GPU:         gpu.module @{{.*}} [#nvvm.target<O = 3, chip = "sm_80", features = "+ptx80">]
// GPU-NOT:     bfly.{{wgmma|bulk_copy|mbarrier|matrix_product|stream_product}}
// GPU-NOT:     nvvm.{{wgmma|fence.proxy|fence.mbarrier}}

// BINARY-COUNT-3: gpu.binary @{{.*}} [#gpu.object<#nvvm.target<O = 3, chip = "sm_80", features = "+ptx80">{{.*}}, "P\EDU\BA
// BINARY-NOT:     gpu.binary

// LLVM-LABEL: llvm.func @dense
// LLVM:         llvm.call @bflyCudaLaunch(

// PTX-NOT:     {{wgmma|mbarrier|cp[.]async|fence[.]proxy|griddepcontrol|[.]cluster}}
// PTX:         .version 8.0\0A.target sm_80
// PTX-NOT:     {{wgmma|mbarrier|cp[.]async|fence[.]proxy|griddepcontrol|[.]cluster}}

// EMULATED-LABEL: llvm.func @dense
// EMULATED-NOT:     gpu.

func.func @filter(%x: tensor<?x4096x16xf32>, %w: tensor<16xf32>) -> tensor<?x4096x16xf32> {
  %y = bfly.spectral_filter %x params(%w[channel] : tensor<16xf32>) : tensor<?x4096x16xf32> -> tensor<?x4096x16xf32> {
  ^bb0(%bin: complex<f32>, %k: index, %gain: f32):
    %zero = arith.constant 0.0 : f32
    %size = complex.abs %bin : complex<f32>
    %factor = arith.mulf %size, %gain : f32
    %g = complex.create %factor, %zero : complex<f32>
    %a = complex.mul %bin, %g : complex<f32>
    bfly.yield %a : complex<f32>
  }
  return %y : tensor<?x4096x16xf32>
}

func.func @dense(%x: tensor<?x64x64xbf16>, %w: tensor<6x64x64xbf16>) -> tensor<?x64x64xbf16> {
  %y = bfly.butterfly_attention %x, %w, %w heads(2) : tensor<?x64x64xbf16>, tensor<6x64x64xbf16>
  return %y : tensor<?x64x64xbf16>
}

func.func @per_head(%x: tensor<?x512x128xf16>, %w: tensor<9x2x64x64xf16>) -> tensor<?x512x128xf16> {
  %y = bfly.butterfly_attention %x, %w, %w heads(2) : tensor<?x512x128xf16>, tensor<9x2x64x64xf16>
  return %y : tensor<?x512x128xf16>
}
