// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Memory of the device and copies: for callers, and for compiled code, which
// uses its caller's stream for all of it.

#include "CudaState.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

using namespace bfly::cuda;

namespace {
/// What the driver knows of an address; all zero for memory that it does not
/// know. (Asked for one by one, that would be an error of each.)
struct PointerInfo {
  int type = 0;
  unsigned managed = 0;
  int ordinal = 0;
  DevicePointer begin = 0;
  size_t size = 0;

  bool isHost() const {
    return !managed && (type == 0 || type == kMemoryTypeHost);
  }
};
} // namespace

/// Fills new memory with what must not survive: NaN in every type. For tests,
/// which would not notice an element that is never written otherwise: the
/// memory of the last run has its results.
static bool poison(DevicePointer pointer, uint64_t bytes, Stream stream) {
  static const bool wanted = [] {
    const char *value = getenv("BFLY_CUDA_POISON");
    return value && *value && strcmp(value, "0") != 0;
  }();
  if (!wanted)
    return true;
  const Driver &cuda = *driver();
  uint64_t words = bytes / 4, rest = bytes % 4 / 2;
  return (!words || check(cuda.cuMemsetD32Async(pointer, ~0u, words, stream),
                          "cuMemsetD32Async")) &&
         (!rest || check(cuda.cuMemsetD16Async(pointer + 4 * words, 0xffff,
                                               rest, stream),
                         "cuMemsetD16Async"));
}

static bool lookUp(const void *pointer, PointerInfo &info) {
  const int attributes[] = {kPointerMemoryType, kPointerIsManaged,
                            kPointerDeviceOrdinal, kPointerRangeStartAddress,
                            kPointerRangeSize};
  void *values[] = {&info.type, &info.managed, &info.ordinal, &info.begin,
                    &info.size};
  return check(
      driver()->cuPointerGetAttributes(5, attributes, values, address(pointer)),
      "cuPointerGetAttributes");
}

bool bfly::cuda::allocate(Device &device, Stream stream, uint64_t bytes,
                          void **pointer) {
  const Driver &cuda = *driver();
  DevicePointer result = 0;
  auto attempt = [&] {
    // No bytes are still a place.
    size_t size = std::max<uint64_t>(bytes, 1);
    return device.pool ? cuda.cuMemAllocFromPoolAsync(&result, size,
                                                      device.pool, stream)
                       : cuda.cuMemAlloc(&result, size);
  };
  Result status = attempt();
  if (status == kErrorOutOfMemory) {
    // What is kept for later is of use now.
    trimPlans(device);
    if (device.pool)
      cuda.cuMemPoolTrimTo(device.pool, 0);
    status = attempt();
  }
  if (status == kErrorOutOfMemory) {
    size_t available = 0, total = 0;
    cuda.cuMemGetInfo(&available, &total);
    return fail("out of GPU memory: another %s are needed, but %s of %s on "
                "cuda:%d (%s) are free",
                formatBytes(bytes).c_str(), formatBytes(available).c_str(),
                formatBytes(total).c_str(), device.info.ordinal,
                device.info.name);
  }
  if (!check(status, device.pool ? "cuMemAllocFromPoolAsync" : "cuMemAlloc",
             formatBytes(bytes).c_str()))
    return false;
  *pointer = reinterpret_cast<void *>(result);
  return poison(result, bytes, stream);
}

bool bfly::cuda::release(Device &device, Stream stream, void *pointer) {
  const Driver &cuda = *driver();
  if (device.pool)
    return check(cuda.cuMemFreeAsync(address(pointer), stream),
                 "cuMemFreeAsync");
  return check(cuda.cuMemFree(address(pointer)), "cuMemFree");
}

extern "C" {

// For callers.

int bflyCudaPointer(const void *pointer, uint64_t bytes, int *ordinal) {
  PointerInfo info;
  if (!driver() || !lookUp(pointer, info))
    return -1;
  *ordinal = BFLY_CUDA_HOST;
  if (info.isHost())
    return 0;
  uint64_t left = info.begin + info.size - address(pointer);
  if (bytes > left) {
    fail("%s are needed, but its GPU memory ends after %s",
         formatBytes(bytes).c_str(), formatBytes(left).c_str());
    return -1;
  }
  *ordinal = info.managed ? BFLY_CUDA_MANAGED : info.ordinal;
  return 0;
}

int bflyCudaAllocate(int ordinal, void *stream, uint64_t bytes,
                     void **pointer) {
  return onDevice(ordinal, [&](Device &device) {
    return allocate(device, static_cast<Stream>(stream), bytes, pointer);
  });
}

int bflyCudaFree(int ordinal, void *stream, void *pointer) {
  return onDevice(ordinal, [&](Device &device) {
    return release(device, static_cast<Stream>(stream), pointer);
  });
}

int bflyCudaTrim(int ordinal) {
  return onDevice(ordinal, [](Device &device) {
    trimPlans(device);
    return !device.pool ||
           check(driver()->cuMemPoolTrimTo(device.pool, 0), "cuMemPoolTrimTo");
  });
}

int bflyCudaCopy(int ordinal, void *stream, void *target, const void *source,
                 uint64_t bytes) {
  return onDevice(ordinal, [&](Device &) {
    return bytes == 0 ||
           check(driver()->cuMemcpyAsync(address(target), address(source),
                                         bytes, static_cast<Stream>(stream)),
                 "cuMemcpyAsync", formatBytes(bytes).c_str());
  });
}

// For compiled code.

void *bflyCudaMalloc(uint64_t bytes) {
  void *pointer = nullptr;
  orLeave([&] {
    Call *call = currentCall();
    if (!call || !allocate(*call->device, call->stream, bytes, &pointer))
      return false;
    call->memory.push_back(pointer);
    return true;
  });
  return pointer;
}

void bflyCudaRelease(void *pointer) {
  if (!pointer)
    return;
  orLeave([&] {
    Call *call = currentCall();
    if (!call)
      return false;
    // What was allocated last goes first most of the time.
    auto made = std::find(call->memory.rbegin(), call->memory.rend(), pointer);
    if (made == call->memory.rend())
      return fail("compiled code frees GPU memory that it did not allocate");
    // What is not given back the end of the call gives back.
    if (!release(*call->device, call->stream, pointer))
      return false;
    call->memory.erase(std::next(made).base());
    return true;
  });
}

} // extern "C"
