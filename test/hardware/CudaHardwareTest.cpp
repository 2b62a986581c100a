// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The CUDA runtime on a GPU: what a driver without one cannot tell. Needs a GPU
// of sm_90, cuFFT and cuBLASLt; run by
// check-bfly-cuda-hardware-tests and from the package.

#include "bfly-cuda.h"

#include <cmath>
#include <complex>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <gtest/gtest.h>
#include <random>
#include <string>
#include <vector>

namespace {

// scale: x[i] *= s, one element a thread.
// shared: writes to the last of so many bytes of dynamic shared memory.
// cluster: x[block] = the number of blocks in the cluster.
// barrier: x[block] = the sum of what all blocks wrote before a grid barrier.
// wild: writes where nothing is.
// load: a 2-D box of a tensor map, given by value, into x.
const char *const kKernels = R"(
.version 8.0
.target sm_90a
.address_size 64
.extern .shared .align 1024 .b8 memory[];
.visible .entry scale(.param .u64 x, .param .f32 s) {
  .reg .b64 %p; .reg .b32 %i<3>; .reg .f32 %v, %s;
  ld.param.u64 %p, [x]; ld.param.f32 %s, [s];
  mov.u32 %i0, %ctaid.x; mov.u32 %i1, %ntid.x; mov.u32 %i2, %tid.x;
  mad.lo.u32 %i0, %i0, %i1, %i2; mad.wide.u32 %p, %i0, 4, %p;
  ld.global.f32 %v, [%p]; mul.f32 %v, %v, %s; st.global.f32 [%p], %v; ret;
}
.visible .entry shared(.param .u64 x, .param .u32 bytes) {
  .reg .b64 %p; .reg .b32 %a, %v, %n;
  ld.param.u64 %p, [x]; ld.param.u32 %n, [bytes];
  mov.u32 %a, memory; add.u32 %a, %a, %n; mov.u32 %v, %n;
  st.shared.u32 [%a + -4], %v; ld.shared.u32 %v, [%a + -4];
  st.global.u32 [%p], %v; ret;
}
.visible .entry cluster(.param .u64 x) {
  .reg .b64 %p; .reg .b32 %v, %i;
  ld.param.u64 %p, [x]; mov.u32 %v, %cluster_nctaid.x; mov.u32 %i, %ctaid.x;
  mad.wide.u32 %p, %i, 4, %p; st.global.u32 [%p], %v; ret;
}
.visible .entry pair(.param .u64 x) .explicitcluster .reqnctapercluster 2, 1, 1 {
  .reg .b64 %p; .reg .b32 %v, %i;
  ld.param.u64 %p, [x]; mov.u32 %v, %cluster_nctaid.x; mov.u32 %i, %ctaid.x;
  mad.wide.u32 %p, %i, 4, %p; st.global.u32 [%p], %v; ret;
}
.visible .entry barrier(.param .u64 x, .param .u64 count) {
  .reg .b64 %p, %c, %q; .reg .b32 %v, %i, %n, %o; .reg .pred %t;
  ld.param.u64 %p, [x]; ld.param.u64 %c, [count];
  mov.u32 %i, %ctaid.x; mov.u32 %n, %nctaid.x;
  add.u32 %v, %i, 1; mad.wide.u32 %q, %i, 4, %p; st.global.u32 [%q], %v;
  fence.acq_rel.gpu; atom.add.acq_rel.gpu.global.u32 %o, [%c], 1;
wait:
  ld.acquire.gpu.global.u32 %o, [%c]; setp.lt.u32 %t, %o, %n; @%t bra wait;
  sub.u32 %v, %n, 1; sub.u32 %v, %v, %i; mad.wide.u32 %q, %v, 4, %p;
  ld.global.cg.u32 %v, [%q]; mad.wide.u32 %q, %n, 4, %p;
  mad.wide.u32 %q, %i, 4, %q; st.global.u32 [%q], %v; ret;
}
.visible .entry wild() {
  .reg .b64 %p; mov.u64 %p, 64; st.global.u32 [%p], 1; ret;
}
.visible .entry load(.param .align 64 .b8 map[128], .param .u64 x) {
  .reg .b64 %m, %p; .reg .b32 %a, %b, %i, %v; .reg .pred %t;
  .shared .align 128 .b8 box[1024]; .shared .align 8 .b64 bar;
  mov.b64 %m, map; cvta.param.u64 %m, %m;
  ld.param.u64 %p, [x]; mov.u32 %a, box; mov.u32 %b, bar; mov.u32 %i, %tid.x;
  setp.ne.u32 %t, %i, 0; @%t bra ready;
  mbarrier.init.shared.b64 [%b], 1; fence.proxy.async.shared::cta;
  mbarrier.arrive.expect_tx.shared.b64 _, [%b], 1024;
  cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::bytes [%a], [%m, {4, 2}], [%b];
ready:
  bar.sync 0;
again:
  mbarrier.try_wait.parity.shared.b64 %t, [%b], 0; @!%t bra again;
  mad.lo.u32 %a, %i, 4, %a; mad.wide.u32 %p, %i, 4, %p;
  ld.shared.u32 %v, [%a]; st.global.u32 [%p], %v; ret;
}
)";

