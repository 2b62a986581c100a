// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Times with events, and what a device can do at best.

#include "CudaLinear.h"
#include "CudaModule.h"

#include <algorithm>
#include <cstring>
#include <memory>

using namespace bfly::cuda;

/// For each of two arrays: far beyond the cache of any device.
static constexpr uint64_t kCopyBytes = uint64_t(1) << 30;
/// Of a side of the matrices.
static constexpr int64_t kMatrixSize = 8192;
static constexpr int kChains = 8, kRounds = 4096;
static constexpr unsigned kThreads = 256;

namespace {

// Free what a measurement holds.

struct Events {
  Event begin = nullptr, end = nullptr;
  ~Events() {
    for (Event event : {begin, end})
      if (event)
        driver()->cuEventDestroy(event);
  }
};

struct Memory {
  Device &device;
  void *pointer = nullptr;
  explicit Memory(Device &device) : device(device) {}
  ~Memory() {
    if (pointer)
      release(device, nullptr, pointer);
  }
  bool allocate(uint64_t bytes) {
    return bfly::cuda::allocate(device, nullptr, bytes, &pointer);
  }
};

} // namespace

template <typename Step>
static bool timeSteps(Stream stream, int64_t rounds, double &seconds,
                      Step step) {
  const Driver &cuda = *driver();
  Events events;
  if (!check(cuda.cuEventCreate(&events.begin, kEventDefault),
             "cuEventCreate") ||
      !check(cuda.cuEventCreate(&events.end, kEventDefault), "cuEventCreate") ||
      !check(cuda.cuEventRecord(events.begin, stream), "cuEventRecord"))
    return false;
  for (int64_t i = 0; i < rounds; ++i)
    if (!step())
      return false;
  float milliseconds = 0;
  if (!check(cuda.cuEventRecord(events.end, stream), "cuEventRecord") ||
      !check(cuda.cuEventSynchronize(events.end), "cuEventSynchronize") ||
      !check(cuda.cuEventElapsedTime(&milliseconds, events.begin, events.end),
             "cuEventElapsedTime"))
    return false;
  seconds = milliseconds * 1e-3;
  return true;
}

/// The best rate of `work` units in a step, over about so many seconds.
template <typename Step>
static bool bestRate(double work, double seconds, double &rate, Step step) {
  double once = 0;
  // The first time is slower, and is not counted.
  if (!timeSteps(nullptr, 1, once, step) || !timeSteps(nullptr, 1, once, step))
    return false;
  constexpr int kParts = 5;
  int64_t rounds = std::clamp<int64_t>(
      static_cast<int64_t>(seconds / kParts / std::max(once, 1e-6)), 1, 10000);
  rate = work / std::max(once, 1e-9);
  for (int part = 0; part < kParts; ++part) {
    double elapsed = 0;
    if (!timeSteps(nullptr, rounds, elapsed, step))
      return false;
    rate = std::max(rate, work * rounds / std::max(elapsed, 1e-9));
  }
  return true;
}

/// Chains of multiply-adds on every multiprocessor, which keep the result only
/// if it is one that never comes out.
static std::string chainsOfMultiplyAdds() {
  std::string text = ".version 8.0\n.target sm_80\n.address_size 64\n"
                     ".visible .entry chains(.param .u64 out)\n{\n"
                     ".reg .f32 %f<" +
                     std::to_string(kChains) +
                     ">, %x, %y;\n.reg .b32 %i;\n.reg .b64 %p;\n.reg .pred "
                     "%c;\nmov.u32 %i, %tid.x;\ncvt.rn.f32.u32 %x, %i;\n"
                     "mov.f32 %y, 0f3F7FBE77;\n";
  auto name = [](int i) { return "%f" + std::to_string(i); };
  for (int i = 0; i < kChains; ++i)
    text += "add.f32 " + name(i) + ", %x, 0f3F800000;\n";
  text += "mov.u32 %i, " + std::to_string(kRounds) + ";\nloop:\n";
  for (int unrolled = 0; unrolled < 4; ++unrolled)
    for (int i = 0; i < kChains; ++i)
      text += "fma.rn.f32 " + name(i) + ", " + name(i) + ", %y, %x;\n";
  text += "sub.s32 %i, %i, 4;\nsetp.gt.s32 %c, %i, 0;\n@%c bra loop;\n";
  for (int i = 1; i < kChains; ++i)
    text += "add.f32 %f0, %f0, " + name(i) + ";\n";
  return text + "ld.param.u64 %p, [out];\nsetp.eq.f32 %c, %f0, 0f7F800000;\n"
                "@%c st.global.f32 [%p], %f0;\nret;\n}\n";
}

