// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The CUDA runtime on a driver that needs no GPU (test/Inputs/fake_cuda.c).

#include "FakeCuda.h"
#include "bfly-cuda.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <gtest/gtest.h>
#include <string>
#include <thread>

namespace {

enum { Blocks, Events, Modules, Plans };

class Cuda : public testing::Test {
protected:
  void SetUp() override {
    fake().fail("", 0, 0);
    fake().clearLog();
    module = bflyCudaLoadModule(image, 0);
    blocksBefore = fake().live(Blocks);
  }

  void TearDown() override {
    bflyCudaUnloadModule(module);
    EXPECT_EQ(fake().live(Blocks), blocksBefore);
    EXPECT_EQ(fake().live(Events), 0);
    EXPECT_EQ(fake().live(Modules), 0);
    EXPECT_EQ(fake().depth(), 0);
  }

  /// Runs a body as compiled code runs. The message of its failure, or "".
  std::string run(std::function<void()> body, int ordinal = 0,
                  void *stream = nullptr) {
    void *arguments[] = {&body};
    auto call = [](void **arguments) {
      (*static_cast<std::function<void()> *>(arguments[0]))();
    };
    BflyRuntimeFailure failure;
    if (bflyCudaCall(call, arguments, ordinal, stream, &failure) == 0)
      return "";
    return failure.message[0] ? failure.message : "?";
  }

  std::string launch(const char *name, int64_t grid, int64_t block,
                     int64_t cluster = 1, int64_t shared = 0, int32_t flags = 0,
                     int ordinal = 0, void *stream = nullptr) {
    auto body = [=] {
      bflyCudaLaunch(module, name, grid, 1, 1, block, 1, 1, cluster, 1, 1,
                     shared, flags, nullptr);
    };
    return run(body, ordinal, stream);
  }

  char image[16] = "image";
  void *module = nullptr;
  int blocksBefore = 0;
};

} // namespace

TEST_F(Cuda, DescribesDevices) {
  int count = 0;
  EXPECT_EQ(bflyCudaDeviceCount(&count), 0);
  EXPECT_EQ(count, 2);
  BflyCudaDevice info;
  ASSERT_EQ(bflyCudaDescribe(1, &info), 0);
  EXPECT_EQ(fake().count("cuDevicePrimaryCtxRetain(1)"), 0);
  ASSERT_EQ(bflyCudaDeviceInfo(1, &info), 0);
  EXPECT_STREQ(info.name, "Fake GPU 1");
  EXPECT_EQ(info.major * 10 + info.minor, 90);
  EXPECT_EQ(info.multiprocessors, 132);
  EXPECT_EQ(info.blockSharedBytes, 227u << 10);
  EXPECT_EQ(info.memoryBytes, 1u << 30);
  EXPECT_EQ(bflyCudaDeviceInfo(2, &info), -1);
  EXPECT_STREQ(bflyCudaLastError(),
               "the GPUs of this machine are cuda:0 to cuda:1");
  EXPECT_EQ(bflyCudaDeviceInfo(-1, &info), -1);
  uint64_t available, total;
  EXPECT_EQ(bflyCudaMemoryInfo(0, &available, &total), 0);
  EXPECT_EQ(total, 1u << 30);
}

TEST_F(Cuda, LoadsModulesWhenLaunched) {
  EXPECT_EQ(fake().live(Modules), 0);
  EXPECT_FALSE(fake().has("cuModuleLoad"));
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(launch("a", 1, 1), "");
    EXPECT_EQ(launch("b", 1, 1), "");
  }
  EXPECT_EQ(fake().count("cuModuleLoadDataEx(device 0)"), 1);
  EXPECT_EQ(fake().count("cuModuleGetFunction"), 2);
  EXPECT_EQ(fake().count("cuLaunchKernelEx"), 6);
  // Another device has code of its own.
  EXPECT_EQ(launch("a", 1, 1, 1, 0, 0, /*ordinal=*/1), "");
  EXPECT_EQ(fake().count("cuModuleLoadDataEx(device 1)"), 1);
  EXPECT_EQ(fake().live(Modules), 2);
}

TEST_F(Cuda, LoadsFromManyThreadsOnce) {
  std::vector<std::thread> threads;
  std::string problems[8];
  for (int i = 0; i < 8; ++i)
    threads.emplace_back([&, i] {
      for (int j = 0; j < 20; ++j)
        problems[i] += launch("a", 1, 1);
    });
  for (std::thread &thread : threads)
    thread.join();
  for (const std::string &problem : problems)
    EXPECT_EQ(problem, "");
  EXPECT_EQ(fake().count("cuModuleLoadDataEx"), 1);
  EXPECT_EQ(fake().count("cuModuleGetFunction"), 1);
  EXPECT_EQ(fake().count("cuLaunchKernelEx"), 160);
}

