// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "bfly-runtime.h"

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <gtest/gtest.h>
#include <omp.h>
#include <thread>
#include <vector>

static bool isAligned(void *pointer, uint64_t alignment) {
  return reinterpret_cast<uintptr_t>(pointer) % alignment == 0;
}

TEST(Runtime, Aligns) {
  for (uint64_t bytes : {0, 1, 63, 64, 65, 4096, 5 << 20}) {
    void *plain = _mlir_memref_to_llvm_alloc(bytes);
    EXPECT_TRUE(isAligned(plain, 64));
    std::memset(plain, 1, bytes);
    _mlir_memref_to_llvm_free(plain);
    void *wide = _mlir_memref_to_llvm_aligned_alloc(4096, bytes);
    EXPECT_TRUE(isAligned(wide, 4096));
    std::memset(wide, 1, bytes);
    _mlir_memref_to_llvm_free(wide);
  }
  _mlir_memref_to_llvm_free(nullptr);
}

TEST(Runtime, KeepsBlocks) {
  bflyRuntimeTrim();
  void *first = _mlir_memref_to_llvm_alloc(100000);
  _mlir_memref_to_llvm_free(first);
  // A little smaller fits the same block, much smaller would waste it.
  void *second = _mlir_memref_to_llvm_alloc(99000);
  EXPECT_EQ(first, second);
  void *third = _mlir_memref_to_llvm_alloc(99000);
  EXPECT_NE(second, third);
  _mlir_memref_to_llvm_free(second);
  void *small = _mlir_memref_to_llvm_alloc(1000);
  EXPECT_NE(small, first);
  _mlir_memref_to_llvm_free(small);
  _mlir_memref_to_llvm_free(third);
  // More blocks than are kept.
  void *blocks[100];
  for (void *&block : blocks)
    block = _mlir_memref_to_llvm_alloc(5000);
  for (void *block : blocks)
    _mlir_memref_to_llvm_free(block);
  bflyRuntimeTrim();
}

TEST(Runtime, CallsWithThreads) {
  int threads = 0;
  void *arguments[] = {&threads};
  auto count = [](void **arguments) {
#pragma omp parallel
    {
#pragma omp single
      *static_cast<int *>(arguments[0]) = omp_get_num_threads();
      // Every thread has scratch memory of its own.
      _mlir_memref_to_llvm_free(_mlir_memref_to_llvm_alloc(1000));
    }
  };
  int before = bflyRuntimeMaxThreads();
  EXPECT_EQ(bflyRuntimeCall(count, arguments, 3, nullptr, nullptr), 0);
  EXPECT_EQ(threads, 3);
  EXPECT_EQ(bflyRuntimeMaxThreads(), before);
  EXPECT_EQ(bflyRuntimeCall(count, arguments, 1, nullptr, nullptr), 0);
  EXPECT_EQ(threads, 1);
}

TEST(Runtime, SurvivesLackOfMemory) {
  BflyRuntimeFailure failure;
  // More than any machine has.
  auto impossible = [](void **) {
    void *kept = _mlir_memref_to_llvm_alloc(1000);
    void *more = _mlir_memref_to_llvm_alloc(uint64_t(1) << 60);
    _mlir_memref_to_llvm_free(more);
    _mlir_memref_to_llvm_free(kept);
  };
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(bflyRuntimeCall(impossible, nullptr, 0, nullptr, &failure), 1);
    EXPECT_EQ(failure.requested, uint64_t(1) << 60);
    EXPECT_EQ(failure.available, 0u);
  }
  // More than there is said to be.
  auto large = [](void **) {
    _mlir_memref_to_llvm_free(_mlir_memref_to_llvm_alloc(100 << 20));
  };
  auto available = []() -> uint64_t { return 50 << 20; };
  EXPECT_EQ(bflyRuntimeCall(large, nullptr, 0, available, &failure), 1);
  EXPECT_EQ(failure.requested, 100u << 20);
  EXPECT_EQ(failure.available, 50u << 20);
  EXPECT_EQ(bflyRuntimeCall(large, nullptr, 0, nullptr, nullptr), 0);
}

TEST(Runtime, CallsWithinCalls) {
  auto outer = [](void **arguments) {
    void *block = _mlir_memref_to_llvm_alloc(1000);
    BflyRuntimeFailure failure;
    auto inner = [](void **) { _mlir_memref_to_llvm_alloc(uint64_t(1) << 60); };
    *static_cast<int *>(arguments[0]) =
        bflyRuntimeCall(inner, nullptr, 0, nullptr, &failure);
    _mlir_memref_to_llvm_free(block);
  };
  int result = 0;
  void *arguments[] = {&result};
  EXPECT_EQ(bflyRuntimeCall(outer, arguments, 0, nullptr, nullptr), 0);
  EXPECT_EQ(result, 1);
}

TEST(RuntimeDeathTest, StopsInParallelRegions) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  auto impossible = [](void **) {
#pragma omp parallel num_threads(2)
    _mlir_memref_to_llvm_alloc(uint64_t(1) << 60);
  };
  EXPECT_EXIT(bflyRuntimeCall(impossible, nullptr, 0, nullptr, nullptr),
              testing::ExitedWithCode(1), "error: out of memory");
}

/// What a thread of a region knows.
struct Part {
  int failing; ///< the thread that asks for too much; -1: none, -2: all
  int nested;  ///< the thread that begins a region of its own, or -1
  std::atomic<int> ran{0}, finished{0};
};

