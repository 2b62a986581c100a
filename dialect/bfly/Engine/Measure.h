// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// How long calls take, and what the machine could do in that time.

#ifndef BFLY_ENGINE_MEASURE_H
#define BFLY_ENGINE_MEASURE_H

#include "bfly/Engine/Executable.h"

namespace mlir::bfly {

/// What the machine can do, measured.
struct Ceilings {
  double bytesPerSecond = 0;
  double flopsPerSecond = 0;
  /// Of a GPU's matrix units, in bf16; 0 where nothing can measure it.
  double matrixFlopsPerSecond = 0;

  /// Of a CPU with so many threads (0: all); for about `seconds` each.
  static llvm::Expected<Ceilings> measure(const Device &device, int threads,
                                          double seconds);
};

/// Seconds that a call takes: the mean of `count`, which are made in turn. On a
/// GPU it is the time between two events of the device's, without copies of
/// arrays, so that every call must have run before.
llvm::Expected<double> timeCalls(llvm::ArrayRef<Invocation *> calls,
                                 const Device &device, int64_t count);

/// How many calls take about so many seconds, from one to a million.
llvm::Expected<int64_t> countCalls(llvm::ArrayRef<Invocation *> calls,
                                   const Device &device, double seconds);

/// How many calls with `bytes` of arrays each take for that, so that no cache
/// of the GPU holds what a call reads: as its memory allows, of which `sharers`
/// such sets are to have a part. On a CPU one call, which finds its arrays.
llvm::Expected<int64_t> copiesBeyondCache(const Device &device, uint64_t bytes,
                                          int64_t sharers = 1);

} // namespace mlir::bfly

#endif // BFLY_ENGINE_MEASURE_H