TEST_F(Cuda, SaysWhyModulesDoNotLoad) {
  auto load = [&](const char *data, bool isPTX) {
    void *other = bflyCudaLoadModule(data, isPTX);
    std::string problem = run([&] {
      bflyCudaLaunch(other, "a", 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, nullptr);
    });
    bflyCudaUnloadModule(other);
    return problem;
  };
  EXPECT_EQ(load("bad", true),
            "cuModuleLoadData failed: CUDA_ERROR_INVALID_PTX (a PTX JIT "
            "compilation failed): on Fake GPU 0 (sm_90): line 1; fatal: bad "
            "ptxas aborted");
  EXPECT_EQ(load("other", false),
            "cuModuleLoadData failed: CUDA_ERROR_NO_BINARY_FOR_GPU (no kernel "
            "image is available for execution on the device): on Fake GPU 0 "
            "(sm_90), which the module of kernels was not compiled for");
  EXPECT_EQ(
      load(".extern .func (.param .b32 r) __nv_expf (.param .b32 x);", true),
      "a module of kernels calls '__nv_expf', which nothing defines: "
      "libdevice was not linked in");
  EXPECT_EQ(
      load(".extern .func (.param .b32 r) vprintf\n(.param .b64 x);", true),
      "");
  EXPECT_EQ(launch("missing", 1, 1),
            "cuModuleGetFunction failed: CUDA_ERROR_NOT_FOUND (named symbol "
            "not found): kernel 'missing'");
}

TEST_F(Cuda, SetsLaunchAttributes) {
  EXPECT_EQ(launch("a", 8, 128), "");
  EXPECT_TRUE(fake().has("cuLaunchKernelEx(a, 8x1x1, 128x1x1, 0 bytes)"));
  // Beyond 48 KB the function has to be told, once.
  EXPECT_FALSE(fake().has("cuFuncSetAttribute"));
  for (int i = 0; i < 3; ++i)
    EXPECT_EQ(launch("a", 8, 128, 1, 100000), "");
  EXPECT_EQ(fake().count("cuFuncSetAttribute(a, 8, 100000)"), 1);
  EXPECT_EQ(launch("a", 8, 128, 2, 0, BFLY_CUDA_COOPERATIVE), "");
  EXPECT_TRUE(fake().has("0 bytes, cooperative, cluster)"));
  for (int i = 0; i < 3; ++i)
    EXPECT_EQ(launch("a", 16, 128, 16), "");
  EXPECT_EQ(fake().count("cuFuncSetAttribute(a, 14, 1)"), 1);
  EXPECT_EQ(fake().count("large cluster"), 3);
  // A kernel with clusters of its own is not given them again.
  EXPECT_EQ(launch("pair", 8, 128), "");
  EXPECT_TRUE(fake().has("cuLaunchKernelEx(pair, 8x1x1, 128x1x1, 0 bytes)"));
  // Flags of this launch only.
  fake().clearLog();
  EXPECT_EQ(launch("a", 1, 1, 1, 0, BFLY_CUDA_COOPERATIVE), "");
  EXPECT_EQ(launch("a", 1, 1), "");
  EXPECT_EQ(fake().count("cooperative"), 1);
  // Nothing to do is not an error.
  fake().clearLog();
  EXPECT_EQ(launch("a", 0, 128), "");
  EXPECT_FALSE(fake().has("cuLaunchKernelEx"));
}

