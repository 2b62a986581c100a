// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Whether a plan fits its machine and its kernel, word by word. Nests trust it:
// what is not checked here they must either do, whatever it says, or not read.

#include "PlanRules.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace mlir::bfly;

/// What one plan can be of: one transform, or attention.
static LogicalResult verifyKinds(KernelOp kernel, const Network &network) {
  if (network.otherTokens)
    return kernel.emitKernelError()
           << "holds transforms of " << network.otherTokens << " and of "
           << network.transformTokens
           << " tokens; a plan is of one length, so they must be two kernels";
  if (network.transforms && !network.stages.empty())
    return kernel.emitKernelError()
           << "holds a transform and stages of attention; a plan is of one of "
              "them, so they must be two kernels";
  return success();
}

/// The words that mean the same for every kernel of a machine.
static LogicalResult verifyWords(KernelOp kernel, const Machine &machine) {
  PlanAttr plan = kernel.getPlanAttr();
  if (!machine.isGPU() && plan.getThreads())
    return refuse(kernel, "threads", plan.getThreads())
           << "a CPU has no blocks of threads, leave the word out";
  if (machine.isGPU() && !plan.getThreads())
    return kernel.emitKernelError()
           << "has a plan without threads, which a GPU's blocks have";
  for (GroupAttr group : plan.getGroups()) {
    Place place = group.getPlace();
    bool isCache =
        place == Place::L1 || place == Place::L2 || place == Place::L3;
    bool exists = place == Place::Memory ||
                  (machine.isGPU() ? place == Place::Shared : isCache);
    if (!exists)
      return kernel.emitKernelError()
             << "has a plan with a group in " << stringifyPlace(place) << "; \""
             << machine.name << "\" has "
             << (machine.isGPU() ? "shared and memory"
                                 : "l1, l2, l3 and memory");
  }
  return success();
}

/// Passes whose radices multiply to the transform's length, in groups.
static LogicalResult verifyPasses(KernelOp kernel, int64_t tokens,
                                  const Machine &machine) {
  PlanAttr plan = kernel.getPlanAttr();
  ArrayRef<GroupAttr> groups = plan.getGroups();
  int64_t product = 1;
  for (int64_t radix : plan.getRadices()) {
    if (llvm::MulOverflow(product, radix, product) || product > (1 << 30))
      return kernel.emitKernelError()
             << "has a plan whose radices multiply to too much, more than "
             << (1 << 30);
  }
  // Any power of two that is long enough serves Bluestein's convolution.
  bool bluestein = !machine.isGPU() && product != tokens &&
                   product >= 2 * tokens - 1 && llvm::isPowerOf2_64(product);
  if (product != tokens && !bluestein) {
    InFlightDiagnostic error = kernel.emitKernelError();
    error << "has a plan whose radices multiply to " << product
          << ", not to the " << tokens << " tokens";
    if (!machine.isGPU())
      error << " nor to a power of two of at least " << 2 * tokens - 1;
    return error;
  }
  int64_t passes = plan.getRadices().size();
  if ((groups.empty() ? 0 : groups.back().getLast() + 1) != passes)
    return kernel.emitKernelError()
           << "has a plan whose groups do not cover its " << passes
           << " passes";
  if (groups.size() > 2 || (groups.size() == 2 && groups[0].getLast() != 0))
    return kernel.emitKernelError()
           << "has a plan with groups this machine does not run: one group, or "
              "the first pass and the rest";
  if (bluestein && groups.size() > 1)
    return kernel.emitKernelError()
           << "has a plan with " << groups.size()
           << " groups; the passes of Bluestein's algorithm, which " << product
           << " points are for, are one";
  return success();
}

/// Groups of attention's stages on a CPU.
static LogicalResult verifyStages(KernelOp kernel, const Network &network) {
  ArrayRef<GroupAttr> groups = kernel.getPlanAttr().getGroups();
  if (groups.empty() || groups.back().getLast() + 1 != network.numStages())
    return kernel.emitKernelError()
           << "has a plan whose groups do not cover its " << network.numStages()
           << " stages";
  return success();
}

LogicalResult mlir::bfly::verifyPlan(KernelOp kernel, const Machine &machine) {
  PlanAttr plan = kernel.getPlanAttr();
  if (plan.getMachine() != machine.name)
    return kernel.emitKernelError()
           << "has a plan for machine " << plan.getMachine() << ", not for \""
           << machine.name << '"';
  Network network = inspect(kernel);
  if (failed(verifyKinds(kernel, network)) ||
      failed(verifyWords(kernel, machine)))
    return failure();
  int64_t tokens = network.transformTokens;
  // Other lengths have no passes of their own on a GPU.
  bool hasPasses = tokens && machine.transforms(tokens);
  if (!hasPasses && !plan.getRadices().empty())
    return kernel.emitKernelError()
           << "has a plan with " << plan.getRadices().size()
           << " radices; it has no passes, so there are none: []";
  if (hasPasses) {
    if (failed(verifyPasses(kernel, tokens, machine)))
      return failure();
    return machine.isGPU() ? verifyGPUTransform(kernel, network, machine)
                           : success();
  }
  if (!network.stages.empty())
    return machine.isGPU() ? verifyGPUAttention(kernel, network, machine)
                           : verifyStages(kernel, network);
  if (!plan.getGroups().empty())
    return kernel.emitKernelError()
           << "has a plan with " << plan.getGroups().size()
           << " groups; it has neither passes nor stages, so there are none: "
              "[]";
  return success();
}

LogicalResult mlir::bfly::verifyPlan(KernelOp kernel) {
  std::optional<Machine> machine = getPlannedMachine(kernel);
  if (!machine)
    return kernel.emitKernelError()
           << "has a plan for machine " << kernel.getPlanAttr().getMachine()
           << ", known: " << getMachineNames();
  return verifyPlan(kernel, *machine);
}
