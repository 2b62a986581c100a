// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Streams and events: for callers, and for compiled code, whose streams are all
// its caller's.

#include "CudaState.h"

using namespace bfly::cuda;

extern "C" {

// For callers.

int bflyCudaCheckStream(int ordinal, void *stream) {
  Device *device = getDevice(ordinal);
  if (!device)
    return -1;
  // The default streams are those of whatever context is current.
  if (reinterpret_cast<uintptr_t>(stream) <= 2)
    return 0;
  ContextScope scope(device);
  Context context = nullptr;
  if (!scope ||
      !check(driver()->cuStreamGetCtx(static_cast<Stream>(stream), &context),
             "cuStreamGetCtx", "this is no CUDA stream"))
    return -1;
  if (context != device->context) {
    fail("the stream is not one of cuda:%d", ordinal);
    return -1;
  }
  return 0;
}

int bflyCudaSynchronize(int ordinal, void *stream) {
  return onDevice(ordinal, [&](Device &) {
    return check(driver()->cuStreamSynchronize(static_cast<Stream>(stream)),
                 "cuStreamSynchronize");
  });
}

int bflyCudaStreamCreate(int ordinal, void **stream) {
  return onDevice(ordinal, [&](Device &) {
    Stream made = nullptr;
    if (!check(driver()->cuStreamCreate(&made, kStreamNonBlocking),
               "cuStreamCreate"))
      return false;
    *stream = made;
    return true;
  });
}

int bflyCudaStreamDestroy(int ordinal, void *stream) {
  return onDevice(ordinal, [&](Device &) {
    return check(driver()->cuStreamDestroy(static_cast<Stream>(stream)),
                 "cuStreamDestroy");
  });
}

// For compiled code.

void *mgpuStreamCreate(void) {
  Stream stream = nullptr;
  orLeave([&] {
    Call *call = currentCall();
    if (call)
      stream = call->stream;
    return call != nullptr;
  });
  return stream;
}

void mgpuStreamDestroy(void *) {}

void mgpuStreamSynchronize(void *) {
  orLeave([] {
    Call *call = currentCall();
    if (!call || !call->hostCopies)
      return call != nullptr;
    call->hostCopies = false;
    return check(driver()->cuStreamSynchronize(call->stream),
                 "cuStreamSynchronize");
  });
}

void mgpuStreamWaitEvent(void *, void *event) {
  orLeave([&] {
    Call *call = currentCall();
    return call && check(driver()->cuStreamWaitEvent(
                             call->stream, static_cast<Event>(event), 0),
                         "cuStreamWaitEvent");
  });
}

void *mgpuEventCreate(void) {
  Event event = nullptr;
  orLeave([&] {
    Call *call = currentCall();
    if (!call || !check(driver()->cuEventCreate(&event, kEventDisableTiming),
                        "cuEventCreate"))
      return false;
    call->events.push_back(event);
    return true;
  });
  return event;
}

void mgpuEventDestroy(void *event) {
  orLeave([&] {
    Call *call = currentCall();
    auto *made = static_cast<Event>(event);
    if (!call || !holds(call->events, made))
      return call != nullptr;
    return takeIf(check(driver()->cuEventDestroy(made), "cuEventDestroy"),
                  call->events, made);
  });
}

void mgpuEventSynchronize(void *event) {
  orLeave([&] {
    return currentCall() &&
           check(driver()->cuEventSynchronize(static_cast<Event>(event)),
                 "cuEventSynchronize");
  });
}

void mgpuEventRecord(void *event, void *) {
  orLeave([&] {
    Call *call = currentCall();
    return call && check(driver()->cuEventRecord(static_cast<Event>(event),
                                                 call->stream),
                         "cuEventRecord");
  });
}

} // extern "C"