TEST_F(Cuda, SaysWhyLaunchesFail) {
  EXPECT_EQ(launch("static", 1, 128, 1, 230000),
            "kernel 'static' needs 234096 bytes of shared memory a block, but "
            "a block of Fake GPU 0 may have 232448");
  EXPECT_EQ(launch("large", 2, 512),
            "168 registers a thread leave room for 384 threads a block: "
            "kernel 'large', grid 2x1x1, block 512x1x1");
  EXPECT_EQ(launch("a", 3, 32, 2),
            "the grid is not made of whole clusters: kernel 'a', grid 3x1x1, "
            "block 32x1x1, cluster 2x1x1");
  EXPECT_EQ(launch("pair", 3, 32),
            "the grid is not made of whole clusters: kernel 'pair', grid "
            "3x1x1, block 32x1x1, cluster 2x1x1");
  EXPECT_EQ(launch("a", int64_t(1) << 31, 32),
            "the grid is too large: kernel 'a', grid 2147483648x1x1, block "
            "32x1x1");
  EXPECT_EQ(launch("a", 1, 0),
            "no such block or cluster: kernel 'a', grid 1x1x1, block 0x1x1");
  EXPECT_EQ(launch("a", 3000, 128, 1, 64, BFLY_CUDA_COOPERATIVE),
            "3000 blocks have to run at once, but Fake GPU 0 holds 2112: "
            "kernel 'a', grid 3000x1x1, block 128x1x1, 64 bytes of dynamic "
            "shared memory, cooperative");
  fake().fail("cuLaunchKernelEx", 1, 701);
  EXPECT_EQ(launch("a", 4, 128),
            "cuLaunchKernelEx failed: CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES (too "
            "many resources requested for launch): kernel 'a', grid 4x1x1, "
            "block 128x1x1");
  // And goes on working.
  EXPECT_EQ(launch("a", 4, 128), "");
  fake().fail("cuStreamSynchronize", 1, 700);
  EXPECT_EQ(bflyCudaSynchronize(0, nullptr), -1);
  EXPECT_STREQ(
      bflyCudaLastError(),
      "cuStreamSynchronize failed: CUDA_ERROR_ILLEGAL_ADDRESS (an illegal "
      "memory access was encountered); launched last was kernel 'a', grid "
      "4x1x1, block 128x1x1; this process cannot use the GPU any more");
  fake().fail("cuLaunchKernelEx", 1, 9999);
  EXPECT_EQ(launch("a", 4, 128), "cuLaunchKernelEx failed: error 9999: kernel "
                                 "'a', grid 4x1x1, block 128x1x1");
}

TEST_F(Cuda, CountsResidentBlocks) {
  int64_t plain = 0, clusters = 0, processors = 0;
  for (int i = 0; i < 2; ++i)
    EXPECT_EQ(run([&] {
                plain = bflyCudaResidentBlocks(module, "a", 256, 100000, 1);
                clusters = bflyCudaResidentBlocks(module, "a", 256, 100000, 8);
                processors = bflyCudaMultiprocessors();
              }),
              "");
  EXPECT_EQ(plain, 264);
  EXPECT_EQ(clusters, 128);
  EXPECT_EQ(processors, 132);
  EXPECT_EQ(fake().count("cuOccupancyMaxActiveBlocks"), 1);
  EXPECT_EQ(fake().count("cuOccupancyMaxActiveClusters"), 1);
  EXPECT_EQ(run([&] { bflyCudaResidentBlocks(module, "large", 512, 0, 1); }),
            "kernel 'large' cannot have 512 threads a block and clusters of 1 "
            "blocks");
}

TEST_F(Cuda, FreesOnAllPaths) {
  auto leak = [&] {
    void *first = bflyCudaMalloc(100);
    bflyCudaMalloc(0);
    bflyCudaRelease(first);
    bflyCudaRelease(nullptr);
  };
  int before = fake().live(Blocks);
  EXPECT_EQ(run(leak), "");
  EXPECT_EQ(fake().live(Blocks), before);
  // Whatever fails, and however late.
  for (const char *call : {"cuMemAllocFromPoolAsync", "cuMemFreeAsync",
                           "cuModuleLoadDataEx", "cuLaunchKernelEx"}) {
    fake().fail(call, 1, 1);
    std::string problem = run([&] {
      leak();
      bflyCudaLaunch(module, call, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, nullptr);
    });
    EXPECT_NE(problem.find("CUDA_ERROR_INVALID_VALUE"), std::string::npos)
        << call << ": " << problem;
    EXPECT_EQ(fake().live(Blocks), before) << call;
  }
  EXPECT_EQ(run([] { bflyCudaRelease(&fake()); }),
            "compiled code frees GPU memory that it did not allocate");
}

TEST_F(Cuda, SaysHowMuchMemoryThereIs) {
  EXPECT_EQ(run([] {
              bflyCudaMalloc(512 << 20);
              bflyCudaMalloc(600 << 20);
            }),
            "out of GPU memory: another 600.0 MiB are needed, but 512.0 MiB of "
            "1.0 GiB on cuda:0 (Fake GPU 0) are free");
  // It asked for what was kept before it gave up.
  EXPECT_TRUE(fake().has("cuMemPoolTrimTo(0)"));
  EXPECT_EQ(run([] { bflyCudaMalloc(600 << 20); }), "");
  fake().fail("cuMemAllocFromPoolAsync", 1, 2);
  EXPECT_EQ(run([] { bflyCudaMalloc(1); }), "");
}

