// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Devices, their contexts, and calls on them.

#include "CudaState.h"

#include <algorithm>
#include <cstring>
#include <memory>

using namespace bfly::cuda;

static constexpr int kMaxDevices = 64;

static thread_local Call *call = nullptr;

static bool describe(const Driver &cuda, int ordinal, DeviceHandle &handle,
                     BflyCudaDevice &info) {
  info = {};
  info.ordinal = ordinal;
  info.driverVersion = cuda.version;
  size_t memory = 0;
  if (!check(cuda.cuDeviceGet(&handle, ordinal), "cuDeviceGet") ||
      !check(cuda.cuDeviceGetName(info.name, sizeof(info.name), handle),
             "cuDeviceGetName") ||
      !check(cuda.cuDeviceTotalMem(&memory, handle), "cuDeviceTotalMem"))
    return false;
  info.memoryBytes = memory;
  auto get = [&](DeviceAttribute attribute, auto &value) {
    int number = 0;
    if (!check(cuda.cuDeviceGetAttribute(&number, attribute, handle),
               "cuDeviceGetAttribute"))
      return false;
    value = number;
    return true;
  };
  return get(kDeviceComputeCapabilityMajor, info.major) &&
         get(kDeviceComputeCapabilityMinor, info.minor) &&
         get(kDeviceMultiprocessorCount, info.multiprocessors) &&
         get(kDeviceClockRate, info.clockKhz) &&
         get(kDeviceL2CacheSize, info.l2Bytes) &&
         get(kDeviceMaxSharedMemoryPerBlockOptin, info.blockSharedBytes) &&
         get(kDeviceMaxSharedMemoryPerMultiprocessor,
             info.processorSharedBytes);
}

static bool startDevice(const Driver &cuda, int ordinal, Device &device) {
  DeviceHandle handle;
  BflyCudaDevice &info = device.info;
  int hasPools = 0;
  if (!describe(cuda, ordinal, handle, info) ||
      !check(cuda.cuDeviceGetAttribute(&hasPools, kDeviceMemoryPoolsSupported,
                                       handle),
             "cuDeviceGetAttribute") ||
      !check(cuda.cuDevicePrimaryCtxRetain(&device.context, handle),
             "cuDevicePrimaryCtxRetain", info.name))
    return false;
  if (hasPools) {
    // A pool of our own: others in this process may trim or limit the device's.
    PoolProperties properties;
    properties.locationId = ordinal;
    // Enough that calls find what the calls before gave back.
    uint64_t keep = info.memoryBytes / 8;
    ContextScope scope(&device);
    if (!scope ||
        !check(cuda.cuMemPoolCreate(&device.pool, &properties),
               "cuMemPoolCreate") ||
        !check(cuda.cuMemPoolSetAttribute(device.pool, kPoolReleaseThreshold,
                                          &keep),
               "cuMemPoolSetAttribute"))
      return false;
  }
  return true;
}

Device *bfly::cuda::getDevice(int ordinal) {
  static std::mutex mutex;
  static std::unique_ptr<Device> devices[kMaxDevices];
  const Driver *cuda = driver();
  if (!cuda)
    return nullptr;
  std::lock_guard<std::mutex> held(mutex);
  if (ordinal >= 0 && ordinal < kMaxDevices && devices[ordinal])
    return devices[ordinal].get();
  int count = 0;
  if (!check(cuda->cuDeviceGetCount(&count), "cuDeviceGetCount"))
    return nullptr;
  if (count == 0) {
    fail("there is no NVIDIA GPU on this machine, though a driver is");
    return nullptr;
  }
  if (ordinal < 0 || ordinal >= std::min(count, kMaxDevices)) {
    if (count == 1)
      fail("the only GPU of this machine is cuda:0");
    else
      fail("the GPUs of this machine are cuda:0 to cuda:%d", count - 1);
    return nullptr;
  }
  auto device = std::make_unique<Device>();
  if (!startDevice(*cuda, ordinal, *device))
    return nullptr;
  devices[ordinal] = std::move(device);
  return devices[ordinal].get();
}

ContextScope::ContextScope(Device *device) {
  entered = device && check(driver()->cuCtxPushCurrent(device->context),
                            "cuCtxPushCurrent");
}

ContextScope::~ContextScope() {
  Context context;
  if (entered)
    driver()->cuCtxPopCurrent(&context);
}

Call *bfly::cuda::currentCall() {
  if (!call)
    fail("compiled code for the GPU was called by other means than "
         "bflyCudaCall");
  return call;
}

/// Gives back what a call left. The stream orders it after all that uses it.
static void finish(Call &call) {
  for (void *pointer : call.memory)
    release(*call.device, call.stream, pointer);
}

extern "C" {

int bflyCudaDeviceCount(int *count) {
  const Driver *cuda = driver();
  return cuda && check(cuda->cuDeviceGetCount(count), "cuDeviceGetCount") ? 0
                                                                          : -1;
}

int bflyCudaDeviceInfo(int ordinal, BflyCudaDevice *info) {
  Device *device = getDevice(ordinal);
  if (!device)
    return -1;
  *info = device->info;
  return 0;
}

int bflyCudaDescribe(int ordinal, BflyCudaDevice *info) {
  const Driver *cuda = driver();
  DeviceHandle handle;
  return cuda && describe(*cuda, ordinal, handle, *info) ? 0 : -1;
}

int bflyCudaMemoryInfo(int ordinal, uint64_t *freeBytes, uint64_t *totalBytes) {
  return onDevice(ordinal, [&](Device &) {
    size_t available = 0, total = 0;
    if (!check(driver()->cuMemGetInfo(&available, &total), "cuMemGetInfo"))
      return false;
    *freeBytes = available;
    *totalBytes = total;
    return true;
  });
}

int bflyCudaCall(void (*function)(void **), void **arguments, int ordinal,
                 void *stream, BflyRuntimeFailure *failure) {
  *failure = {};
  Device *device = getDevice(ordinal);
  ContextScope scope(device);
  int result = 1;
  if (scope) {
    Call frame;
    frame.device = device;
    frame.stream = static_cast<Stream>(stream);
    frame.outer = call;
    call = &frame;
    // What is made when it is first needed may be needed first in a capture.
    OutsideCapture outside;
    result = bflyRuntimeCall(function, arguments, 0, nullptr, failure);
    call = frame.outer;
    finish(frame);
  } else {
    std::snprintf(failure->message, sizeof(failure->message), "%s",
                  bflyCudaLastError());
  }
  return result;
}

int64_t bflyCudaMultiprocessors(void) {
  int64_t result = 0;
  orLeave([&] {
    Call *call = currentCall();
    if (call)
      result = call->device->info.multiprocessors;
    return call != nullptr;
  });
  return result;
}

} // extern "C"
