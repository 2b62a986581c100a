// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "ReportFacts.h"

#include "bfly/Schedule/Plan.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;
using namespace mlir::bfly;

SmallVector<StringRef> mlir::bfly::getRewrites(KernelOp kernel,
                                               const Network &network) {
  SmallVector<StringRef> rewrites;
  if (network.half) {
    rewrites.push_back("half_spectrum");
    if (!getLibraryOp(kernel))
      rewrites.push_back("two_channels_a_transform");
  }
  if (network.hermitian)
    rewrites.push_back("hermitian_part");
  if (network.binZero)
    rewrites.push_back("mean_is_bin_zero");
  if (network.transforms &&
      getTransformLength(kernel) != network.sequence.getDimSize(1))
    rewrites.push_back("bluestein");
  llvm::SetVector<StringRef> scorings;
  for (AttentionStageOp stage : network.stages)
    if (stage.getScoring() != Scoring::Definition)
      scorings.insert(stringifyScoring(stage.getScoring()));
  rewrites.append(scorings.begin(), scorings.end());
  if (network.padded)
    rewrites.push_back("padding_in_kernel");
  return rewrites;
}

/// Where what `kernel` makes goes to, if that is what kept it small.
static std::string getOutsideReason(KernelOp kernel) {
  for (Operation *user : kernel->getUsers()) {
    if (isa<KernelOp>(user))
      return "every operation has a kernel of its own";
    if (user->hasTrait<OpTrait::IsTerminator>())
      return "what it makes is a result of the function";
    return ("what it makes is read by '" + user->getName().getStringRef() +
            "', which no kernel holds")
        .str();
  }
  return "nothing reads what it makes";
}

std::string mlir::bfly::getUnfusedReason(KernelOp kernel,
                                         const Network &network) {
  if (auto reason = kernel->getAttrOfType<StringAttr>("bfly.unfused"))
    return reason.getValue().str();
  if (network.ops.size() != 1 ||
      !cast<NetworkOpInterface>(network.ops.front()).isPieceOfMixer())
    return "";
  return getOutsideReason(kernel);
}

// Times ----------------------------------------------------------------------

MachineCeilings mlir::bfly::getCeilings(const std::optional<Machine> &machine,
                                        const ReportOptions &options) {
  MachineCeilings ceilings = options.ceilings;
  if (machine) {
    MachineCeilings nominal = getNominalCeilings(*machine);
    if (!(ceilings.bytesPerSecond > 0))
      ceilings.bytesPerSecond = nominal.bytesPerSecond;
    if (!(ceilings.flopsPerSecond > 0))
      ceilings.flopsPerSecond = nominal.flopsPerSecond;
    if (!(ceilings.matrixFlopsPerSecond > 0))
      ceilings.matrixFlopsPerSecond = nominal.matrixFlopsPerSecond;
  }
  return ceilings;
}

std::optional<Bound> mlir::bfly::getBound(KernelOp kernel,
                                          const KernelCost &cost, bool wide,
                                          const ReportOptions &options) {
  MachineCeilings ceilings = getCeilings(getPlannedMachine(kernel), options);
  if (!(ceilings.bytesPerSecond > 0) || !(ceilings.flopsPerSecond > 0))
    return std::nullopt;
  // A vector holds half as many numbers of f64.
  if (wide)
    ceilings.flopsPerSecond /= 2;
  double batch = static_cast<double>(options.batch);
  // The matrix units work beside the others.
  double matrix =
      ceilings.matrixFlopsPerSecond > 0 ? cost.matrixFlops.at(batch) : 0;
  return Bound{cost.bytes.at(batch) / ceilings.bytesPerSecond,
               (cost.flops.at(batch) - matrix) / ceilings.flopsPerSecond,
               matrix > 0 ? matrix / ceilings.matrixFlopsPerSecond : 0,
               ceilings};
}
