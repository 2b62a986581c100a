// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// What this machine can do at best: copies and multiply-adds.

#include "bfly-runtime.h"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <omp.h>
#include <sys/mman.h>

namespace {

/// Beyond the last-level cache of most machines, for each of two arrays.
constexpr size_t kCopyBytes = size_t(128) << 20;
/// Enough chains to hide the latency of a multiply-add on two ports.
constexpr int kChains = 12;
constexpr int kRounds = 20000;

typedef float Vector4 __attribute__((vector_size(16)));
typedef float Vector8 __attribute__((vector_size(32)));
typedef float Vector16 __attribute__((vector_size(64)));

/// kRounds multiply-adds in each of kChains chains. Always inlined, so that it
/// is compiled for the instructions of the function around it.
template <typename Vector>
[[gnu::always_inline]] inline float multiplyAddChains() {
  Vector sums[kChains];
  for (int i = 0; i < kChains; ++i)
    sums[i] = Vector{} + static_cast<float>(i);
  // Opaque to the compiler, which would compute the sums ahead otherwise.
  volatile float source = 0.999f;
  Vector factor = Vector{} + source;
  Vector addend = Vector{} + (1 - source);
  for (int round = 0; round < kRounds; ++round) {
#pragma clang loop unroll(full)
    // NOLINTNEXTLINE(modernize-loop-convert): a loop that is unrolled counts.
    for (int i = 0; i < kChains; ++i) {
#pragma clang fp contract(fast)
      sums[i] = sums[i] * factor + addend;
    }
  }
  float total = 0;
  for (const Vector &sum : sums)
    total += sum[0];
  return total;
}

#if defined(__x86_64__)
__attribute__((target("avx512f,fma"))) float chains512() {
  return multiplyAddChains<Vector16>();
}
__attribute__((target("avx2,fma"))) float chains256() {
  return multiplyAddChains<Vector8>();
}
#endif
float chains128() { return multiplyAddChains<Vector4>(); }

struct Kernel {
  float (*run)();
  double lanes;
};

Kernel widestKernel() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f"))
    return {chains512, 16};
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
    return {chains256, 8};
#endif
  return {chains128, 4};
}

} // namespace

extern "C" {

double bflyRuntimeCopyBandwidth(int threads, double seconds) {
  if (threads <= 0)
    threads = omp_get_max_threads();
  auto *source = static_cast<char *>(std::aligned_alloc(4096, kCopyBytes));
  auto *target = static_cast<char *>(std::aligned_alloc(4096, kCopyBytes));
  double best = 0;
  if (source && target) {
    madvise(source, kCopyBytes, MADV_HUGEPAGE);
    madvise(target, kCopyBytes, MADV_HUGEPAGE);
    double begin = omp_get_wtime();
    size_t part = kCopyBytes / threads;
    // The first round touches the pages, and does not count.
    for (int round = 0; round < 3 || omp_get_wtime() - begin < seconds;
         ++round) {
      double start = 0;
#pragma omp parallel num_threads(threads)
      {
        size_t first = part * omp_get_thread_num();
        if (round == 0)
          std::memset(source + first, 1, part);
#pragma omp barrier
#pragma omp master
        start = omp_get_wtime();
#pragma omp barrier
        std::memcpy(target + first, source + first, part);
      }
      double elapsed = omp_get_wtime() - start;
      if (round > 0)
        best = std::max(best, 2.0 * part * threads / elapsed);
    }
  }
  std::free(source);
  std::free(target);
  return best;
}

double bflyRuntimePeakFlops(int threads, double seconds) {
  if (threads <= 0)
    threads = omp_get_max_threads();
  Kernel kernel = widestKernel();
  std::atomic<float> sink{0};
  double best = 0;
  double begin = omp_get_wtime();
  for (int round = 0; round < 2 || omp_get_wtime() - begin < seconds; ++round) {
    double start = 0;
#pragma omp parallel num_threads(threads)
    {
#pragma omp barrier
#pragma omp master
      start = omp_get_wtime();
#pragma omp barrier
      for (int repeat = 0; repeat < 10; ++repeat)
        sink.store(kernel.run(), std::memory_order_relaxed);
    }
    double elapsed = omp_get_wtime() - start;
    best = std::max(best, 10.0 * 2.0 * kChains * kernel.lanes * kRounds *
                              threads / elapsed);
  }
  return best;
}

} // extern "C"