TEST_F(Cuda, LeavesHostScratchMemoryClean) {
  // A failure of either memory leaves the call with both freed.
  EXPECT_EQ(run([] {
              _mlir_memref_to_llvm_alloc(1000);
              bflyCudaMalloc(uint64_t(1) << 40);
            }).substr(0, 17),
            "out of GPU memory");
  EXPECT_EQ(run([] {
              bflyCudaMalloc(100);
              _mlir_memref_to_llvm_alloc(uint64_t(1) << 60);
            }),
            "?");
}

TEST_F(Cuda, UsesTheCallersStream) {
  void *stream = nullptr, *other = nullptr;
  ASSERT_EQ(bflyCudaStreamCreate(0, &stream), 0);
  ASSERT_EQ(bflyCudaStreamCreate(1, &other), 0);
  EXPECT_EQ(bflyCudaCheckStream(0, stream), 0);
  EXPECT_EQ(bflyCudaCheckStream(0, nullptr), 0);
  EXPECT_EQ(bflyCudaCheckStream(0, other), -1);
  EXPECT_STREQ(bflyCudaLastError(), "the stream is not one of cuda:0");
  EXPECT_EQ(bflyCudaCheckStream(0, &fake()), -1);
  EXPECT_STREQ(bflyCudaLastError(),
               "cuStreamGetCtx failed: CUDA_ERROR_INVALID_HANDLE (invalid "
               "resource handle): this is no CUDA stream");
  fake().clearLog();
  EXPECT_EQ(launch("a", 1, 1, 1, 0, 0, 0, stream), "");
  EXPECT_TRUE(fake().has("0 bytes, stream "));
  // A call is over before its work is.
  EXPECT_FALSE(fake().has("cuStreamSynchronize"));
  EXPECT_EQ(bflyCudaStreamDestroy(0, stream), 0);
  EXPECT_EQ(bflyCudaStreamDestroy(1, other), 0);
}

TEST_F(Cuda, WaitsBeforeItUnloads) {
  EXPECT_EQ(launch("a", 1, 1), "");
  bflyCudaUnloadModule(module);
  EXPECT_TRUE(fake().has("cuCtxSynchronize()\ncuModuleUnload()"));
  module = bflyCudaLoadModule(image, 0);
}

TEST_F(Cuda, KnowsWhereMemoryIs) {
  void *pointer = nullptr;
  ASSERT_EQ(bflyCudaAllocate(1, nullptr, 1000, &pointer), 0);
  int ordinal;
  EXPECT_EQ(bflyCudaPointer(pointer, 1000, &ordinal), 0);
  EXPECT_EQ(ordinal, 1);
  EXPECT_EQ(bflyCudaPointer(static_cast<char *>(pointer) + 500, 501, &ordinal),
            -1);
  EXPECT_STREQ(bflyCudaLastError(),
               "501 bytes are needed, but its GPU memory ends after 500 bytes");
  EXPECT_EQ(bflyCudaPointer(&ordinal, 4, &ordinal), 0);
  EXPECT_EQ(ordinal, -1);
  float value = 5, back = 0;
  EXPECT_EQ(bflyCudaCopy(1, nullptr, pointer, &value, 4), 0);
  EXPECT_EQ(bflyCudaCopy(1, nullptr, &back, pointer, 4), 0);
  EXPECT_EQ(bflyCudaSynchronize(1, nullptr), 0);
  EXPECT_EQ(back, 5);
  EXPECT_EQ(bflyCudaFree(1, nullptr, pointer), 0);
  EXPECT_EQ(bflyCudaTrim(1), 0);
}

TEST_F(Cuda, RunsKernelsWithTheirParameters) {
  fake().kernel("double", [](void **parameters, const unsigned *grid,
                             const unsigned *block) {
    float *x = *static_cast<float **>(parameters[0]);
    for (unsigned i = 0; i < grid[0] * block[0]; ++i)
      x[i] *= 2;
  });
  EXPECT_EQ(run([&] {
              float host[4] = {1, 2, 3, 4};
              void *pointer = bflyCudaMalloc(16);
              void *parameters[] = {&pointer};
              bflyCudaCopy(0, nullptr, pointer, host, 16);
              bflyCudaLaunch(module, "double", 2, 1, 1, 2, 1, 1, 1, 1, 1, 0, 0,
                             parameters);
              bflyCudaCopy(0, nullptr, host, pointer, 16);
              bflyCudaSynchronize(0, nullptr);
              EXPECT_EQ(host[3], 8);
            }),
            "");
}

