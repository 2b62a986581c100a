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

/// The product of numbers that are not negative, or the largest number: a plan
/// may be anything until it is checked.
static int64_t multiply(ArrayRef<int64_t> factors) {
  int64_t product = 1;
  for (int64_t factor : factors)
    if (llvm::MulOverflow(product, factor, product))
      return std::numeric_limits<int64_t>::max();
  return product;
}

bool mlir::bfly::isOnTensors(KernelOp kernel) {
  return kernel.getNumResults() &&
         llvm::all_of(kernel->getOperandTypes(),
                      llvm::IsaPred<RankedTensorType>);
}

int64_t mlir::bfly::getTransformLength(KernelOp kernel) {
  Network network = inspect(kernel);
  PlanAttr plan = kernel.getPlanAttr();
  if (!network.transforms)
    return 0;
  return plan && !plan.getRadices().empty() ? multiply(plan.getRadices())
                                            : network.transformTokens;
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
  if (LinearOp linear = getLibraryProduct(kernel))
    if (linear.getInput().getType().getElementTypeBitWidth() == 16)
      cost.matrixFlops += linear.getFlops(length);
  return cost;
}

SmallVector<int64_t> mlir::bfly::getStateBytes(KernelOp kernel) {
  PlanAttr plan = kernel.getPlanAttr();
  if (!plan)
    return {};
  Network network = inspect(kernel);
  int64_t elementBytes = network.getElementBytes();
  SmallVector<int64_t> bytes;
  if (network.transforms) {
    // Complex rows of one vector: the whole slab, then, where the first pass is
    // a group of its own, a pair of its sub-transforms at a time.
    int64_t length = getTransformLength(kernel);
    for (size_t i = 0; i < plan.getGroups().size(); ++i) {
      int64_t rows = length;
      if (i && !plan.getRadices().empty())
        rows = multiply({2, length / plan.getRadices().front()});
      bytes.push_back(multiply({rows, 2, plan.getLanes(), elementBytes}));
    }
    return bytes;
  }
  if (!network.stages.empty()) {
    AttentionStageOp first = network.stages.front();
    int64_t sequence = network.getAttentionTokens() * network.getChannels();
    if (!plan.getThreads()) {
      // The state before and after a stage; with images, theirs too.
      bool carried = llvm::any_of(network.stages, [](AttentionStageOp stage) {
        return stage.getImage() != nullptr;
      });
      bytes.assign(std::max<size_t>(1, plan.getGroups().size()),
                   multiply({sequence, 2, elementBytes, carried ? 2 : 1}));
      return bytes;
    }
    // On a GPU all of it in memory, in f32 with the pairs' differences where
    // scores are of those; or what a block holds.
    int64_t stored = getStoredBytes(first);
    bool storesDifference =
        first.getScoring() == Scoring::PairDifference && stored == 4;
    int64_t parts = storesDifference ? 3 : 2;
    int64_t headChannels = network.getChannels() / int64_t(first.getHeads());
    for (GroupAttr group : plan.getGroups())
      bytes.push_back(group.getPlace() == Place::Shared
                          ? getLocalAttention(headChannels)
                                .getSharedBytes(2 * plan.getTile(), stored)
                          : multiply({sequence, parts, stored}));
    return bytes;
  }
  if (network.rowElements)
    bytes.push_back(
        multiply({plan.getTile(), network.rowElements, elementBytes}));
  return bytes;
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
