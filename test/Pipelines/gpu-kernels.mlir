// Every kind of kernel, as one function and one launch, and what the assembler takes.

// RUN: bfly-opt %s -bfly-compile="to=gpu target=sm_90a" | FileCheck %s
// RUN: bfly-opt %s -bfly-compile="to=binary target=sm_90a" | FileCheck %s --check-prefix=BINARY

// BINARY-COUNT-7: gpu.binary @{{.*}} [#gpu.object<#nvvm.target<O = 3, chip = "sm_90a", features = "+ptx80">
// BINARY-NOT:     gpu.binary
// BINARY-NOT:     assembly = "

// CHECK-LABEL:   func.func @per_head
// CHECK-COUNT-1:   gpu.launch_func
// CHECK-NOT:       gpu.launch_func
// CHECK-LABEL:   func.func @per_head_f32
// CHECK-COUNT-1:   gpu.launch_func
// CHECK-NOT:       gpu.launch_func
// CHECK-LABEL:   func.func @dense_f32
// CHECK-COUNT-1:   gpu.launch_func
// CHECK-NOT:       gpu.launch_func
// CHECK-LABEL:   func.func @one_head
// CHECK-COUNT-1:   gpu.launch_func
// CHECK-NOT:       gpu.launch_func
// CHECK-LABEL:   func.func @long_filter
// CHECK-COUNT-1:   gpu.launch_func
// CHECK-NOT:       gpu.launch_func
// CHECK-LABEL:   func.func @short_filter
// CHECK-COUNT-1:   gpu.launch_func
// CHECK-NOT:       gpu.launch_func
// CHECK-LABEL:   func.func @norm
// CHECK-COUNT-1:   gpu.launch_func
// CHECK-NOT:       gpu.launch_func

// More stages than one group in shared memory holds; a grid barrier between the groups.
// CHECK-LABEL:   gpu.module @per_head_butterfly_attention_0
// CHECK-COUNT-1:   gpu.func @per_head_butterfly_attention_0
// CHECK-NOT:       gpu.func
// CHECK:           bfly.wgmma
// CHECK:           bfly.grid_barrier
// CHECK:           bfly.wgmma
func.func @per_head(%x: tensor<?x3000x128xf16>, %w: tensor<12x2x64x64xf16>) -> tensor<?x3000x128xf16> {
  %y = bfly.butterfly_attention %x, %w, %w heads(2) : tensor<?x3000x128xf16>, tensor<12x2x64x64xf16>
  return %y : tensor<?x3000x128xf16>
}

// Matrix units would round f32.
// CHECK-LABEL:   gpu.module @per_head_f32_butterfly_attention_0
// CHECK-NOT:       bfly.wgmma
func.func @per_head_f32(%x: tensor<2x128x48xf32>, %w: tensor<1x3x16x16xf32>) -> tensor<2x128x48xf32> {
  %y = bfly.butterfly_attention %x, %w, %w heads(3) : tensor<2x128x48xf32>, tensor<1x3x16x16xf32>
  return %y : tensor<2x128x48xf32>
}

// CHECK-LABEL:   gpu.module @dense_f32_butterfly_attention_0
// CHECK-NOT:       bfly.wgmma
func.func @dense_f32(%x: tensor<2x64x40xf32>, %w: tensor<6x40x40xf32>) -> tensor<2x64x40xf32> {
  %y = bfly.butterfly_attention %x, %w, %w heads(5) : tensor<2x64x40xf32>, tensor<6x40x40xf32>
  return %y : tensor<2x64x40xf32>
}

// CHECK-LABEL:   gpu.module @one_head_butterfly_attention_0
// CHECK:           bfly.bulk_copy
// CHECK:           bfly.wgmma
func.func @one_head(%x: tensor<3x64x192xbf16>, %w: tensor<6x192x192xbf16>) -> tensor<3x64x192xbf16> {
  %y = bfly.butterfly_attention %x, %w, %w heads(1) : tensor<3x64x192xbf16>, tensor<6x192x192xbf16>
  return %y : tensor<3x64x192xbf16>
}

// Three phases: the outer passes go through memory.
// CHECK-LABEL:   gpu.module @long_filter_spectral_filter_0
// CHECK-COUNT-1:   gpu.func @long_filter_spectral_filter_0
// CHECK-NOT:       gpu.func
// CHECK-COUNT-2:   bfly.grid_barrier
func.func @long_filter(%x: tensor<1x8192x16xbf16>, %g: tensor<8192x16xcomplex<f32>>) -> tensor<1x8192x16xbf16> {
  %y = bfly.spectral_filter %x params(%g[bin, channel] : tensor<8192x16xcomplex<f32>>) : tensor<1x8192x16xbf16> -> tensor<1x8192x16xbf16> {
  ^bb0(%bin: complex<f32>, %k: index, %gain: complex<f32>):
    %a = complex.mul %bin, %gain : complex<f32>
    bfly.yield %a : complex<f32>
  }
  return %y : tensor<1x8192x16xbf16>
}

// CHECK-LABEL:   gpu.module @short_filter_spectral_filter_0
func.func @short_filter(%x: tensor<?x64x7xf16>, %g: tensor<7xf16>) -> tensor<?x64x7xf16> {
  %y = bfly.spectral_filter %x params(%g[channel] : tensor<7xf16>) : tensor<?x64x7xf16> -> tensor<?x64x7xf16> {
  ^bb0(%bin: complex<f32>, %k: index, %gain: f32):
    %size = complex.abs %bin : complex<f32>
    %kept = arith.mulf %size, %gain : f32
    %zero = arith.constant 0.0 : f32
    %factor = complex.create %kept, %zero : complex<f32>
    %a = complex.mul %bin, %factor : complex<f32>
    bfly.yield %a : complex<f32>
  }
  return %y : tensor<?x64x7xf16>
}

func.func @norm(%x: tensor<?x8x24xbf16>, %w: tensor<24xbf16>) -> tensor<?x8x24xbf16> {
  %y = bfly.layer_norm %x weight(%w : tensor<24xbf16>) epsilon(1.0e-5) : tensor<?x8x24xbf16>
  return %y : tensor<?x8x24xbf16>
}
