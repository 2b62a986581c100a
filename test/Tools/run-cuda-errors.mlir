// What is missing where a GPU is asked for, on a driver without one (test/Inputs/fake_cuda.c).

// RUN: env BFLY_LIBCUDA=%t/libcuda.so.1 not bfly-run %s --device=cuda --input=2xf32=1 2>&1 | FileCheck %s --check-prefix=DRIVER
// DRIVER: error: device 'cuda:0' is not there: there is no NVIDIA driver on this machine: {{.*}}libcuda.so.1: {{.*}}
// RUN: env BFLY_LIBCUDA=%fake_cuda FAKE_CUDA_DEVICES=0 not bfly-run %s --device=cuda --input=2xf32=1 2>&1 | FileCheck %s --check-prefix=NO-GPU
// NO-GPU: error: device 'cuda:0' is not there: there is no NVIDIA GPU on this machine, though a driver is
// RUN: env BFLY_LIBCUDA=%fake_cuda not bfly-run %s --device=cuda:3 --input=2xf32=1 2>&1 | FileCheck %s --check-prefix=ONE
// ONE: error: device 'cuda:3' is not there: the only GPU of this machine is cuda:0
// RUN: env BFLY_LIBCUDA=%fake_cuda FAKE_CUDA_DEVICES=4 not bfly-run %s --device=cuda:4 --input=2xf32=1 2>&1 | FileCheck %s --check-prefix=FOUR
// FOUR: error: device 'cuda:4' is not there: the GPUs of this machine are cuda:0 to cuda:3
// RUN: env BFLY_LIBCUDA=%fake_cuda FAKE_CUDA_CAPABILITY=75 not bfly-run %s --device=cuda --input=2xf32=1 2>&1 | FileCheck %s --check-prefix=TOO-OLD
// TOO-OLD: error: device 'cuda:0' is too old: Fake GPU 0 has compute capability 7.5, and 8.0 is needed
// RUN: env BFLY_LIBCUDA=%fake_cuda FAKE_CUDA_CAPABILITY=86 not bfly-run %s --device=cuda --compile-options=target=sm_90a --input=2xf32=1 2>&1 | FileCheck %s --check-prefix=OTHER
// OTHER: error: a program for target 'sm_90a' does not run on device 'cuda:0': Fake GPU 0 has compute capability 8.6
// RUN: env BFLY_LIBCUDA=%fake_cuda FAKE_CUDA_VERSION=11080 not bfly-run %s --device=cuda --input=2xf32=1 2>&1 | FileCheck %s --check-prefix=OLD
// OLD: error: device 'cuda:0' is not there: the NVIDIA driver is too old: it is for CUDA 11.8, and 12.0 is needed
// RUN: env BFLY_LIBCUDA=%fake_cuda FAKE_CUDA_FAIL=cuInit:1:3 not bfly-run %s --device=cuda --input=2xf32=1 2>&1 | FileCheck %s --check-prefix=INIT
// INIT: error: device 'cuda:0' is not there: cuInit failed: CUDA_ERROR_NOT_INITIALIZED (initialization error): the NVIDIA driver does not start

// Nothing of it is needed to look at the IR, or to run on a CPU.
// RUN: env BFLY_LIBCUDA=%t/libcuda.so.1 bfly-run %s --device=cuda --print-level=mixer | FileCheck %s --check-prefix=LEVEL
// LEVEL: func.func @f
// RUN: rm -f %t.log && env BFLY_LIBCUDA=%fake_cuda FAKE_CUDA_LOG=%t.log bfly-run %s --input=2xf32=1 | FileCheck %s --check-prefix=CPU
// CPU: result[0]: 2xf32=2 2
// RUN: not ls %t.log

func.func @f(%x: tensor<2xf32>) -> tensor<2xf32> {
  %y = arith.addf %x, %x : tensor<2xf32>
  return %y : tensor<2xf32>
}
