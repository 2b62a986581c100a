// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// What plans of every machine have in common.

#ifndef BFLY_LIB_SCHEDULE_NETWORK_H
#define BFLY_LIB_SCHEDULE_NETWORK_H

#include "bfly/Schedule/Plan.h"

namespace mlir::bfly {

/// Largest radix of a pass: so many complex values in registers.
constexpr int64_t kLargestRadix = 16;

/// What a kernel holds, as far as its plan depends on it.
struct Network {
  /// Tokens of a transform, or of maps of its spectrum; 0 without either. Of
  /// two transforms of different lengths the other's.
  int64_t transformTokens = 0, otherTokens = 0;
  bool hasTransform = false;
  /// Whether two real channels can share a complex transform.
  bool packed = false;
  int64_t attentionTokens = 0, stages = 0;
  int64_t batch = ShapedType::kDynamic;
  int64_t channels = 1;
  int64_t elementBytes = 4;
};

Network inspect(KernelOp kernel);

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
LogicalResult verifyGPUAttention(KernelOp kernel, const Network &network);
/// Stages in a block's shared memory: only a whole network has them there.
LogicalResult verifyLocalAttention(KernelOp kernel, const Network &network);

} // namespace mlir::bfly

#endif // BFLY_LIB_SCHEDULE_NETWORK_H