TEST_F(Cuda, KeepsCountersForStreams) {
  void *stream = nullptr, *first = nullptr, *again = nullptr, *other = nullptr;
  ASSERT_EQ(bflyCudaStreamCreate(0, &stream), 0);
  fake().fail("cuMemsetD32Async", 1, 1);
  EXPECT_EQ(run([] { bflyCudaCounters(1); }),
            "cuMemsetD32Async failed: CUDA_ERROR_INVALID_VALUE (invalid "
            "argument)");
  EXPECT_EQ(fake().live(Blocks), blocksBefore);
  EXPECT_EQ(run([&] { first = bflyCudaCounters(BFLY_CUDA_COUNTERS); }), "");
  EXPECT_EQ(run([&] { again = bflyCudaCounters(1); }), "");
  EXPECT_EQ(run([&] { other = bflyCudaCounters(1); }, 0, stream), "");
  EXPECT_EQ(first, again);
  EXPECT_NE(first, other);
  EXPECT_EQ(static_cast<uint32_t *>(first)[BFLY_CUDA_COUNTERS - 1], 0u);
  EXPECT_EQ(fake().count("cuMemsetD32Async(0, 4096)"), 3);
  EXPECT_EQ(run([] { bflyCudaCounters(4097); }), "there are no 4097 counters");
  EXPECT_EQ(bflyCudaStreamDestroy(0, stream), 0);
  // These stay.
  blocksBefore += 2;
}

TEST_F(Cuda, GivesEachLaunchInAGraphCountersOfItsOwn) {
  void *stream = nullptr, *other = nullptr, *words[6] = {};
  ASSERT_EQ(bflyCudaStreamCreate(0, &stream), 0);
  ASSERT_EQ(bflyCudaStreamCreate(0, &other), 0);
  auto get = [&](int i, void *on, int64_t count = 2) {
    return run([&, i, count] { words[i] = bflyCudaCounters(count); }, 0, on);
  };
  EXPECT_EQ(get(0, stream), "");
  void *graph = fake().beginCapture(stream);
  EXPECT_EQ(get(1, stream), "");
  EXPECT_EQ(get(2, stream), "");
  // Beside a capture, and of another size.
  EXPECT_EQ(get(3, other), "");
  EXPECT_EQ(get(4, stream, BFLY_CUDA_COUNTERS), "");
  EXPECT_EQ(fake().endCapture(stream), 0);
  EXPECT_EQ(get(5, stream), "");
  EXPECT_EQ(words[0], words[5]);
  std::vector<void *> distinct(words, words + 5);
  std::sort(distinct.begin(), distinct.end());
  EXPECT_EQ(std::unique(distinct.begin(), distinct.end()), distinct.end());
  // They are zero now, not when the graph runs, and not the graph's memory.
  for (void *counters : words)
    EXPECT_EQ(static_cast<uint32_t *>(counters)[1], 0u);
  EXPECT_EQ(static_cast<uint32_t *>(words[4])[BFLY_CUDA_COUNTERS - 1], 0u);
  EXPECT_EQ(fake().count("cuMemAlloc("), 2);

  // Another graph has others until the first is gone, and then no new ones.
  void *second = fake().beginCapture(stream);
  void *before[] = {words[1], words[2]};
  EXPECT_EQ(get(1, stream), "");
  EXPECT_NE(words[1], before[0]);
  EXPECT_NE(words[1], before[1]);
  fake().destroyGraph(graph);
  for (int i = 0; i < 2; ++i)
    EXPECT_EQ(get(2 + i, stream), "");
  EXPECT_NE(words[2], words[3]);
  EXPECT_EQ(fake().count("cuMemAlloc("), 2);

  // What fails leaves the words to others.
  fake().fail("cuGraphRetainUserObject", 1, 1);
  EXPECT_NE(get(2, stream).find("cuGraphRetainUserObject failed"),
            std::string::npos);
  fake().fail("cuUserObjectCreate", 1, 1);
  EXPECT_NE(get(2, stream).find("cuUserObjectCreate failed"),
            std::string::npos);
  EXPECT_EQ(get(2, stream), "");
  EXPECT_EQ(fake().count("cuMemAlloc("), 2);
  EXPECT_EQ(fake().endCapture(stream), 0);
  fake().destroyGraph(second);
  EXPECT_EQ(bflyCudaStreamDestroy(0, stream), 0);
  EXPECT_EQ(bflyCudaStreamDestroy(0, other), 0);
  blocksBefore = fake().live(Blocks);
}

