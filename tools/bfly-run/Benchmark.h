// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Measures calls, beside what the machine could do, and prints the figures as
// Google Benchmark does.

#ifndef BFLY_TOOLS_BFLYRUN_BENCHMARK_H
#define BFLY_TOOLS_BFLYRUN_BENCHMARK_H

#include "bfly/Engine/Executable.h"
#include "llvm/Support/JSON.h"

#include <string>

namespace llvm {
class raw_ostream;
} // namespace llvm

namespace mlir::bfly {

/// What the machine can do, measured.
struct Ceilings {
  double bytesPerSecond = 0;
  double flopsPerSecond = 0;
  /// Of a GPU's matrix units, in bf16; 0 where nothing can measure it.
  double matrixFlopsPerSecond = 0;

  static llvm::Expected<Ceilings> measure(const Device &device, int threads);
};

/// What one call does, and for how long at the machine's ceilings: the sums
/// over a report's kernels, and over what runs between them.
struct Work {
  double bytes = 0;
  double flops = 0;
  double boundSeconds = 0;

  static Work of(const llvm::json::Object &report, int64_t batch,
                 const Ceilings &ceilings);
};

struct Measurement {
  std::string name;
  int threads = 1;
  int64_t iterations = 0;
  /// Sets of arrays that the calls used in turn.
  int64_t copies = 1;
  /// Of one call, on average.
  double realSeconds = 0;
  double cpuSeconds = 0;
  Work work;
  Ceilings ceilings;

  double boundShare() const {
    return realSeconds > 0 ? work.boundSeconds / realSeconds : 0;
  }
  llvm::json::Object toJSON() const;
};

/// Calls once to warm up, then `iterations` times, or for half a second if that
/// is 0. Fills in the times.
llvm::Error measure(Invocation &call, int64_t iterations,
                    Measurement &measurement);

/// The same on a GPU, with several calls in turn, each with arrays of its own:
/// the time between two events of the device's, without copies of arrays.
llvm::Error measureOnGPU(llvm::ArrayRef<Invocation *> calls,
                         const Device &device, int64_t iterations,
                         Measurement &measurement);

/// How many calls with `bytes` of arrays each take for that, so that no cache
/// of the GPU holds what a call reads: as its memory allows.
llvm::Expected<int64_t> copiesBeyondCache(const Device &device, uint64_t bytes);

void printConsole(llvm::raw_ostream &os, const Measurement &measurement);
void printJSON(llvm::raw_ostream &os, const Measurement &measurement,
               llvm::StringRef executable);

} // namespace mlir::bfly

#endif // BFLY_TOOLS_BFLYRUN_BENCHMARK_H
