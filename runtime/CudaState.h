// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// What the parts of the CUDA runtime share: devices, the call at hand, errors.
//
// A failure is a message, recorded for the thread, and a function that returns
// false. Only the outermost function, the one that compiled code called, leaves
// the call (`leaveCall`): a jump, so nothing with a destructor may live there.

#ifndef BFLY_RUNTIME_CUDASTATE_H
#define BFLY_RUNTIME_CUDASTATE_H

#include "CudaDriver.h"
#include "bfly-cuda.h"

#include <mutex>
#include <string>
#include <vector>

namespace bfly::cuda {

/// Records a message as printf does. Always false.
bool fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
/// True for success; records "CALL failed: NAME (text)" otherwise, with the
/// launch that an asynchronous error is probably of, and then `detail`.
bool check(Result result, const char *call, const char *detail = nullptr);
/// Leaves the call on this thread with the recorded message.
[[noreturn]] void leaveCall();

/// "1.5 GiB"
std::string formatBytes(uint64_t bytes);

struct Device {
  BflyCudaDevice info;
  Context context;
  /// Null where the device has no pools.
  Pool pool = nullptr;
  /// What bflyCudaCounters gives, for each stream that asked.
  struct Counters {
    unsigned long long stream; ///< its number, which is never used again
    void *words;
  };
  std::mutex mutex; ///< for these
  std::vector<Counters> counters;
  /// For launches in graphs; of nobody now, and zero.
  struct FreeCounters {
    uint64_t count;
    void *words;
  };
  std::mutex freeMutex; ///< for these; nothing of CUDA's is called under it
  std::vector<FreeCounters> freeCounters;
};

/// A started device; null with a recorded error if it is not there. Lives as
/// long as the process.
Device *getDevice(int ordinal);

/// Makes a device's context current on this thread while it lives. Convertible
/// to false, with a recorded error, if that failed.
class ContextScope {
public:
  explicit ContextScope(Device *device);
  ~ContextScope();
  ContextScope(const ContextScope &) = delete;
  explicit operator bool() const { return entered; }

private:
  bool entered = false;
};

/// Runs `body` of a function that callers use, on a device in its context: 0 if
/// it returns true, else -1 with a recorded error.
template <typename Body> int onDevice(int ordinal, Body body) {
  Device *device = getDevice(ordinal);
  ContextScope scope(device);
  return scope && body(*device) ? 0 : -1;
}

inline DevicePointer address(const void *pointer) {
  return reinterpret_cast<DevicePointer>(pointer);
}

/// The graph that a stream's work is captured into; null where it runs as it
/// comes. False with a recorded error if a capture has failed.
bool captureOf(Stream stream, Graph &graph);

/// While it lives, this thread may call what has no place in a graph although
/// it captures one: memory that stays, modules, plans, on no captured stream.
class OutsideCapture {
public:
  OutsideCapture() { driver()->cuThreadExchangeStreamCaptureMode(&mode); }
  ~OutsideCapture() { driver()->cuThreadExchangeStreamCaptureMode(&mode); }
  OutsideCapture(const OutsideCapture &) = delete;

private:
  int mode = kCaptureModeRelaxed;
};

/// Memory of the device in its context.
bool allocate(Device &device, Stream stream, uint64_t bytes, void **pointer);
bool release(Device &device, Stream stream, void *pointer);

/// A call of compiled code: what it runs on, and what it has to give back.
struct Call {
  Device *device;
  Stream stream;
  Call *outer;
  std::vector<void *> memory;
};

/// The call on this thread; null with a recorded error if there is none.
Call *currentCall();

/// Frees cached cuFFT plans of the device that nobody uses.
void trimPlans(const Device &device);

/// For messages about errors that show up later than the launch that they are
/// of: what this thread launched last.
void noteLaunch(const char *text);

/// Runs `body` of a function that compiled code calls; leaves the call if it
/// returns false. `body` must be done with all that has a destructor.
template <typename Body> void orLeave(Body body) {
  if (!body())
    leaveCall();
}

} // namespace bfly::cuda

#endif // BFLY_RUNTIME_CUDASTATE_H
