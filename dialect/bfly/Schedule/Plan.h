// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The choice of a kernel's plan.

#ifndef BFLY_SCHEDULE_PLAN_H
#define BFLY_SCHEDULE_PLAN_H

#include "bfly/IR/Bfly.h"
#include "bfly/Schedule/Machine.h"
#include <string>

namespace mlir::bfly {

/// The best plan for a kernel on tensors, by what fits where.
PlanAttr choosePlan(KernelOp kernel, const Machine &machine);

/// Whether a plan that somebody wrote fits its kernel: the machine's name, and
/// radices whose product is the transform's length (or Bluestein's).
LogicalResult verifyPlan(KernelOp kernel, const Machine &machine);

/// Why a library transforms so many tokens and no kernel of the machine; empty
/// where a kernel does.
std::string explainLibrary(int64_t tokens, const Machine &machine);

/// The one operation of a kernel on tensors that has a plan, if it is an fft or
/// ifft that a library does; else null.
Operation *getLibraryTransform(KernelOp kernel);

} // namespace mlir::bfly

#endif // BFLY_SCHEDULE_PLAN_H
