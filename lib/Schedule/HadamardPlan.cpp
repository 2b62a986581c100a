// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Plans of the Walsh-Hadamard transform, of a CPU and of a GPU.

#include "PlanParts.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace mlir::bfly;

/// The longest transform of a kernel.
static RankedTensorType getLongest(const Network &network) {
  RankedTensorType longest;
  for (Operation *op : network.ops)
    if (auto transform = dyn_cast<HadamardOp>(op)) {
      RankedTensorType type = transform.getInput().getType();
      if (!longest || type.getDimSize(1) > longest.getDimSize(1))
        longest = type;
    }
  return longest;
}

static bool hasHadamard(const PlanContext &context) {
  return !!getLongest(context.network);
}

/// Bytes of a slab; a row is skipped after `radix`, for banks and cache sets.
static int64_t getSlabBytes(const PlanContext &context, int64_t rows,
                            int64_t channels, int64_t radix) {
  return (rows + rows / radix) * channels * context.network.getElementBytes();
}

static int64_t getLimit(const Machine &machine) {
  return machine.isGPU() ? machine.sharedBytes - kSharedReserve
                         : machine.l2 / 4 * 3;
}

static PlanPart chooseHadamard(const PlanContext &context) {
  RankedTensorType type = getLongest(context.network);
  bool onGPU = context.machine.isGPU();
  int64_t stages = std::max<int64_t>(getNumStages(type.getDimSize(1)), 1);
  // Rows of f32 that are 32 bytes wide, which is what a GPU's memory gives at
  // once, and wider ones of short slabs, for every thread to have work; of a
  // CPU two vectors.
  constexpr int64_t kSlab = 8192, kRadix = 16;
  int64_t channels =
      onGPU ? 8
            : 2 * context.machine.lanes * 4 / context.network.getElementBytes();
  int64_t most = 1;
  while (most < stages && getSlabBytes(context, int64_t(2) << most, channels,
                                       kRadix) <= getLimit(context.machine))
    ++most;
  // As few groups as fit, of as many stages each.
  int64_t groups = llvm::divideCeilSigned(stages, most);
  int64_t rows = int64_t(1) << llvm::divideCeilSigned(stages, groups);
  if (onGPU)
    channels = std::max(channels, kSlab / rows);
  return HadamardAttr::get(context.getContext(), rows,
                           std::min(channels, type.getDimSize(2)),
                           std::min(kRadix, rows));
}

static LogicalResult verifyHadamard(const PlanContext &context,
                                    HadamardAttr part) {
  int64_t tokens = getLongest(context.network).getDimSize(1);
  if (part.getRows() > std::max<int64_t>(tokens, 2))
    return refuse(context, part, "P1")
           << "rows must be at most the " << tokens << " tokens";
  int64_t bytes = getSlabBytes(context, part.getRows(), part.getChannels(),
                               part.getRadix());
  if (context.machine.isGPU() && bytes > getLimit(context.machine))
    return refuse(context, part, "P4")
           << "a slab takes " << bytes << " bytes of a block's "
           << getLimit(context.machine) << " bytes of shared memory";
  return success();
}

static void addHadamardStates(const PlanContext &context, HadamardAttr part,
                              States &states) {
  int64_t stages = getNumStages(getLongest(context.network).getDimSize(1));
  int64_t each = llvm::Log2_64(part.getRows());
  for (int64_t first = 0; first < stages; first += each)
    states.push_back({first, std::min(first + each, stages) - 1,
                      getSlabBytes(context, part.getRows(), part.getChannels(),
                                   part.getRadix()),
                      context.machine.isGPU() ? "shared" : "", 0});
}

void mlir::bfly::addHadamardDecisions(SmallVectorImpl<Decision> &decisions) {
  decisions.push_back(
      {"the Hadamard transforms",
       hasHadamard,
       chooseHadamard,
       {makeKind<HadamardAttr, verifyHadamard, varyNumbers<HadamardAttr, 3>,
                 addHadamardStates>()}});
}
