// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Which operations run as one kernel.

#ifndef BFLY_LIB_CONVERSION_NETWORKTOSCHEDULE_KERNELGROUPS_H
#define BFLY_LIB_CONVERSION_NETWORKTOSCHEDULE_KERNELGROUPS_H

#include "bfly/IR/Bfly.h"
#include "llvm/ADT/SetVector.h"

namespace mlir::bfly {

/// Operations of one block that may run as one kernel, placed where the last of
/// them stands: `sink`, the only one whose results are used by others, but for
/// sums over bins.
struct KernelGroup {
  SetVector<Operation *> ops;
  Operation *sink = nullptr;
  StringRef name;
};

/// The filter around a transform: `fft`, the maps of its spectrum, the
/// transforms of other spectra that they read, the inverse, and the context
/// between bins (or the mean of the transform's input) and the parameters of
/// the maps. Fails with the reason why they cannot be one kernel.
FailureOr<KernelGroup> findFilter(FftOp fft, std::string &reason);

/// The attention of which `first` is the first stage: the stages that follow it
/// one by one, the folding of their weights, and padding and casts around them.
/// Where a stage that seems to follow had to stay out, `reason` says why.
KernelGroup findAttention(AttentionStageOp first, std::string &reason);

} // namespace mlir::bfly

#endif // BFLY_LIB_CONVERSION_NETWORKTOSCHEDULE_KERNELGROUPS_H