TEST_F(Cuda, LoadsAndAllocatesInACapture) {
  void *stream = nullptr;
  ASSERT_EQ(bflyCudaStreamCreate(0, &stream), 0);
  int isCapturing = 2;
  EXPECT_EQ(bflyCudaIsCapturing(0, stream, &isCapturing), 0);
  EXPECT_EQ(isCapturing, 0);
  void *graph = fake().beginCapture(stream);
  EXPECT_EQ(bflyCudaIsCapturing(0, stream, &isCapturing), 0);
  EXPECT_EQ(isCapturing, 1);
  // Neither was loaded or made before.
  EXPECT_EQ(launch("a", 2, 32, 1, 100000, BFLY_CUDA_COOPERATIVE, 0, stream),
            "");
  EXPECT_EQ(run([] { bflyCudaRelease(bflyCudaMalloc(100)); }, 0, stream), "");
  EXPECT_EQ(fake().count("cuModuleLoadDataEx"), 1);
  // A thread's mode is its own again: this would have to be refused.
  EXPECT_EQ(bflyCudaSynchronize(0, nullptr), -1);
  EXPECT_EQ(fake().endCapture(stream), 0);
  fake().destroyGraph(graph);
  // Somebody else's fault: nothing is launched into what is no graph any more.
  graph = fake().beginCapture(stream);
  EXPECT_EQ(run([&] { bflyCudaSynchronize(0, stream); }, 0, stream), "");
  EXPECT_EQ(run([] { bflyCudaCounters(1); }, 0, stream),
            "the capture of this stream into a graph has failed before");
  EXPECT_EQ(fake().endCapture(stream), 1);
  fake().destroyGraph(graph);
  EXPECT_EQ(bflyCudaStreamDestroy(0, stream), 0);
}

TEST_F(Cuda, LoadsModulesAtOnceWhereThatIsAsked) {
  static void *made[2];
  static const char *code[2];
  auto load = [] {
    for (int i = 0; i < 2; ++i)
      made[i] = bflyCudaLoadModule(code[i], 0);
  };
  code[0] = code[1] = "image";
  EXPECT_EQ(bflyCudaLoadModules(1, load), 0);
  EXPECT_EQ(fake().count("cuModuleLoadDataEx(device 1)"), 2);
  for (void *one : made)
    bflyCudaUnloadModule(one);
  code[1] = "other";
  EXPECT_EQ(bflyCudaLoadModules(0, load), -1);
  EXPECT_NE(std::string(bflyCudaLastError()).find("NO_BINARY_FOR_GPU"),
            std::string::npos);
  for (void *one : made)
    bflyCudaUnloadModule(one);
  EXPECT_EQ(bflyCudaLoadModules(7, load), -1);
  // And not otherwise.
  fake().clearLog();
  load();
  EXPECT_EQ(fake().count("cuModuleLoadDataEx"), 0);
  for (void *one : made)
    bflyCudaUnloadModule(one);
}

TEST_F(Cuda, MakesTensorMaps) {
  EXPECT_EQ(run([] {
              alignas(64) char map[128] = {};
              auto *data = static_cast<char *>(bflyCudaMalloc(4096 * 64 * 2));
              int64_t sizes[] = {4096, 64}, strides[] = {128},
                      box[] = {128, 64};
              bflyCudaTensorMap(map, data, 9, 2, sizes, strides, box, 3, 2);
              EXPECT_EQ(map[127], 0x5a);
            }),
            "");
  EXPECT_TRUE(fake().has("(type 9, rank 2, 64 4096, stride 128, box 64 128, "
                         "swizzle 3)"));
  auto make = [&](uintptr_t address, int64_t stride, int64_t inner) {
    return run([=] {
      alignas(64) char map[128];
      int64_t sizes[] = {8, 64}, strides[] = {stride}, box[] = {8, inner};
      bflyCudaTensorMap(map, reinterpret_cast<void *>(address), 9, 2, sizes,
                        strides, box, 0, 0);
    });
  };
  EXPECT_EQ(make(0x1001, 128, 64),
            "the data is not aligned to 16 bytes: tensor map of 8x64 elements "
            "(type 9), box 8x64, swizzle 0");
  EXPECT_EQ(make(0x1000, 130, 64),
            "a stride is no multiple of 16 bytes: tensor map of 8x64 elements "
            "(type 9), box 8x64, swizzle 0");
  EXPECT_EQ(make(0x1000, 128, 512),
            "cuTensorMapEncodeTiled failed: CUDA_ERROR_INVALID_VALUE (invalid "
            "argument): tensor map of 8x64 elements (type 9), box 8x512, "
            "swizzle 0");
}

