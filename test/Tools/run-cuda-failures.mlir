// What happens to a kernel that is launched on a GPU, and cannot be: one line with the function, its types, what failed, and
// of a launch the kernel and its shape (test/Inputs/fake_cuda.c is the driver).

// Too little memory: for an array, and for what the kernel needs besides.
// RUN: env BFLY_LIBCUDA=%fake_cuda FAKE_CUDA_MEMORY=60000 not bfly-run %s --device=cuda --function=attention --input=2x64x64xbf16=1 --input=6x64x64xbf16=1 --input=6x64x64xbf16=1 2>&1 | FileCheck %s --check-prefix=ARRAY
// ARRAY: error: input {{[12]}}: out of GPU memory: another 48.0 KiB are needed, but {{.*}} of 58.6 KiB on cuda:0 (Fake GPU 0) are free
// RUN: env BFLY_LIBCUDA=%fake_cuda FAKE_CUDA_MEMORY=150000 not bfly-run %s --device=cuda --function=attention --input=2x64x64xbf16=1 --input=6x64x64xbf16=1 --input=6x64x64xbf16=1 2>&1 | FileCheck %s --check-prefix=SCRATCH
// SCRATCH: error: function 'attention' failed on cuda:0: out of GPU memory: another {{.*}} are needed, but {{.*}} on cuda:0 (Fake GPU 0) are free (attention(2x64x64xbf16, 6x64x64xbf16, 6x64x64xbf16) -> (2x64x64xbf16))

// A launch that fails, and kernels that fail later.
// RUN: env BFLY_LIBCUDA=%fake_cuda FAKE_CUDA_FAIL=cuLaunchKernelEx:1:701 not bfly-run %s --device=cuda --function=attention --input=2x64x64xbf16=1 --input=6x64x64xbf16=1 --input=6x64x64xbf16=1 2>&1 | FileCheck %s --check-prefix=LAUNCH
// LAUNCH: error: function 'attention' failed on cuda:0: cuLaunchKernelEx failed: CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES (too many resources requested for launch): kernel 'attention_butterfly_attention_0', grid {{[0-9]+}}x1x1, block 256x1x1, {{[0-9]+}} bytes of dynamic shared memory, cooperative (attention(2x64x64xbf16,
// RUN: env BFLY_LIBCUDA=%fake_cuda FAKE_CUDA_FAIL=cuModuleLoadDataEx:1:209 not bfly-run %s --device=cuda --function=attention --input=2x64x64xbf16=1 --input=6x64x64xbf16=1 --input=6x64x64xbf16=1 2>&1 | FileCheck %s --check-prefix=LOAD
// LOAD: error: function 'attention' cannot be loaded on cuda:0: cuModuleLoadData failed: CUDA_ERROR_NO_BINARY_FOR_GPU {{.*}}: on Fake GPU 0 (sm_90)
// RUN: env BFLY_LIBCUDA=%fake_cuda FAKE_CUDA_FAIL=cuStreamSynchronize:1:700 not bfly-run %s --device=cuda --function=attention --input=2x64x64xbf16=1 --input=6x64x64xbf16=1 --input=6x64x64xbf16=1 2>&1 | FileCheck %s --check-prefix=LATER
// LATER: error: cuStreamSynchronize failed: CUDA_ERROR_ILLEGAL_ADDRESS {{.*}}; launched last was kernel 'attention_butterfly_attention_0', grid {{[0-9]+}}x1x1, block 256x1x1

// For tests, memory begins as NaN: 16384 bytes of x are 4096 words.
// RUN: rm -f %t.log && env BFLY_LIBCUDA=%fake_cuda BFLY_CUDA_POISON=1 FAKE_CUDA_LOG=%t.log bfly-run %s --device=cuda --function=attention --input=2x64x64xbf16=1 --input=6x64x64xbf16=1 --input=6x64x64xbf16=1 --output=
// RUN: FileCheck %s --check-prefix=POISON --input-file=%t.log
// POISON: cuMemAllocFromPoolAsync(16384)
// POISON-NEXT: cuMemsetD32Async(4294967295, 4096)

// A kernel that does not fit is none.
// RUN: env BFLY_LIBCUDA=%fake_cuda not bfly-run %s --device=cuda --function=wide --input=4xf32=1 2>&1 | FileCheck %s --check-prefix=FIT
// FIT: run-cuda-failures.mlir:[[#@LINE+8]]:3: error: 'bfly.kernel' op "wide" of ('memref<4xf32>', 'memref<4xf32>') needs 400000 bytes of shared memory a block, but there are 232448

func.func @attention(%x: tensor<2x64x64xbf16>, %wq: tensor<6x64x64xbf16>, %wk: tensor<6x64x64xbf16>) -> tensor<2x64x64xbf16> {
  %y = bfly.butterfly_attention %x, %wq, %wk heads(2) : tensor<2x64x64xbf16>, tensor<6x64x64xbf16>
  return %y : tensor<2x64x64xbf16>
}

func.func @wide(%x: memref<4xf32>, %y: memref<4xf32> {bufferize.result}) {
  bfly.kernel "wide" (%a = %x, %b = %y) plan [#bfly.gpu_block<threads = 256>] : (memref<4xf32>, memref<4xf32>) {
    bfly.grid (%unit) in (1) sync(none) {
      %buffer = memref.alloc() : memref<100000xf32, #gpu.address_space<workgroup>>
      bfly.threads (%t) in (4) sync(block) {
        %0 = affine.load %a[%t] : memref<4xf32>
        affine.store %0, %buffer[%t * 1000] : memref<100000xf32, #gpu.address_space<workgroup>>
      }
      bfly.threads (%t) in (4) sync(block) {
        %0 = affine.load %buffer[%t * 1000] : memref<100000xf32, #gpu.address_space<workgroup>>
        affine.store %0, %b[%t] : memref<4xf32>
      }
    }
  }
  return
}
