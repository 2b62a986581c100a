// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// What plans of every machine have in common.

#ifndef BFLY_LIB_SCHEDULE_PLANRULES_H
#define BFLY_LIB_SCHEDULE_PLANRULES_H

#include "bfly/IR/Network.h"
#include "bfly/Schedule/Plan.h"

namespace mlir::bfly {

/// Largest radix of a pass: so many complex values in registers.
constexpr int64_t kLargestRadix = 16;

/// The error that a kernel's plan says `word` = `value`, to which what is
/// allowed is to be added.
template <typename T>
InFlightDiagnostic refuse(KernelOp kernel, StringRef word, const T &value) {
  InFlightDiagnostic error = kernel.emitKernelError();
  return std::move(error << "has a plan with " << word << " = " << value
                         << "; ");
}

// Plans of a GPU.
PlanAttr planGPUTransform(KernelOp kernel, const Network &network,
                          const Machine &machine);
PlanAttr planGPUAttention(KernelOp kernel, const Network &network,
                          const Machine &machine);
LogicalResult verifyGPUTransform(KernelOp kernel, const Network &network,
                                 const Machine &machine);
LogicalResult verifyGPUAttention(KernelOp kernel, const Network &network,
                                 const Machine &machine);
/// Stages in a block's shared memory: only a whole network has them there.
LogicalResult verifyLocalAttention(KernelOp kernel, const Network &network,
                                   const Machine &machine);

} // namespace mlir::bfly

#endif // BFLY_LIB_SCHEDULE_PLANRULES_H