TEST_F(Cuda, TransformsAnyLength) {
  constexpr int64_t batch = 2, n = 6, channels = 3, half = n / 2 + 1;
  alignas(8) float x[batch][n][channels], y[batch][n][channels];
  for (int64_t i = 0; i < batch * n * channels; ++i)
    (&x[0][0][0])[i] = static_cast<float>(i * i % 7);
  auto roundTrip = [&](int64_t rows, int64_t width) {
    return run([&, rows, width] {
      void *in = bflyCudaMalloc(sizeof(x));
      void *bins = bflyCudaMalloc(rows * half * width * 8);
      bflyCudaCopy(0, nullptr, in, x, sizeof(x));
      bflyCudaFft(in, bins, rows, n, width, BFLY_CUDA_R2C_F32, 0);
      bflyCudaFft(bins, in, rows, n, width, BFLY_CUDA_C2R_F32, 0);
      bflyCudaCopy(0, nullptr, y, in, sizeof(y));
      bflyCudaSynchronize(0, nullptr);
    });
  };
  auto check = [&] {
    for (int64_t i = 0; i < batch * n * channels; ++i)
      EXPECT_NEAR((&y[0][0][0])[i], n * (&x[0][0][0])[i], 1e-4);
  };
  EXPECT_EQ(roundTrip(batch, channels), "");
  check();
  EXPECT_EQ(fake().count("cufftMakePlanMany64(6, batch 3)"), 2);
  EXPECT_EQ(fake().count("cufftXtExec"), 4);
  // One channel: all sequences at once.
  EXPECT_EQ(roundTrip(batch * channels, 1), "");
  check();
  EXPECT_EQ(fake().count("cufftMakePlanMany64(6, batch 6)"), 2);
  EXPECT_EQ(fake().count("cufftXtExec"), 6);
  // Plans are kept until they are in the way.
  int plans = fake().live(Plans);
  EXPECT_EQ(roundTrip(batch, channels), "");
  EXPECT_EQ(fake().live(Plans), plans);
  EXPECT_EQ(bflyCudaTrim(0), 0);
  EXPECT_EQ(fake().live(Plans), 0);
  for (int64_t length = 1; length < 100; ++length)
    EXPECT_EQ(run([&] {
                void *in = bflyCudaMalloc(length * 8);
                bflyCudaFft(in, in, 1, length, 1, BFLY_CUDA_C2C_F32, 1);
              }),
              "");
  EXPECT_LE(fake().live(Plans), 32);
  for (const char *call : {"cufftCreate", "cufftMakePlanMany64",
                           "cufftSetWorkArea", "cufftXtExec"}) {
    EXPECT_EQ(bflyCudaTrim(0), 0);
    fake().fail(call, 1, 5);
    EXPECT_EQ(roundTrip(batch, channels),
              std::string(call) + " failed: CUFFT_INTERNAL_ERROR: transform of "
                                  "6 points in 3 channels");
  }
  EXPECT_EQ(bflyCudaTrim(0), 0);
  // Every other sequence of an odd size is not aligned as cuFFT wants it.
  EXPECT_EQ(run([&] {
              constexpr int64_t odd = 5;
              void *in = bflyCudaMalloc(2 * odd * 3 * 4);
              void *bins = bflyCudaMalloc(2 * 3 * 3 * 8);
              bflyCudaCopy(0, nullptr, in, x, 2 * odd * 3 * 4);
              bflyCudaFft(in, bins, 2, odd, 3, BFLY_CUDA_R2C_F32, 0);
              bflyCudaFft(bins, in, 2, odd, 3, BFLY_CUDA_C2R_F32, 0);
              bflyCudaCopy(0, nullptr, y, in, 2 * odd * 3 * 4);
              bflyCudaSynchronize(0, nullptr);
              for (int64_t i = 0; i < 2 * odd * 3; ++i)
                EXPECT_NEAR((&y[0][0][0])[i], odd * (&x[0][0][0])[i], 1e-4);
            }),
            "");
  EXPECT_EQ(run([] { bflyCudaFft(nullptr, nullptr, 0, 8, 4, 1, 0); }), "");
  EXPECT_EQ(run([] { bflyCudaFft(nullptr, nullptr, 1, 0, 4, 1, 0); }),
            "no transform has 0 points, 4 channels and kind 1");
}

