// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The functions that compiled code calls, by address: a process may hold
// several OpenMP runtimes and hide ours, and half of compiler-rt is missing
// from most.

#include "ForeignCode.h"

#include "bfly-cuda.h"
#include "bfly/Engine/HalfPrecision.h"
#include "llvm/ADT/bit.h"

#include <math.h>

using namespace mlir::bfly;

// Declared by name alone: their prototypes are libomp's own business.
#define BFLY_OPENMP_FUNCTIONS(X)                                               \
  X(__kmpc_barrier)                                                            \
  X(__kmpc_critical)                                                           \
  X(__kmpc_dispatch_fini_4u)                                                   \
  X(__kmpc_dispatch_fini_8u)                                                   \
  X(__kmpc_dispatch_init_4u)                                                   \
  X(__kmpc_dispatch_init_8u)                                                   \
  X(__kmpc_dispatch_next_4u)                                                   \
  X(__kmpc_dispatch_next_8u)                                                   \
  X(__kmpc_end_critical)                                                       \
  X(__kmpc_end_master)                                                         \
  X(__kmpc_end_reduce)                                                         \
  X(__kmpc_end_reduce_nowait)                                                  \
  X(__kmpc_end_serialized_parallel)                                            \
  X(__kmpc_end_single)                                                         \
  X(__kmpc_flush)                                                              \
  X(__kmpc_for_static_fini)                                                    \
  X(__kmpc_for_static_init_4u)                                                 \
  X(__kmpc_for_static_init_8u)                                                 \
  X(__kmpc_fork_call)                                                          \
  X(__kmpc_fork_call_if)                                                       \
  X(__kmpc_global_thread_num)                                                  \
  X(__kmpc_master)                                                             \
  X(__kmpc_push_num_threads)                                                   \
  X(__kmpc_reduce)                                                             \
  X(__kmpc_reduce_nowait)                                                      \
  X(__kmpc_serialized_parallel)                                                \
  X(__kmpc_single)                                                             \
  X(omp_get_max_threads)                                                       \
  X(omp_get_num_threads)                                                       \
  X(omp_get_thread_num)

// The C library's functions that LLVM makes of its intrinsics, and those that
// -bfly-call-math-library calls; each for double, and for float with an "f".
#define BFLY_UNARY_FUNCTIONS(X)                                                \
  X(acos)                                                                      \
  X(acosh)                                                                     \
  X(asin)                                                                      \
  X(asinh)                                                                     \
  X(atan)                                                                      \
  X(atanh)                                                                     \
  X(cbrt)                                                                      \
  X(ceil)                                                                      \
  X(cos)                                                                       \
  X(cosh)                                                                      \
  X(erf)                                                                       \
  X(erfc)                                                                      \
  X(exp)                                                                       \
  X(exp2)                                                                      \
  X(expm1)                                                                     \
  X(fabs)                                                                      \
  X(floor)                                                                     \
  X(log)                                                                       \
  X(log10)                                                                     \
  X(log1p)                                                                     \
  X(log2)                                                                      \
  X(nearbyint)                                                                 \
  X(rint)                                                                      \
  X(round)                                                                     \
  X(roundeven)                                                                 \
  X(sin)                                                                       \
  X(sinh)                                                                      \
  X(sqrt)                                                                      \
  X(tan)                                                                       \
  X(tanh)                                                                      \
  X(trunc)
#define BFLY_BINARY_FUNCTIONS(X)                                               \
  X(atan2)                                                                     \
  X(copysign)                                                                  \
  X(fmax)                                                                      \
  X(fmin)                                                                      \
  X(fmod)                                                                      \
  X(pow)

extern "C" {
#define DECLARE(name) void name();
BFLY_OPENMP_FUNCTIONS(DECLARE)
#undef DECLARE
}

