// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The functions that compiled code calls, by address: a process may hold
// several OpenMP runtimes and hide ours, and half of compiler-rt is missing
// from most.

#include "ForeignCode.h"

#include "bfly-cuda.h"
#include "bfly-runtime.h"
#include "bfly/Arrays/HalfPrecision.h"
#include "llvm/ADT/bit.h"

using namespace mlir::bfly;

// Declared by name alone: their prototypes are libomp's own business.
#define BFLY_OPENMP_FUNCTIONS(X)                                               \
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
  // Never destroyed: calls may be under way when the process ends.
  static const llvm::StringMap<void *> &symbols = *[] {
    auto *symbols = new llvm::StringMap<void *>{
#define ENTRY(name) {#name, reinterpret_cast<void *>(&(name))},
        // clang-format off
      BFLY_OPENMP_FUNCTIONS(ENTRY)
      ENTRY(_mlir_memref_to_llvm_alloc)
      ENTRY(_mlir_memref_to_llvm_aligned_alloc)
      ENTRY(_mlir_memref_to_llvm_free)
      ENTRY(bflyRuntimeFail)
      ENTRY(memrefCopy)
      ENTRY(bflyCudaLoadModule)
      ENTRY(bflyCudaUnloadModule)
      ENTRY(bflyCudaMalloc)
      ENTRY(bflyCudaRelease)
      ENTRY(bflyCudaLaunch)
      ENTRY(bflyCudaResidentBlocks)
      ENTRY(bflyCudaMultiprocessors)
      ENTRY(bflyCudaCounters)
      ENTRY(bflyCudaTensorMap)
      ENTRY(bflyCudaFft)
      ENTRY(bflyCudaLinear)
      ENTRY(bflyCudaRowProduct)
    // clang-format on
#undef ENTRY
                                    {"__truncdfbf2",
                                     reinterpret_cast<void *>(&truncateToBF16)},
        // Regions that can fail.
        {"__kmpc_fork_call", reinterpret_cast<void *>(&bflyRuntimeFork)},
        {"__kmpc_barrier", reinterpret_cast<void *>(&bflyRuntimeBarrier)},
        {"__truncsfbf2", reinterpret_cast<void *>(&truncateFloatToBF16)},
        {"__truncdfhf2", reinterpret_cast<void *>(&truncateToF16)},
        {"__truncsfhf2", reinterpret_cast<void *>(&truncateFloatToF16)},
        {"__extendhfsf2", reinterpret_cast<void *>(&extendF16)},
    };
    addMathSymbols(*symbols);
    return symbols;
  }();
  return symbols;
}
