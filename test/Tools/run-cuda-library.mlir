// A length that no kernel transforms, on a driver whose kernels do nothing (test/Inputs/fake_cuda.c): cuFFT is called
// between launches.

// RUN: rm -f %t.log && env BFLY_LIBCUDA=%fake_cuda BFLY_LIBCUFFT=%fake_cuda FAKE_CUDA_LOG=%t.log bfly-run %s --function=square --device=cuda --input=2x12x4xf32=1 > /dev/null
// RUN: FileCheck %s --check-prefix=LOG < %t.log
// LOG: cufftMakePlanMany64(12, batch 4)
// LOG-COUNT-2: cufftXtExec(-1)
// LOG: cuLaunchKernelEx(square_real_bins_0,
// LOG: cuLaunchKernelEx(square_spectrum_map_1,
// LOG: cuLaunchKernelEx(square_scale_2,
// LOG: cufftMakePlanMany64(12, batch 4)
// LOG-COUNT-2: cufftXtExec(1)
// LOG-NOT: cuLaunchKernelEx

// RUN: env BFLY_LIBCUDA=%fake_cuda BFLY_LIBCUFFT=%t/libcufft.so not bfly-run %s --function=square --device=cuda --input=2x12x4xf32=1 2>&1 | FileCheck %s --check-prefix=MISSING
// MISSING: error: function 'square' failed on cuda:0: a transform of this length needs cuFFT, which is not on this machine: {{.*}}libcufft.so
// RUN: env BFLY_LIBCUDA=%fake_cuda BFLY_LIBCUFFT=%fake_cuda FAKE_CUDA_FAIL=cufftXtExec:2:6 not bfly-run %s --function=square --device=cuda --input=2x12x4xf32=1 2>&1 | FileCheck %s --check-prefix=FAILS
// FAILS: error: function 'square' failed on cuda:0: cufftXtExec failed: CUFFT_EXEC_FAILED: transform of 12 points in 4 channels

// A large product, on a machine without cuBLASLt.
// RUN: env BFLY_LIBCUDA=%fake_cuda BFLY_LIBCUBLASLT=%t/libcublasLt.so not bfly-run %s --function=product --device=cuda --input=256x256xf32=1 2>&1 | FileCheck %s --check-prefix=NO-BLAS
// NO-BLAS: error: function 'product' failed on cuda:0: this matrix product needs cuBLASLt, which is not on this machine: {{.*}}libcublasLt.so

func.func @product(%x: tensor<256x256xf32>) -> tensor<256x256xf32> {
  %y = bfly.linear %x, %x : tensor<256x256xf32>, tensor<256x256xf32> -> tensor<256x256xf32>
  return %y : tensor<256x256xf32>
}

func.func @square(%x: tensor<2x12x4xf32>) -> tensor<2x12x4xf32> {
  %y = bfly.spectral_filter %x params() : tensor<2x12x4xf32> -> tensor<2x12x4xf32> {
  ^bb0(%bin: complex<f32>, %k: index):
    %a = complex.mul %bin, %bin : complex<f32>
    bfly.yield %a : complex<f32>
  }
  return %y : tensor<2x12x4xf32>
}