class Hardware : public testing::Test {
protected:
  void SetUp() override {
    module = bflyCudaLoadModule(kKernels, 1);
    ASSERT_EQ(bflyCudaTrim(0), 0) << bflyCudaLastError();
  }
  void TearDown() override { bflyCudaUnloadModule(module); }

  std::string run(std::function<void()> body, void *stream = nullptr) {
    void *arguments[] = {&body};
    auto call = [](void **arguments) {
      (*static_cast<std::function<void()> *>(arguments[0]))();
    };
    BflyRuntimeFailure failure;
    if (bflyCudaCall(call, arguments, 0, stream, &failure) == 0)
      return "";
    return failure.message[0] ? failure.message : "?";
  }

  /// The kernel's `x`, `count` words that start as `value`.
  std::vector<uint32_t> launch(const char *name, int64_t grid, int64_t block,
                               int64_t cluster, int64_t shared, int32_t flags,
                               size_t count, std::vector<void *> more = {}) {
    std::vector<uint32_t> x(count, 7);
    problem = run([&] {
      void *pointer = bflyCudaMalloc(count * 4);
      bflyCudaCopy(0, nullptr, pointer, x.data(), count * 4);
      std::vector<void *> parameters = {&pointer};
      parameters.insert(parameters.end(), more.begin(), more.end());
      bflyCudaLaunch(module, name, grid, 1, 1, block, 1, 1, cluster, 1, 1,
                     shared, flags, parameters.data());
      bflyCudaCopy(0, nullptr, x.data(), pointer, count * 4);
      bflyCudaSynchronize(0, nullptr);
    });
    return x;
  }

  void *module = nullptr;
  std::string problem;
};

} // namespace

TEST_F(Hardware, IsAHopper) {
  BflyCudaDevice info;
  ASSERT_EQ(bflyCudaDeviceInfo(0, &info), 0) << bflyCudaLastError();
  EXPECT_EQ(info.major * 10 + info.minor, 90);
  EXPECT_GE(info.blockSharedBytes, 227u << 10);
  printf("%s: %d multiprocessors, %.1f GB, L2 %.1f MB, driver %d\n", info.name,
         info.multiprocessors, info.memoryBytes * 1e-9, info.l2Bytes * 1e-6,
         info.driverVersion);
}

