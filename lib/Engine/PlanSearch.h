// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#ifndef BFLY_LIB_ENGINE_PLANSEARCH_H
#define BFLY_LIB_ENGINE_PLANSEARCH_H

#include "Trial.h"
#include "bfly/IR/Bfly.h"

namespace mlir::bfly {

/// Climbs from the plan of one kernel to faster ones. The kernel is alone in
/// its module and function, which the setup names.
class PlanSearch {
public:
  PlanSearch(KernelOp kernel, TrialSetup setup, TunedKernel &result)
      : kernel(kernel), setup(std::move(setup)), result(result) {}

  /// Fills in the result's plans, which one is best, and the rounds; leaves the
  /// best plan on the kernel. With 0 rounds the chosen one and its neighbours
  /// are compiled and checked.
  llvm::Error run(int rounds);

private:
  llvm::Error tryPlan(ArrayAttr plan);
  llvm::Error tryNeighbours();
  llvm::Error time(ArrayRef<size_t> which, int samples);
  size_t findFastest(size_t first) const;

  KernelOp kernel;
  TrialSetup setup;
  TunedKernel &result;
  /// For each plan of the result; no trial where it fails, or is not needed any
  /// more.
  std::vector<ArrayAttr> plans;
  std::vector<std::unique_ptr<Trial>> trials;
};

} // namespace mlir::bfly

#endif // BFLY_LIB_ENGINE_PLANSEARCH_H
