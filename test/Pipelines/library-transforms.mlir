// RUN: bfly-opt %s -bfly-compile="to=schedule target=sm_90a" | FileCheck %s --check-prefix=SCHEDULE
// RUN: bfly-opt %s -bfly-compile="to=schedule target=sm_90a" -bfly-print-report -o /dev/null 2>&1 | FileCheck %s --check-prefix=REPORT
// RUN: bfly-opt %s -bfly-compile="to=gpu target=sm_90a" | FileCheck %s --check-prefix=GPU
// RUN: bfly-opt %s -bfly-compile="to=llvm target=sm_90a emulate=true" | FileCheck %s --check-prefix=EMULATED

// A filter of a length that a GPU's kernels do not transform: cuFFT does, and what lies between, with its context, is
// one kernel.

// SCHEDULE-LABEL: func.func @filter
// SCHEDULE: %[[F:.*]] = bfly.kernel "fft" (%{{.*}} = %{{.*}}) plan [#bfly.gpu_block<threads = 256>, #bfly.library<name = "cuFFT">]
// SCHEDULE-NEXT: bfly.fft
// SCHEDULE: attributes {bfly.unfused = "cuFFT transforms N = 1000, which is no power of two"}
// SCHEDULE: %[[A:.*]] = bfly.kernel "spectrum_map" (%{{.*}} = %[[F]],
// SCHEDULE-NEXT: bfly.bin %{{.*}}[0]
// SCHEDULE-NEXT: bfly.linear
// SCHEDULE-NEXT: bfly.spectrum_map
// SCHEDULE: attributes {bfly.unfused = "cuFFT transforms N = 1000, which is no power of two"}
// SCHEDULE: bfly.kernel "ifft" (%{{.*}} = %[[A]])
// SCHEDULE-NEXT: bfly.ifft
// SCHEDULE: attributes {bfly.unfused = "cuFFT transforms N = 1000, which is no power of two"}
// SCHEDULE-NOT: bfly.kernel

// REPORT: remark: kernel "fft": {{.*}}; half_spectrum; {{.*}}; by cuFFT; not fused: cuFFT transforms N = 1000, which is no power of two
// REPORT: remark: kernel "spectrum_map": {{.*}}; mean_is_bin_zero; {{.*}}; not fused: cuFFT transforms N = 1000, which is no power of two
// REPORT: remark: kernel "ifft": {{.*}}; half_spectrum; {{.*}}; by cuFFT; not fused: cuFFT transforms N = 1000, which is no power of two

// GPU: llvm.func @bflyCudaFft(!llvm.ptr, !llvm.ptr, i64, i64, i64, i32, i32)
// GPU-LABEL: func.func @filter
// GPU-DAG: %[[R2C:.*]] = llvm.mlir.constant(1 : i32) : i32
// GPU-DAG: %[[C2R:.*]] = llvm.mlir.constant(2 : i32) : i32
// GPU-DAG: %[[NO:.*]] = llvm.mlir.constant(0 : i32) : i32
// GPU-DAG: %[[N:.*]] = llvm.mlir.constant(1000 : i64) : i64
// GPU-DAG: %[[D:.*]] = llvm.mlir.constant(8 : i64) : i64
// GPU: gpu.launch_func @filter_widen_0::@filter_widen_0
// GPU: llvm.call @bflyCudaFft(%{{.*}}, %{{.*}}, %[[B:.*]], %[[N]], %[[D]], %[[R2C]], %[[NO]])
// GPU: gpu.launch_func @filter_real_bins_1::@filter_real_bins_1
// GPU: gpu.launch_func @filter_spectrum_map_2::@filter_spectrum_map_2
// GPU: gpu.launch_func @filter_scale_3::@filter_scale_3
// GPU: llvm.call @bflyCudaFft(%{{.*}}, %{{.*}}, %[[B]], %[[N]], %[[D]], %[[C2R]], %[[R2C]])
// GPU: gpu.launch_func @filter_narrow_4::@filter_narrow_4
// GPU-NOT: gpu.launch_func
// GPU-NOT: llvm.call @bflyCudaFft

// EMULATED-NOT: bflyCudaFft
// EMULATED: llvm.func @filter
// EMULATED-NOT: library_transform
func.func @filter(%x: tensor<?x1000x8xbf16>, %w1: tensor<8x8xbf16>) -> tensor<?x1000x8xbf16> {
  %m = bfly.mean %x : tensor<?x1000x8xbf16> -> tensor<?x8xbf16>
  %dw = bfly.linear %m, %w1 relu : tensor<?x8xbf16>, tensor<8x8xbf16> -> tensor<?x8xbf16>
  %y = bfly.spectral_filter %x params(%dw[batch, channel] : tensor<?x8xbf16>) : tensor<?x1000x8xbf16> -> tensor<?x1000x8xbf16> {
  ^bb0(%bin: complex<f32>, %k: index, %w: f32):
    %abs = complex.abs %bin : complex<f32>
    %f = arith.mulf %abs, %w : f32
    %zero = arith.constant 0.0 : f32
    %g = complex.create %f, %zero : complex<f32>
    %a = complex.mul %bin, %g : complex<f32>
    bfly.yield %a : complex<f32>
  }
  return %y : tensor<?x1000x8xbf16>
}
