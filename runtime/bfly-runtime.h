/* Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 * What compiled code calls on a CPU, and what its callers need around it. A C
 * ABI, so that code compiled ahead of time can use it as well as the JIT.
 */

#ifndef BFLY_RUNTIME_H
#define BFLY_RUNTIME_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Scratch memory of compiled code, aligned to 64 bytes or to `alignment`.
 * Freed blocks are kept by the thread that freed them, so that repeated calls
 * touch no new pages. Without memory the call around it fails
 * (bflyRuntimeCall), in parallel regions too that were begun with
 * bflyRuntimeFork; in another parallel region, which nobody can leave, the
 * process stops with one message and exit code 1. For tests, BFLY_SCRATCH_LIMIT
 * in the environment is the largest block in bytes that is given. */
/* NOLINTBEGIN(readability-identifier-naming): the names are MLIR's. */
void *_mlir_memref_to_llvm_alloc(uint64_t bytes);
void *_mlir_memref_to_llvm_aligned_alloc(uint64_t alignment, uint64_t bytes);
void _mlir_memref_to_llvm_free(void *pointer);
/* NOLINTEND(readability-identifier-naming) */

/* Copies between two memrefs of the same sizes, given as unranked ones. */
void memrefCopy(int64_t elementBytes, void *source, void *target);

/* Gives this thread's kept blocks back to the system. */
void bflyRuntimeTrim(void);

/* Why a call failed. */
typedef struct BflyRuntimeFailure {
  uint64_t requested; /* the allocation that could not be made, in bytes */
  uint64_t available; /* what there was, or 0 if only the system knows */
  char message[2048]; /* another reason than that; empty if it is the one */
} BflyRuntimeFailure;

/* Calls function(arguments) with `threads` threads (0: leave it as it is).
 * Returns 0, or 1 if scratch memory ran out or bflyRuntimeFail was called;
 * everything that the call had allocated is then freed.
 * `availableMemory` is asked before large allocations, since the system grants
 * more than it has; may be null. */
int bflyRuntimeCall(void (*function)(void **), void **arguments, int threads,
                    uint64_t (*availableMemory)(void),
                    BflyRuntimeFailure *failure);

/* What compiled code calls in place of __kmpc_fork_call and __kmpc_barrier: a
 * thread of the region may run out of memory or call bflyRuntimeFail, after
 * which the others finish their part, and the call that began the region fails.
 * A region ends with its only barrier, and has at most one argument. */
void bflyRuntimeFork(void *location, int32_t count,
                     void (*body)(int32_t *thread, int32_t *bound, ...), ...);
void bflyRuntimeBarrier(void *location, int32_t thread);

/* Leaves the innermost call on this thread, for whatever reason: it returns 1.
 * Nothing between here and there may need its destructor. Where no call can be
 * left, prints the reason and stops the process with exit code 1. */
#if defined(__GNUC__)
__attribute__((noreturn))
#endif
void bflyRuntimeFail(const char *message);

/* The threads that a parallel region takes unless told otherwise. */
int bflyRuntimeMaxThreads(void);

/* This machine's ceilings, each measured for about `seconds` on `threads`
 * threads (0: all). The bytes that a copy of large arrays reads and writes per
 * second, 0 without the memory to measure it; and f32 multiply-adds per
 * second, counted as two operations each. */
double bflyRuntimeCopyBandwidth(int threads, double seconds);
double bflyRuntimePeakFlops(int threads, double seconds);

#ifdef __cplusplus
}
#endif

#endif /* BFLY_RUNTIME_H */
