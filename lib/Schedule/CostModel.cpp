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
  Operation *product = getLibraryOp(kernel);
  if (isa_and_nonnull<LinearOp, RowProductOp>(product))
    if (cast<RankedTensorType>(product->getOperand(0).getType())
            .getElementTypeBitWidth() == 16)
      cost.matrixFlops += getFlops(product, length);
  return cost;
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
