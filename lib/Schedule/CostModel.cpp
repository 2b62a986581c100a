// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "bfly/Schedule/CostModel.h"

#include "bfly/Schedule/Plan.h"
#include "llvm/ADT/SmallPtrSet.h"
#include "llvm/Support/MathExtras.h"

#include <limits>

using namespace mlir;
using namespace mlir::bfly;

Amount mlir::bfly::getFlops(Operation *op, int64_t length) {
  if (auto part = dyn_cast<NetworkOpInterface>(op))
    return part.getFlops(length);
  // Arithmetic on whole tensors.
  if (op->getNumResults() != 1 ||
      !isa<RankedTensorType>(op->getResult(0).getType()) ||
      !OpTrait::hasElementwiseMappableTraits(op) ||
      isa<arith::ExtFOp, arith::TruncFOp, arith::SelectOp>(op))
    return {};
  return countElements(cast<RankedTensorType>(op->getResult(0).getType()));
}

bool mlir::bfly::isOnTensors(KernelOp kernel) {
  return kernel.getNumResults() &&
         llvm::all_of(kernel->getOperandTypes(),
                      llvm::IsaPred<RankedTensorType>);
}

/// The radices of a kernel's passes; none without a plan of them.
static ArrayRef<int64_t> getRadices(KernelOp kernel) {
  if (auto plan = kernel.getPlanPart<CpuTransformAttr>())
    return plan.getRadices();
  if (auto plan = kernel.getPlanPart<GpuTransformAttr>())
    return plan.getRadices();
  return {};
}

int64_t mlir::bfly::getTransformLength(KernelOp kernel) {
  Network network = inspect(kernel);
  if (!network.transforms)
    return 0;
  // A plan may be anything until it is checked.
  int64_t product = 1;
  for (int64_t radix : getRadices(kernel))
    if (llvm::MulOverflow(product, radix, product))
      return std::numeric_limits<int64_t>::max();
  return getRadices(kernel).empty() ? network.transformTokens : product;
}

KernelCost mlir::bfly::getKernelCost(KernelOp kernel) {
  KernelCost cost;
  llvm::SmallPtrSet<Value, 8> seen;
  auto move = [&](Value value) {
    auto type = dyn_cast<RankedTensorType>(value.getType());
    if (type && seen.insert(value).second)
      cost.bytes += countBytes(type);
  };
  llvm::for_each(kernel.getInputs(), move);
  llvm::for_each(kernel.getResults(), move);
  int64_t length = getTransformLength(kernel);
  std::optional<Machine> machine = getPlannedMachine(kernel);
  bool onUnits = machine && machine->usesMatrixUnits();
  for (Operation &op : kernel.getBody().front().without_terminator()) {
    cost.flops += getFlops(&op, length);
    auto part = dyn_cast<NetworkOpInterface>(op);
    if (part && onUnits)
      cost.matrixFlops += part.getMatrixFlops();
  }
  if (auto linear = dyn_cast_or_null<LinearOp>(getLibraryOp(kernel)))
    if (linear.getInput().getType().getElementTypeBitWidth() == 16)
      cost.matrixFlops += linear.getFlops(length);
  return cost;
}

/// The smallest place of a CPU that holds `bytes`.
static StringRef getCache(int64_t bytes, const Machine &machine) {
  return bytes <= machine.l1   ? "l1"
         : bytes <= machine.l2 ? "l2"
         : bytes <= machine.l3 ? "l3"
                               : "memory";
}

static int64_t getCapacity(StringRef place, const Machine &machine) {
  return place == "l1"       ? machine.l1
         : place == "l2"     ? machine.l2
         : place == "l3"     ? machine.l3
         : place == "shared" ? machine.sharedBytes
                             : 0;
}

/// The product, or the largest number.
static int64_t multiply(ArrayRef<int64_t> factors) {
  int64_t product = 1;
  for (int64_t factor : factors)
    if (llvm::MulOverflow(product, factor, product))
      return std::numeric_limits<int64_t>::max();
  return product;
}

SmallVector<KernelState> mlir::bfly::getStates(KernelOp kernel) {
  if (!kernel.getPlan())
    return {};
  Network network = inspect(kernel);
  Machine machine = getMachine(kernel);
  int64_t elementBytes = network.getElementBytes();
  SmallVector<KernelState> states;
  auto add = [&](int64_t first, int64_t last, int64_t bytes, StringRef place) {
    if (place.empty())
      place = getCache(bytes, machine);
    states.push_back({first, last, bytes, place, getCapacity(place, machine)});
  };
  // Complex rows of a slab; where the first pass is a group of its own, then
  // those of a pair of its sub-transforms at a time.
  auto addPasses = [&](auto plan, int64_t width, bool onGPU) {
    int64_t length = getTransformLength(kernel);
    for (GroupAttr group : plan.getGroups()) {
      int64_t rows = length;
      if (group.getFirst() && !plan.getRadices().empty())
        rows = multiply({2, length / plan.getRadices().front()});
      add(group.getFirst(), group.getLast(),
          multiply({rows, 2, width, elementBytes}),
          onGPU ? stringifyPlace(group.getPlace()) : "");
    }
  };
  if (auto plan = kernel.getPlanPart<CpuTransformAttr>()) {
    int64_t channels = plan.getChannels();
    addPasses(plan, network.packed ? (channels + 1) / 2 : channels, false);
  } else if (auto plan = kernel.getPlanPart<GpuTransformAttr>()) {
    addPasses(plan, plan.getColumns(), true);
  } else if (auto plan = kernel.getPlanPart<GpuBlockAttentionAttr>()) {
    AttentionStageOp first = network.stages.front();
    int64_t headChannels = network.getChannels() / int64_t(first.getHeads());
    for (GroupAttr group : plan.getGroups())
      add(group.getFirst(), group.getLast(),
          getLocalAttention(headChannels)
              .getSharedBytes(plan.getTokens(), getStoredBytes(first)),
          "shared");
  } else if (!network.stages.empty()) {
    AttentionStageOp first = network.stages.front();
    int64_t last = network.numStages() - 1;
    int64_t sequence = network.getAttentionTokens() * network.getChannels();
    if (machine.isGPU()) {
      // In f32 with the pairs' differences where scores are of those.
      int64_t stored = getStoredBytes(first);
      bool storesDifference =
          first.getScoring() == Scoring::PairDifference && stored == 4;
      add(0, last, multiply({sequence, storesDifference ? 3 : 2, stored}),
          "memory");
    } else {
      // The state before and after a stage; with images, theirs too.
      bool carried = llvm::any_of(network.stages, [](AttentionStageOp stage) {
        return stage.getImage() != nullptr;
      });
      add(0, last, multiply({sequence, 2, elementBytes, carried ? 2 : 1}), "");
    }
  } else if (auto plan = kernel.getPlanPart<CpuDenseAttr>()) {
    add(-1, -1, multiply({plan.getRows(), network.rowElements, elementBytes}),
        "");
  }
  return states;
}

MachineCeilings mlir::bfly::getNominalCeilings(const Machine &machine) {
  if (machine.isGPU())
    return {1e9 * double(machine.gigabytes), 1e9 * double(machine.gigaflops),
            1e9 * double(machine.matrixGigaflops)};
  // Two fused multiply-adds a cycle at 2.5 GHz; a thread copies 10 GB/s until
  // the memory of a socket is saturated.
  constexpr double kClock = 2.5e9, kCopy = 10e9, kSocket = 200e9;
  double threads = double(machine.threads);
  return {std::min(kCopy * threads, kSocket),
          4.0 * double(machine.lanes) * kClock * threads, 0};
}
