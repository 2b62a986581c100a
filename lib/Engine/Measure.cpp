// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "bfly/Engine/Measure.h"

#include "bfly-cuda.h"
#include "bfly/Arrays/FileIO.h"

#include <chrono>

using namespace mlir;
using namespace mlir::bfly;

llvm::Expected<Ceilings> Ceilings::measure(const Device &device, int threads,
                                           double seconds) {
  Ceilings ceilings;
  if (device.kind == Device::Kind::CPU) {
    ceilings.bytesPerSecond = bflyRuntimeCopyBandwidth(threads, seconds);
    ceilings.flopsPerSecond = bflyRuntimePeakFlops(threads, seconds);
    return ceilings;
  }
  if (bflyCudaCopyBandwidth(device.ordinal, seconds,
                            &ceilings.bytesPerSecond) ||
      bflyCudaPeakFlops(device.ordinal, seconds, &ceilings.flopsPerSecond))
    return makeError(bflyCudaLastError());
  // cuBLASLt need not be there.
  if (bflyCudaPeakMatrixFlops(device.ordinal, seconds,
                              &ceilings.matrixFlopsPerSecond))
    ceilings.matrixFlopsPerSecond = 0;
  return ceilings;
}

llvm::Expected<double> mlir::bfly::timeCalls(ArrayRef<Invocation *> calls,
                                             const Device &device,
                                             int64_t count) {
  if (device.kind == Device::Kind::CPU) {
    auto begin = std::chrono::steady_clock::now();
    for (int64_t i = 0; i < count; ++i)
      if (llvm::Error error = calls[i % calls.size()]->run())
        return std::move(error);
    std::chrono::duration<double> elapsed =
        std::chrono::steady_clock::now() - begin;
    return elapsed.count() / double(count);
  }
  struct State {
    ArrayRef<Invocation *> calls;
    size_t next = 0;
    std::string problem;
  } state{calls, 0, ""};
  auto step = [](void *pointer) {
    auto &state = *static_cast<State *>(pointer);
    llvm::Error error =
        state.calls[state.next++ % state.calls.size()]->launch();
    if (!error)
      return 0;
    state.problem = toString(std::move(error));
    return 1;
  };
  double seconds = 0;
  if (bflyCudaTime(device.ordinal, nullptr, count, step, &state, &seconds))
    return makeError(state.problem.empty() ? bflyCudaLastError()
                                           : state.problem);
  return seconds / double(count);
}

llvm::Expected<int64_t> mlir::bfly::countCalls(ArrayRef<Invocation *> calls,
                                               const Device &device,
                                               double seconds) {
  constexpr int64_t kMost = 1000000;
  // Until what is timed is long enough to tell.
  for (int64_t count = 1;; count *= 4) {
    auto each = timeCalls(calls, device, count);
    if (!each)
      return each.takeError();
    double wanted = seconds / std::max(*each, 1e-9);
    if (wanted <= 10.0 * double(count) || count >= kMost)
      return static_cast<int64_t>(std::clamp(wanted, 1.0, double(kMost)));
  }
}

llvm::Expected<int64_t> mlir::bfly::copiesBeyondCache(const Device &device,
                                                      uint64_t bytes,
                                                      int64_t sharers) {
  if (device.kind == Device::Kind::CPU)
    return 1;
  BflyCudaDevice info;
  uint64_t available, total;
  if (bflyCudaDeviceInfo(device.ordinal, &info) ||
      bflyCudaMemoryInfo(device.ordinal, &available, &total))
    return makeError(bflyCudaLastError());
  bytes = std::max<uint64_t>(bytes, 1);
  // Between two uses of an array, the others go through the cache twice.
  uint64_t wanted = 2 * info.l2Bytes / bytes + 2;
  return std::clamp<int64_t>(
      std::min(wanted, available / 2 / bytes / uint64_t(sharers)), 1, 64);
}