// compiler-rt's conversions. `_Float16` and `__bf16` travel in vector registers
// like other floating-point numbers, which only these types say.
static __bf16 truncateToBF16(double value) {
  return llvm::bit_cast<__bf16>(doubleToBF16(value));
}
static __bf16 truncateFloatToBF16(float value) {
  return llvm::bit_cast<__bf16>(floatToBF16(value));
}
static _Float16 truncateToF16(double value) {
  return llvm::bit_cast<_Float16>(doubleToF16(value));
}
static _Float16 truncateFloatToF16(float value) {
  return llvm::bit_cast<_Float16>(floatToF16(value));
}
static float extendF16(_Float16 value) {
  return f16ToFloat(llvm::bit_cast<uint16_t>(value));
}

const llvm::StringMap<void *> &mlir::bfly::runtimeSymbols() {
  static const llvm::StringMap<void *> symbols = {
#define ENTRY(name) {#name, reinterpret_cast<void *>(&name)},
      // clang-format off
      BFLY_OPENMP_FUNCTIONS(ENTRY)
      ENTRY(_mlir_memref_to_llvm_alloc)
      ENTRY(_mlir_memref_to_llvm_aligned_alloc)
      ENTRY(_mlir_memref_to_llvm_free)
      ENTRY(memrefCopy)
      ENTRY(mgpuModuleLoad)
      ENTRY(mgpuModuleLoadJIT)
      ENTRY(mgpuModuleUnload)
      ENTRY(mgpuModuleGetFunction)
      ENTRY(mgpuLaunchKernel)
      ENTRY(mgpuLaunchClusterKernel)
      ENTRY(mgpuStreamCreate)
      ENTRY(mgpuStreamDestroy)
      ENTRY(mgpuStreamSynchronize)
      ENTRY(mgpuStreamWaitEvent)
      ENTRY(mgpuEventCreate)
      ENTRY(mgpuEventDestroy)
      ENTRY(mgpuEventSynchronize)
      ENTRY(mgpuEventRecord)
      ENTRY(mgpuMemAlloc)
      ENTRY(mgpuMemFree)
      ENTRY(mgpuMemcpy)
      ENTRY(mgpuMemset32)
      ENTRY(mgpuMemset16)
      ENTRY(mgpuMemHostRegisterMemRef)
      ENTRY(mgpuMemHostUnregisterMemRef)
      ENTRY(mgpuSetDefaultDevice)
      ENTRY(mgpuTensorMapEncodeTiledMemref)
      ENTRY(bflyCudaMalloc)
      ENTRY(bflyCudaRelease)
      ENTRY(bflyCudaNextLaunch)
      ENTRY(bflyCudaLaunch)
      ENTRY(bflyCudaResidentBlocks)
      ENTRY(bflyCudaMultiprocessors)
      ENTRY(bflyCudaCounters)
      ENTRY(bflyCudaTensorMap)
      ENTRY(bflyCudaFft)
      ENTRY(bflyCudaLinear)
#define MATH(name, type, ...)                                                  \
  {#name, reinterpret_cast<void *>(static_cast<type (*)(__VA_ARGS__)>(&::name))},
#define UNARY(name) MATH(name, double, double) MATH(name##f, float, float)
#define BINARY(name)                                                           \
  MATH(name, double, double, double) MATH(name##f, float, float, float)
      BFLY_UNARY_FUNCTIONS(UNARY)
      BFLY_BINARY_FUNCTIONS(BINARY)
      MATH(fma, double, double, double, double)
      MATH(fmaf, float, float, float, float)
      MATH(ldexp, double, double, int)
      MATH(ldexpf, float, float, int)
      MATH(sincos, void, double, double *, double *)
      MATH(sincosf, void, float, float *, float *)
#undef BINARY
#undef UNARY
#undef MATH
  // clang-format on
#undef ENTRY
                                                              {"__truncdfbf2",
                                                               reinterpret_cast<
                                                                   void *>(
                                                                   &truncateToBF16)},
      {"__truncsfbf2", reinterpret_cast<void *>(&truncateFloatToBF16)},
      {"__truncdfhf2", reinterpret_cast<void *>(&truncateToF16)},
      {"__truncsfhf2", reinterpret_cast<void *>(&truncateFloatToF16)},
      {"__extendhfsf2", reinterpret_cast<void *>(&extendF16)},
  };
  return symbols;
}
