// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Streams, for callers. All that compiled code does goes to its caller's.

#include "CudaState.h"

using namespace bfly::cuda;

bool bfly::cuda::captureOf(Stream stream, Graph &graph) {
  int status = kCaptureStatusNone;
  graph = nullptr;
  if (!check(driver()->cuStreamGetCaptureInfo(stream, &status, nullptr, &graph,
                                              nullptr, nullptr),
             "cuStreamGetCaptureInfo"))
    return false;
  if (status == kCaptureStatusActive)
    return true;
  graph = nullptr;
  return status == kCaptureStatusNone ||
         fail("the capture of this stream into a graph has failed before");
}

extern "C" {

int bflyCudaIsCapturing(int ordinal, void *stream, int *isCapturing) {
  return onDevice(ordinal, [&](Device &) {
    Graph graph = nullptr;
    if (!captureOf(static_cast<Stream>(stream), graph))
      return false;
    *isCapturing = graph != nullptr;
    return true;
  });
}

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

} // extern "C"