TEST_F(Hardware, Launches) {
  float x[1000];
  for (int i = 0; i < 1000; ++i)
    x[i] = static_cast<float>(i);
  void *stream = nullptr;
  ASSERT_EQ(bflyCudaStreamCreate(0, &stream), 0);
  EXPECT_EQ(bflyCudaCheckStream(0, stream), 0) << bflyCudaLastError();
  for (void *one : {static_cast<void *>(nullptr), stream})
    EXPECT_EQ(run(
                  [&] {
                    float s = 2;
                    void *pointer = bflyCudaMalloc(4000);
                    void *parameters[] = {&pointer, &s};
                    bflyCudaCopy(0, one, pointer, x, 4000);
                    bflyCudaLaunch(module, "scale", 10, 1, 1, 100, 1, 1, 1, 1,
                                   1, 0, 0, parameters);
                    bflyCudaCopy(0, one, x, pointer, 4000);
                    bflyCudaSynchronize(0, one);
                  },
                  one),
              "");
  EXPECT_EQ(x[999], 4 * 999);
  EXPECT_EQ(bflyCudaStreamDestroy(0, stream), 0);
}

TEST_F(Hardware, HasLargeSharedMemory) {
  for (uint32_t bytes : {1024u, 100u << 10, 227u << 10}) {
    EXPECT_EQ(launch("shared", 1, 1, 1, bytes, 0, 1, {&bytes})[0], bytes);
    EXPECT_EQ(problem, "");
  }
  uint32_t bytes = 228 << 10;
  launch("shared", 1, 1, 1, bytes, 0, 1, {&bytes});
  EXPECT_NE(problem.find("kernel 'shared' needs 233472 bytes of shared memory"),
            std::string::npos)
      << problem;
}

TEST_F(Hardware, HasClusters) {
  for (uint32_t size : {2u, 4u, 8u, 16u}) {
    EXPECT_EQ(launch("cluster", 16, 32, size, 0, 0, 16)[15], size);
    EXPECT_EQ(problem, "");
    EXPECT_EQ(launch("cluster", 16, 32, size, 0, BFLY_CUDA_COOPERATIVE, 16)[15],
              size);
    EXPECT_EQ(problem, "");
  }
  EXPECT_EQ(launch("pair", 4, 32, 1, 0, 0, 4)[3], 2u);
  EXPECT_EQ(problem, "");
  EXPECT_EQ(launch("pair", 4, 32, 2, 0, BFLY_CUDA_COOPERATIVE, 4)[3], 2u);
  EXPECT_EQ(problem, "");
}

TEST_F(Hardware, HasGridBarriers) {
  int64_t blocks = 0;
  EXPECT_EQ(run([&] {
              blocks = bflyCudaResidentBlocks(module, "barrier", 128, 60000, 1);
              EXPECT_EQ(blocks, 3 * bflyCudaMultiprocessors());
              int64_t clusters =
                  bflyCudaResidentBlocks(module, "cluster", 128, 200000, 8);
              EXPECT_GT(clusters, 0);
              printf("%d blocks in clusters of 8 with 200 KB each\n",
                     static_cast<int>(clusters));
            }),
            "");
  std::vector<uint32_t> x(2 * blocks);
  EXPECT_EQ(run([&] {
              void *pointer = bflyCudaMalloc(x.size() * 4);
              void *counter = bflyCudaMalloc(4);
              uint32_t zero = 0;
              bflyCudaCopy(0, nullptr, counter, &zero, 4);
              void *parameters[] = {&pointer, &counter};
              bflyCudaLaunch(module, "barrier", blocks, 1, 1, 1, 1, 1, 1, 1, 1,
                             60000, BFLY_CUDA_COOPERATIVE, parameters);
              bflyCudaCopy(0, nullptr, x.data(), pointer, x.size() * 4);
              bflyCudaSynchronize(0, nullptr);
            }),
            "");
  for (int64_t i = 0; i < blocks; ++i)
    EXPECT_EQ(x[blocks + i], blocks - i);
  launch("scale", 100000, 128, 1, 0, BFLY_CUDA_COOPERATIVE, 1, {&blocks});
  EXPECT_NE(problem.find("100000 blocks have to run at once, but NVIDIA"),
            std::string::npos)
      << problem;
}