TEST_F(Cuda, SaysWhichLibraryIsMissing) {
  std::string problem = run([] {
    bflyCudaLinear(nullptr, nullptr, nullptr, nullptr, 4, 4, 4, 1, 0);
  });
  EXPECT_EQ(problem.find("this matrix product needs cuBLASLt, which is not on "
                         "this machine: /nonexistent/libcublasLt.so: "),
            0u)
      << problem;
}

TEST_F(Cuda, MeasuresTimes) {
  int calls = 0;
  double seconds = 0;
  EXPECT_EQ(bflyCudaTime(
                0, nullptr, 5,
                [](void *state) {
                  ++*static_cast<int *>(state);
                  return 0;
                },
                &calls, &seconds),
            0);
  EXPECT_EQ(calls, 5);
  EXPECT_NEAR(seconds, 2e-3, 1e-9);
  EXPECT_EQ(
      bflyCudaTime(
          0, nullptr, 5,
          [](void *state) { return ++*static_cast<int *>(state) > 6 ? 1 : 0; },
          &calls, &seconds),
      -1);
  double rate = 0;
  EXPECT_EQ(bflyCudaCopyBandwidth(0, 0.001, &rate), 0);
  EXPECT_GT(rate, 0);
  EXPECT_EQ(bflyCudaPeakFlops(0, 0.001, &rate), 0);
  EXPECT_GT(rate, 0);
  EXPECT_TRUE(fake().has("cuLaunchKernelEx(chains, 1056x1x1, 256x1x1"));
  EXPECT_EQ(bflyCudaPeakMatrixFlops(0, 0.001, &rate), -1);
}

TEST_F(Cuda, ChecksTheDevice) {
  EXPECT_EQ(run([] {}, 7), "the GPUs of this machine are cuda:0 to cuda:1");
}

TEST(CudaDeathTest, StopsOutsideOfCalls) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  fake();
  EXPECT_EXIT(bflyCudaMalloc(1), testing::ExitedWithCode(1),
              "error: compiled code for the GPU was called by other means than "
              "bflyCudaCall");
}

/// What a program says that finds another driver. Each in a process of its own.
static void expectNoDevice(const char *variable, const char *value,
                           const char *message) {
  EXPECT_EXIT(
      {
        fake();
        setenv(variable, value, 1);
        BflyCudaDevice info;
        if (bflyCudaDeviceInfo(0, &info) == 0)
          _exit(0);
        fprintf(stderr, "%s\n", bflyCudaLastError());
        _exit(3);
      },
      testing::ExitedWithCode(3), message);
}

TEST(CudaDeathTest, SaysWhatIsMissing) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  expectNoDevice("BFLY_LIBCUDA", "/nonexistent/libcuda.so.1",
                 "there is no NVIDIA driver on this machine: "
                 "/nonexistent/libcuda.so.1: cannot open shared object file");
  expectNoDevice("BFLY_LIBCUDA", "libm.so.6",
                 "libcuda.so.1 is not NVIDIA's driver");
  expectNoDevice("FAKE_CUDA_DEVICES", "0",
                 "there is no NVIDIA GPU on this machine, though a driver is");
  expectNoDevice("FAKE_CUDA_VERSION", "11080",
                 "the NVIDIA driver is too old: it is for CUDA 11.8, and 12.0 "
                 "is needed");
  expectNoDevice("FAKE_CUDA_FAIL", "cuInit:1:3",
                 "cuInit failed: CUDA_ERROR_NOT_INITIALIZED \\(initialization "
                 "error\\): the NVIDIA driver does not start");
  expectNoDevice("FAKE_CUDA_FAIL", "cuDevicePrimaryCtxRetain:1:2",
                 "cuDevicePrimaryCtxRetain failed: CUDA_ERROR_OUT_OF_MEMORY "
                 "\\(out of memory\\): Fake GPU 0");
}

TEST(CudaDeathTest, WorksWithoutPools) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        fake();
        setenv("FAKE_CUDA_POOLS", "0", 1);
        BflyRuntimeFailure failure;
        auto body = [](void **) { bflyCudaMalloc(100); };
        bool good = bflyCudaCall(body, nullptr, 0, nullptr, &failure) == 0 &&
                    fake().has("cuMemAlloc(100)") && fake().has("cuMemFree()");
        _exit(good ? 0 : 1);
      },
      testing::ExitedWithCode(0), "");
}
