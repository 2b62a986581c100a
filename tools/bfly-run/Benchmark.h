// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Measures calls, beside what the machine could do, and prints the figures as
// Google Benchmark does.

#ifndef BFLY_TOOLS_BFLYRUN_BENCHMARK_H
#define BFLY_TOOLS_BFLYRUN_BENCHMARK_H

#include "bfly/Engine/Measure.h"
#include "llvm/Support/JSON.h"

#include <string>

namespace llvm {
class raw_ostream;
} // namespace llvm

namespace mlir::bfly {

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
/// is 0; with several calls in turn, each with arrays of its own. Fills in the
/// times.
llvm::Error measure(llvm::ArrayRef<Invocation *> calls, const Device &device,
                    int64_t iterations, Measurement &measurement);

void printConsole(llvm::raw_ostream &os, const Measurement &measurement);
void printJSON(llvm::raw_ostream &os, const Measurement &measurement,
               llvm::StringRef executable);

} // namespace mlir::bfly

#endif // BFLY_TOOLS_BFLYRUN_BENCHMARK_H