TEST_F(Hardware, KeepsCountersForStreams) {
  void *first = nullptr, *second = nullptr, *stream = nullptr;
  std::vector<uint32_t> words(BFLY_CUDA_COUNTERS, 1);
  auto get = [&](void *&counters) {
    return [&] {
      counters = bflyCudaCounters(4);
      bflyCudaCopy(0, stream, words.data(), counters, words.size() * 4);
      bflyCudaSynchronize(0, stream);
    };
  };
  EXPECT_EQ(run(get(first)), "");
  EXPECT_EQ(words, std::vector<uint32_t>(BFLY_CUDA_COUNTERS, 0));
  EXPECT_EQ(run(get(second)), "");
  EXPECT_EQ(first, second);
  ASSERT_EQ(bflyCudaStreamCreate(0, &stream), 0);
  EXPECT_EQ(run(get(second), stream), "");
  EXPECT_NE(first, second);
  EXPECT_EQ(bflyCudaStreamDestroy(0, stream), 0);
}

TEST_F(Hardware, LoadsThroughTensorMaps) {
  std::vector<uint32_t> host(64 * 64), x(256);
  for (size_t i = 0; i < host.size(); ++i)
    host[i] = static_cast<uint32_t>(i);
  EXPECT_EQ(run([&] {
              void *data = bflyCudaMalloc(host.size() * 4);
              void *out = bflyCudaMalloc(1024);
              bflyCudaCopy(0, nullptr, data, host.data(), host.size() * 4);
              alignas(128) char map[128];
              int64_t sizes[] = {64, 64}, strides[] = {256}, box[] = {16, 16};
              bflyCudaTensorMap(map, data, 2, 2, sizes, strides, box, 0, 0);
              void *parameters[] = {map, &out};
              bflyCudaLaunch(module, "load", 1, 1, 1, 256, 1, 1, 1, 1, 1, 0, 0,
                             parameters);
              bflyCudaCopy(0, nullptr, x.data(), out, 1024);
              bflyCudaSynchronize(0, nullptr);
            }),
            "");
  for (int row = 0; row < 16; ++row)
    for (int column = 0; column < 16; ++column)
      EXPECT_EQ(x[row * 16 + column], (row + 2) * 64u + column + 4);
}

TEST_F(Hardware, RunsOutOfMemoryCleanly) {
  uint64_t available, total;
  ASSERT_EQ(bflyCudaMemoryInfo(0, &available, &total), 0);
  std::string message = run([&] {
    bflyCudaMalloc(uint64_t(1) << 30);
    bflyCudaMalloc(total);
  });
  EXPECT_EQ(message.find("out of GPU memory: another "), 0u) << message;
  // Others may use the GPU too, though not so much of it.
  EXPECT_EQ(run([&] { bflyCudaMalloc(total / 8); }), "");
  ASSERT_EQ(bflyCudaSynchronize(0, nullptr), 0);
  ASSERT_EQ(bflyCudaTrim(0), 0);
}

TEST_F(Hardware, KnowsWhereMemoryIs) {
  void *pointer = nullptr;
  int ordinal;
  ASSERT_EQ(bflyCudaAllocate(0, nullptr, 1 << 20, &pointer), 0);
  EXPECT_EQ(bflyCudaPointer(pointer, 1 << 20, &ordinal), 0)
      << bflyCudaLastError();
  EXPECT_EQ(ordinal, 0);
  EXPECT_EQ(bflyCudaPointer(&ordinal, 4, &ordinal), 0);
  EXPECT_EQ(ordinal, BFLY_CUDA_HOST);
  EXPECT_EQ(bflyCudaFree(0, nullptr, pointer), 0);
}

