// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Choice of a plan, at the schedule level.
//
// Before: kernels hold network operations; some may have a plan.
// After: every kernel on tensors has a plan that fits it.

#include "bfly/Transforms/Passes.h"

#include "bfly/IR/Bfly.h"
#include "bfly/Schedule/Plan.h"

namespace mlir::bfly {
#define GEN_PASS_DEF_CHOOSEPLANPASS
#include "bfly/Transforms/Passes.h.inc"
} // namespace mlir::bfly

using namespace mlir;
using namespace mlir::bfly;

namespace {

struct ChoosePlanPass : public bfly::impl::ChoosePlanPassBase<ChoosePlanPass> {
  using ChoosePlanPassBase::ChoosePlanPassBase;

  void runOnOperation() override {
    Machine machine = getMachine(getOperation());
    WalkResult result = getOperation().walk([&](KernelOp kernel) {
      if (!kernel.getNumResults())
        return WalkResult::advance();
      if (!kernel.getPlan())
        kernel.setPlanAttr(choosePlan(kernel, machine));
      return WalkResult(verifyPlan(kernel));
    });
    if (result.wasInterrupted())
      signalPassFailure();
  }
};

} // namespace
