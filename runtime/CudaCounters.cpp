// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Counters of barriers: words of the device's memory that are zero before a
// kernel and after it.
//
// Launches on one stream share theirs, as they run one after the other. What is
// captured into a graph runs wherever and whenever its owner wants, so each
// launch in a graph has its own, for as long as the graph, or anything that was
// instantiated from it, is there.

#include "CudaState.h"

#include <algorithm>

using namespace bfly::cuda;

/// Words of a launch in a graph come in such portions, which begin at a line of
/// the cache, and out of such chunks.
static constexpr uint64_t kPortion = 64;
static constexpr uint64_t kChunk = 16384;

/// Zeroed memory that compiled code on this stream shares. Null with a recorded
/// error.
static void *countersOf(Call &call) {
  constexpr size_t kMaxStreams = 256;
  const Driver &cuda = *driver();
  Device &device = *call.device;
  unsigned long long stream = 0;
  if (!check(cuda.cuStreamGetId(call.stream, &stream), "cuStreamGetId"))
    return nullptr;
  std::lock_guard<std::mutex> held(device.mutex);
  for (const Device::Counters &known : device.counters)
    if (known.stream == stream)
      return known.words;
  void *words = nullptr;
  if (!allocate(device, call.stream, BFLY_CUDA_COUNTERS * 4, &words))
    return nullptr;
  bool zeroed = check(
      cuda.cuMemsetD32Async(address(words), 0, BFLY_CUDA_COUNTERS, call.stream),
      "cuMemsetD32Async");
  // Kept as long as the process, unless there are very many streams.
  if (zeroed && device.counters.size() < kMaxStreams)
    device.counters.push_back({stream, words});
  else
    call.memory.push_back(words);
  return zeroed ? words : nullptr;
}

/// `count` words out of what graphs gave back; null if there are none.
static void *takeFree(Device &device, uint64_t count) {
  std::lock_guard<std::mutex> held(device.freeMutex);
  std::vector<Device::FreeCounters> &all = device.freeCounters;
  for (Device::FreeCounters &one : all) {
    if (one.count != count)
      continue;
    void *words = one.words;
    one = all.back();
    all.pop_back();
    return words;
  }
  return nullptr;
}

static void giveBack(Device &device, uint64_t count, void *words) {
  std::lock_guard<std::mutex> held(device.freeMutex);
  device.freeCounters.push_back({count, words});
}

/// Makes more words for launches of `count` each: memory of no stream, which
/// stays as long as the process.
static bool makeFree(Device &device, uint64_t count) {
  const Driver &cuda = *driver();
  OutsideCapture outside;
  uint64_t all = std::max(kChunk / count, uint64_t(1)) * count;
  DevicePointer memory = 0;
  Stream stream = nullptr;
  if (!check(cuda.cuMemAlloc(&memory, all * 4), "cuMemAlloc",
             "for the barriers of a graph"))
    return false;
  bool zeroed = check(cuda.cuStreamCreate(&stream, kStreamNonBlocking),
                      "cuStreamCreate") &&
                check(cuda.cuMemsetD32Async(memory, 0, all, stream),
                      "cuMemsetD32Async") &&
                check(cuda.cuStreamSynchronize(stream), "cuStreamSynchronize");
  if (stream)
    cuda.cuStreamDestroy(stream);
  if (!zeroed) {
    cuda.cuMemFree(memory);
    return false;
  }
  for (uint64_t first = 0; first < all; first += count)
    giveBack(device, count, reinterpret_cast<void *>(memory + 4 * first));
  return true;
}

namespace {
/// Words of one launch in a graph.
struct GraphCounters {
  Device *device;
  uint64_t count;
  void *words;
};
} // namespace

/// On a thread of the driver's, when the last of a graph is gone.
static void onGraphGone(void *data) {
  auto *counters = static_cast<GraphCounters *>(data);
  giveBack(*counters->device, counters->count, counters->words);
  delete counters;
}

/// Words for the next launch of a call that is captured. Null with a recorded
/// error.
static void *countersIn(Graph graph, Device &device, int64_t words) {
  const Driver &cuda = *driver();
  uint64_t count =
      (std::max<int64_t>(words, 1) + kPortion - 1) / kPortion * kPortion;
  void *taken = takeFree(device, count);
  if (!taken && makeFree(device, count))
    taken = takeFree(device, count);
  if (!taken)
    return nullptr;
  auto *counters = new GraphCounters{&device, count, taken};
  UserObject object = nullptr;
  if (!check(cuda.cuUserObjectCreate(&object, counters, onGraphGone, 1,
                                     kUserObjectNoDestructorSync),
             "cuUserObjectCreate")) {
    onGraphGone(counters);
    return nullptr;
  }
  if (!check(
          cuda.cuGraphRetainUserObject(graph, object, 1, kGraphUserObjectMove),
          "cuGraphRetainUserObject")) {
    cuda.cuUserObjectRelease(object, 1);
    return nullptr;
  }
  return taken;
}

extern "C" void *bflyCudaCounters(int64_t words) {
  void *counters = nullptr;
  orLeave([&] {
    Call *call = currentCall();
    if (!call)
      return false;
    if (words < 0 || words > BFLY_CUDA_COUNTERS)
      return fail("there are no %lld counters", static_cast<long long>(words));
    Graph graph = nullptr;
    if (!captureOf(call->stream, graph))
      return false;
    counters =
        graph ? countersIn(graph, *call->device, words) : countersOf(*call);
    return counters != nullptr;
  });
  return counters;
}