static void runPart(int32_t *thread, int32_t *bound, Part *part) {
  ++part->ran;
  void *kept = _mlir_memref_to_llvm_alloc(1000);
  int number = omp_get_thread_num();
  if (number == part->nested) {
    Part inner;
    inner.failing = -2;
    inner.nested = -1;
    bflyRuntimeFork(
        nullptr, 1,
        reinterpret_cast<void (*)(int32_t *, int32_t *, ...)>(runPart), &inner);
  }
  if (part->failing == -2 || number == part->failing)
    _mlir_memref_to_llvm_alloc(uint64_t(1) << 60);
  _mlir_memref_to_llvm_free(kept);
  ++part->finished;
  bflyRuntimeBarrier(nullptr, *thread);
}

static void fork(void **arguments) {
  bflyRuntimeFork(
      nullptr, 1,
      reinterpret_cast<void (*)(int32_t *, int32_t *, ...)>(runPart),
      arguments[0]);
  ++*static_cast<int *>(arguments[1]);
}

TEST(Runtime, LeavesParallelRegions) {
  for (int threads : {1, 2, 3, 5}) {
    for (int failing = -2; failing < threads; ++failing) {
      Part part;
      part.failing = failing;
      part.nested = -1;
      int after = 0;
      void *arguments[] = {&part, &after};
      BflyRuntimeFailure failure = {};
      EXPECT_EQ(bflyRuntimeCall(fork, arguments, threads, nullptr, &failure),
                failing != -1);
      EXPECT_EQ(part.ran, threads);
      EXPECT_EQ(part.finished, failing == -1   ? threads
                               : failing == -2 ? 0
                                               : threads - 1);
      EXPECT_EQ(after, failing == -1);
      EXPECT_EQ(failure.requested, failing == -1 ? 0 : uint64_t(1) << 60);
    }
    // What fails in a region within a region fails all of them.
    Part part;
    part.failing = -1;
    part.nested = threads - 1;
    int after = 0;
    void *arguments[] = {&part, &after};
    EXPECT_EQ(bflyRuntimeCall(fork, arguments, threads, nullptr, nullptr), 1);
    EXPECT_EQ(part.finished, threads - 1);
    EXPECT_EQ(after, 0);
  }
}

TEST(Runtime, FailsOnSeveralThreadsAtOnce) {
  std::vector<std::thread> callers;
  std::atomic<int> wrong{0};
  for (int i = 0; i < 4; ++i)
    callers.emplace_back([&, i] {
      for (int j = 0; j < 50; ++j) {
        Part part;
        part.failing = (i + j) % 3 - 1;
        part.nested = -1;
        int after = 0;
        void *arguments[] = {&part, &after};
        int result = bflyRuntimeCall(fork, arguments, 2, nullptr, nullptr);
        wrong += result != (part.failing != -1);
      }
    });
  for (std::thread &caller : callers)
    caller.join();
  EXPECT_EQ(wrong, 0);
}

TEST(Runtime, CopiesBetweenLayouts) {
  struct Descriptor {
    float *allocated, *aligned;
    int64_t offset, sizes[2], strides[2];
  };
  struct Unranked {
    int64_t rank;
    void *descriptor;
  };
  float source[12] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}, target[6] = {};
  // The last two columns of 3x4, transposed.
  Descriptor in = {source, source, 2, {2, 3}, {1, 4}};
  Descriptor out = {target, target, 0, {2, 3}, {3, 1}};
  Unranked from = {2, &in}, to = {2, &out};
  memrefCopy(sizeof(float), &from, &to);
  const float expected[6] = {2, 6, 10, 3, 7, 11};
  EXPECT_EQ(std::memcmp(target, expected, sizeof(target)), 0);
  // A scalar, and nothing.
  from.rank = to.rank = 0;
  memrefCopy(sizeof(float), &from, &to);
  EXPECT_EQ(target[0], 2);
  from.rank = to.rank = 2;
  in.sizes[0] = out.sizes[0] = 0;
  target[0] = 99;
  memrefCopy(sizeof(float), &from, &to);
  EXPECT_EQ(target[0], 99);
}

TEST(Runtime, MeasuresCeilings) {
  EXPECT_GT(bflyRuntimeCopyBandwidth(1, 0.01), 1e8);
  double one = bflyRuntimePeakFlops(1, 0.01);
  EXPECT_GT(one, 1e8);
  EXPECT_LT(one, 1e13);
}

/// A call of compiled code that has `bytes` of scratch memory and writes one
/// byte at `offset`.
static void touchAt(int64_t bytes, int64_t offset) {
  int64_t numbers[] = {bytes, offset};
  void *arguments[] = {numbers};
  auto touch = [](void **arguments) {
    auto *numbers = static_cast<int64_t *>(arguments[0]);
    auto *block = static_cast<volatile char *>(
        _mlir_memref_to_llvm_aligned_alloc(64, numbers[0]));
    block[numbers[1]] = 1;
    _mlir_memref_to_llvm_free(const_cast<char *>(block));
  };
  bflyRuntimeCall(touch, arguments, 0, nullptr, nullptr);
}

TEST(RuntimeDeathTest, GuardsScratchMemory) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  for (int64_t bytes : {1, 64, 100, 4096, 10000}) {
    setenv("BFLY_GUARD", "end", 1);
    touchAt(bytes, 0);
    touchAt(bytes, bytes - 1);
    int64_t end = (bytes + 63) / 64 * 64;
    EXPECT_DEATH(touchAt(bytes, end), "");
    if (bytes % 64)
      EXPECT_DEATH(touchAt(bytes, bytes), "wrote 0 bytes after the end");
    setenv("BFLY_GUARD", "begin", 1);
    touchAt(bytes, 0);
    touchAt(bytes, bytes - 1);
    EXPECT_DEATH(touchAt(bytes, -1), "");
    unsetenv("BFLY_GUARD");
  }
  touchAt(100, 100);
}