TEST_F(Hardware, TransformsAnyLength) {
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  for (auto [batch, n, channels] : {std::array<int64_t, 3>{2, 1000, 12},
                                    {3, 77, 1},
                                    {1, 1, 5},
                                    {2, 1013, 3}}) {
    int64_t half = n / 2 + 1, count = batch * n * channels;
    std::vector<float> x(count), back(count);
    std::vector<std::complex<float>> bins(batch * half * channels);
    for (float &value : x)
      value = normal(random);
    EXPECT_EQ(run([&, batch = batch, n = n, channels = channels] {
                void *in = bflyCudaMalloc(count * 4);
                void *out = bflyCudaMalloc(bins.size() * 8);
                bflyCudaCopy(0, nullptr, in, x.data(), count * 4);
                bflyCudaFft(in, out, batch, n, channels, BFLY_CUDA_R2C_F32, 0);
                bflyCudaCopy(0, nullptr, bins.data(), out, bins.size() * 8);
                bflyCudaFft(out, in, batch, n, channels, BFLY_CUDA_C2R_F32, 0);
                bflyCudaCopy(0, nullptr, back.data(), in, count * 4);
                bflyCudaSynchronize(0, nullptr);
              }),
              "");
    double error = 0, norm = 0;
    for (int64_t i = 0; i < count; ++i) {
      error += std::pow(back[i] / n - x[i], 2);
      norm += std::pow(x[i], 2);
    }
    EXPECT_LT(std::sqrt(error / norm), 1e-6);
    // One bin, by the definition.
    int64_t k = half / 2, b = batch - 1, c = channels - 1;
    std::complex<double> sum = 0;
    for (int64_t j = 0; j < n; ++j)
      sum += std::polar<double>(x[(b * n + j) * channels + c],
                                -2 * M_PI * (j * k % n) / n);
    std::complex<double> bin = bins[(b * half + k) * channels + c];
    EXPECT_LT(std::abs(bin - sum), 1e-4 * std::sqrt(n));
  }
}

static uint16_t toBF16(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, 4);
  return static_cast<uint16_t>(bits >> 16);
}

static float fromBF16(uint16_t value) {
  uint32_t bits = uint32_t(value) << 16;
  float result;
  std::memcpy(&result, &bits, 4);
  return result;
}

TEST_F(Hardware, MultipliesMatrices) {
  std::mt19937 random(2);
  std::normal_distribution<float> normal;
  for (int64_t in : {64, 33}) {
    constexpr int64_t rows = 50, out = 40;
    std::vector<float> x(rows * in), w(out * in), b(out), y(rows * out);
    for (auto *array : {&x, &w, &b})
      for (float &value : *array)
        value = fromBF16(toBF16(normal(random)));
    for (int dtype : {1, 2})
      for (int form = 0; form < 4; ++form) {
        bool hasBias = form & 1, relu = form & 2;
        EXPECT_EQ(run([&] {
                    auto upload = [&](const std::vector<float> &array) {
                      std::vector<uint16_t> narrow;
                      for (float value : array)
                        narrow.push_back(toBF16(value));
                      const void *data =
                          dtype == 1 ? static_cast<const void *>(array.data())
                                     : narrow.data();
                      uint64_t bytes = array.size() * (dtype == 1 ? 4 : 2);
                      void *pointer = bflyCudaMalloc(bytes);
                      bflyCudaCopy(0, nullptr, pointer,
                                   const_cast<void *>(data), bytes);
                      return pointer;
                    };
                    void *px = upload(x), *pw = upload(w), *pb = upload(b),
                         *py = upload(y);
                    bflyCudaLinear(px, pw, hasBias ? pb : nullptr, py, rows, in,
                                   out, dtype, relu);
                    std::vector<uint16_t> narrow(y.size());
                    bflyCudaCopy(0, nullptr,
                                 dtype == 1 ? static_cast<void *>(y.data())
                                            : narrow.data(),
                                 py, y.size() * (dtype == 1 ? 4 : 2));
                    bflyCudaSynchronize(0, nullptr);
                    if (dtype == 2)
                      for (size_t i = 0; i < y.size(); ++i)
                        y[i] = fromBF16(narrow[i]);
                  }),
                  "")
            << in << " " << dtype << " " << form;
        double error = 0, norm = 0;
        for (int64_t i = 0; i < rows; ++i)
          for (int64_t j = 0; j < out; ++j) {
            double sum = hasBias ? b[j] : 0;
            for (int64_t k = 0; k < in; ++k)
              sum += double(x[i * in + k]) * w[j * in + k];
            sum = relu ? std::max(sum, 0.0) : sum;
            error += std::pow(sum - y[i * out + j], 2);
            norm += sum * sum;
          }
        EXPECT_LT(std::sqrt(error / norm), dtype == 1 ? 1e-6 : 3e-3)
            << in << " " << dtype << " " << form;
      }
  }
}