static bool measureCopy(Device &device, double seconds, double &rate) {
  const Driver &cuda = *driver();
  size_t available = 0, total = 0;
  if (!check(cuda.cuMemGetInfo(&available, &total), "cuMemGetInfo"))
    return false;
  // A full device is measured with what there is.
  uint64_t bytes = std::min<uint64_t>(kCopyBytes, available / 4);
  bytes = std::max<uint64_t>(bytes & ~uint64_t(4095), 4096);
  Memory source(device), target(device);
  if (!source.allocate(bytes) || !target.allocate(bytes))
    return false;
  DevicePointer from = address(source.pointer), to = address(target.pointer);
  return check(cuda.cuMemsetD32Async(from, 1, bytes / 4, nullptr),
               "cuMemsetD32Async") &&
         bestRate(2.0 * bytes, seconds, rate, [&] {
           return check(cuda.cuMemcpyAsync(to, from, bytes, nullptr),
                        "cuMemcpyAsync");
         });
}

static bool measureMultiplyAdds(Device &device, double seconds, double &rate) {
  Memory out(device);
  if (!out.allocate(4))
    return false;
  std::string text = chainsOfMultiplyAdds();
  Module module(text.c_str(), /*isPTX=*/true);
  Function *function = module.find(device, "chains");
  if (!function)
    return false;
  LaunchConfig config = {};
  config.grid[0] = device.info.multiprocessors * 8;
  config.block[0] = kThreads;
  config.grid[1] = config.grid[2] = config.block[1] = config.block[2] = 1;
  void *parameters[] = {&out.pointer};
  double work =
      2.0 * kChains * kRounds * double(config.grid[0]) * config.block[0];
  return bestRate(work, seconds, rate, [&] {
    return check(driver()->cuLaunchKernelEx(&config, function->handle,
                                            parameters, nullptr),
                 "cuLaunchKernelEx", "kernel 'chains'");
  });
}

/// bf16 that are normally distributed, roughly, as data is: zeros would be
/// faster.
static std::vector<uint16_t> roughlyNormal(size_t count) {
  std::vector<uint16_t> numbers(count);
  uint32_t state = 1;
  auto uniform = [&] {
    state = state * 1664525 + 1013904223;
    return (state >> 8) * 0x1p-24f - 0.5f;
  };
  for (uint16_t &number : numbers) {
    float sum = 0;
    for (int i = 0; i < 12; ++i)
      sum += uniform();
    uint32_t bits;
    std::memcpy(&bits, &sum, sizeof(bits));
    number = static_cast<uint16_t>(bits >> 16);
  }
  return numbers;
}

static bool measureProduct(Device &device, double seconds, double &rate) {
  Memory x(device), weight(device), y(device);
  constexpr int64_t elements = kMatrixSize * kMatrixSize;
  for (Memory *memory : {&x, &weight, &y})
    if (!memory->allocate(elements * 2))
      return false;
  std::vector<uint16_t> numbers = roughlyNormal(1 << 20);
  for (Memory *memory : {&x, &weight})
    for (int64_t i = 0; i < elements; i += static_cast<int64_t>(numbers.size()))
      if (!check(driver()->cuMemcpyAsync(address(memory->pointer) + 2 * i,
                                         address(numbers.data()),
                                         numbers.size() * 2, nullptr),
                 "cuMemcpyAsync"))
        return false;
  LinearShape shape = {kMatrixSize, kMatrixSize, kMatrixSize, 2, false};
  return bestRate(2.0 * kMatrixSize * elements, seconds, rate, [&] {
    return linear(device, nullptr, shape, x.pointer, weight.pointer, nullptr,
                  y.pointer);
  });
}

extern "C" {

int bflyCudaTime(int ordinal, void *stream, int64_t rounds, int (*step)(void *),
                 void *state, double *seconds) {
  return onDevice(ordinal, [&](Device &) {
    return timeSteps(static_cast<Stream>(stream), rounds, *seconds,
                     [&] { return step(state) == 0; });
  });
}

int bflyCudaCopyBandwidth(int ordinal, double seconds, double *result) {
  return onDevice(ordinal, [&](Device &device) {
    return measureCopy(device, seconds, *result);
  });
}

int bflyCudaPeakFlops(int ordinal, double seconds, double *result) {
  return onDevice(ordinal, [&](Device &device) {
    return measureMultiplyAdds(device, seconds, *result);
  });
}

int bflyCudaPeakMatrixFlops(int ordinal, double seconds, double *result) {
  *result = 0;
  return onDevice(ordinal, [&](Device &device) {
    return measureProduct(device, seconds, *result);
  });
}

} // extern "C"
