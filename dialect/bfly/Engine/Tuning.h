// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Other plans than those that the cost model chooses, tried on the machine at
// hand (docs/tuning.md).

#ifndef BFLY_ENGINE_TUNING_H
#define BFLY_ENGINE_TUNING_H

#include "bfly/Engine/Executable.h"

namespace mlir::bfly {

/// How many times the neighbours of the best plan are tried, where nobody says.
inline constexpr int kDefaultTuneRounds = 8;

/// How long the calls of some code took, in seconds a call.
struct Timing {
  double median = 0;
  /// A quarter of the samples is below `lower`, and one above `upper`.
  double lower = 0, upper = 0;

  /// Whether the difference is more than the noise.
  bool isFasterThan(const Timing &other) const { return upper < other.lower; }
  double noise() const { return median > 0 ? (upper - lower) / 2 / median : 0; }
};

/// A plan of a kernel that was tried.
struct TriedPlan {
  /// The plan, and those of its parts that the chosen plan does not have.
  std::string plan, parts;
  /// Why it does not compile or run; empty where it does.
  std::string problem;
  Timing timing;
  /// Its time over the chosen plan's, both measured in turn.
  double ratio = 1;
};

/// A kernel, or several that are alike.
struct TunedKernel {
  std::string name, location;
  int64_t alike = 1;
  /// What bounds its time by the report, and the time at that bound.
  std::string bound;
  double boundSeconds = 0;
  /// The chosen one first, then in the order they were tried.
  std::vector<TriedPlan> plans;
  size_t best = 0;
  int rounds = 0;
};

struct Tuning {
  std::string function;
  /// False where the plans were compiled and checked alone.
  bool isTimed = false;
  std::vector<TunedKernel> kernels;
  /// Of the whole function, with all the chosen plans and with all the best.
  Timing chosen, best;
  /// The function at schedule level, each kernel with its best plan.
  std::string ir;

  /// A table for people.
  void print(llvm::raw_ostream &os) const;
  /// All but `ir` (docs/report.md).
  llvm::json::Object toJSON() const;
};

/// Tries the neighbours of each kernel's plan (bfly/Schedule/Plan.h), then
/// those of the best so far, until none is faster by more than the noise, at
/// most `rounds` times; with 0 rounds the neighbours of the chosen plans are
/// compiled and checked, and nothing is timed. The arrays are those of a call
/// of the lowering's function, in host memory or on its device: a kernel is
/// given what of them it reads, and normal numbers for what other operations
/// compute.
///
/// An error where there is nothing to tune, where a GPU's plan is emulated and
/// would be timed, and where a plan changes what a kernel computes.
llvm::Expected<Tuning> tune(Lowering &lowering,
                            llvm::ArrayRef<ArrayView> inputs,
                            llvm::ArrayRef<ArrayView> parameters,
                            int rounds = kDefaultTuneRounds);

} // namespace mlir::bfly

#endif // BFLY_ENGINE_TUNING_H