TEST_F(Hardware, MeasuresCeilings) {
  double bytes = 0, flops = 0, matrix = 0;
  EXPECT_EQ(bflyCudaCopyBandwidth(0, 0.1, &bytes), 0) << bflyCudaLastError();
  EXPECT_EQ(bflyCudaPeakFlops(0, 0.1, &flops), 0) << bflyCudaLastError();
  EXPECT_EQ(bflyCudaPeakMatrixFlops(0, 0.1, &matrix), 0) << bflyCudaLastError();
  printf("copy %.2f TB/s, f32 %.1f TFLOP/s, bf16 matrices %.0f TFLOP/s\n",
         bytes * 1e-12, flops * 1e-12, matrix * 1e-12);
  EXPECT_GT(bytes, 0);
  EXPECT_GT(flops, 0);
  EXPECT_GT(matrix, 0);
}

TEST_F(Hardware, SaysWhyPTXIsBad) {
  void *bad =
      bflyCudaLoadModule(".version 8.0\n.target sm_90a\n.address_size 64\n"
                         ".visible .entry k() { bad; }\n",
                         1);
  auto launchOf = [&](void *module, const char *kernel) {
    return run([=] {
      bflyCudaLaunch(module, kernel, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, nullptr);
    });
  };
  std::string message = launchOf(bad, "k");
  bflyCudaUnloadModule(bad);
  EXPECT_NE(message.find("CUDA_ERROR_INVALID_PTX"), std::string::npos)
      << message;
  EXPECT_NE(message.find("bad"), std::string::npos) << message;
  printf("%s\n", message.c_str());
  EXPECT_EQ(launchOf(module, "none")
                .find("cuModuleGetFunction failed: CUDA_ERROR_NOT_FOUND"),
            0u);
}

TEST(HardwareDeathTest, NamesTheKernelThatFailed) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        void *module = bflyCudaLoadModule(kKernels, 1);
        BflyRuntimeFailure failure;
        void *arguments[] = {module};
        auto body = [](void **arguments) {
          bflyCudaLaunch(arguments[0], "wild", 1, 1, 1, 32, 1, 1, 1, 1, 1, 0, 0,
                         nullptr);
        };
        if (bflyCudaCall(body, arguments, 0, nullptr, &failure))
          _exit(1);
        if (bflyCudaSynchronize(0, nullptr) == 0)
          _exit(2);
        fprintf(stderr, "%s\n", bflyCudaLastError());
        // What comes later says so too, and frees what it can.
        if (bflyCudaCall(body, arguments, 0, nullptr, &failure) == 0)
          _exit(4);
        _exit(3);
      },
      testing::ExitedWithCode(3),
      "CUDA_ERROR_ILLEGAL_ADDRESS \\(an illegal memory access was "
      "encountered\\)"
      "; launched last was kernel 'wild', grid 1x1x1, block 32x1x1; this "
      "process cannot use the GPU any more");
}
