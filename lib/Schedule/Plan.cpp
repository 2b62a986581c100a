// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Plans as a whole: the parts that a kernel's nests ask for, and no others.

#include "PlanParts.h"

#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/Matchers.h"
#include "llvm/Support/MathExtras.h"

#include <limits>

using namespace mlir;
using namespace mlir::bfly;

static ArrayRef<Decision> getDecisions() {
  static const SmallVector<Decision> all = [] {
    SmallVector<Decision> decisions;
    addTransformDecisions(decisions);
    addAttentionDecisions(decisions);
    addDenseDecisions(decisions);
    addHadamardDecisions(decisions);
    return decisions;
  }();
  return all;
}

InFlightDiagnostic mlir::bfly::refuse(const PlanContext &context, PlanPart part,
                                      StringRef label) {
  InFlightDiagnostic error = context.kernel.emitKernelError();
  return std::move(error << "has a plan with " << Attribute(part) << ": ("
                         << label << ") ");
}

bool mlir::bfly::hasOwnBlocks(Attribute part) {
  auto library = dyn_cast<LibraryAttr>(part);
  return library && library.getName() == "cuBLASLt";
}

ArrayAttr mlir::bfly::choosePlan(KernelOp kernel, const Machine &machine) {
  Network network = inspect(kernel);
  PlanContext context{kernel, network, machine};
  SmallVector<Attribute> parts;
  for (const Decision &decision : getDecisions())
    if (decision.isNeeded(context))
      parts.push_back(decision.choose(context));
  if (llvm::any_of(parts, hasOwnBlocks))
    llvm::erase_if(parts, llvm::IsaPred<GpuBlockAttr>);
  return ArrayAttr::get(kernel.getContext(), parts);
}

/// What one plan can be of: one transform, or attention.
static LogicalResult verifyKinds(KernelOp kernel, const Network &network) {
  if (network.otherTokens)
    return kernel.emitKernelError()
           << "holds transforms of " << network.otherTokens << " and of "
           << network.transformTokens
           << " tokens; a plan is of one length, so they must be two kernels";
  if (network.transforms && network.hasAttention())
    return kernel.emitKernelError()
           << "holds a transform and stages of attention; a plan is of one of "
              "them, so they must be two kernels";
  if (network.backward.size() > 1 ||
      (!network.backward.empty() && !network.stages.empty()))
    return kernel.emitKernelError()
           << "holds the derivative of a stage of attention beside other "
              "stages; it must be a kernel of its own";
  return success();
}

static LogicalResult verifyPlan(KernelOp kernel, const Machine &machine) {
  Network network = inspect(kernel);
  if (failed(verifyKinds(kernel, network)))
    return failure();
  PlanContext context{kernel, network, machine};
  SmallVector<PlanPart> parts;
  for (Attribute part : kernel.getPlanAttr())
    parts.push_back(cast<PlanPart>(part));
  for (const Decision &decision : getDecisions()) {
    if (!decision.isNeeded(context))
      continue;
    PlanPart decided;
    for (const PartKind &kind : decision.kinds)
      for (PlanPart &part : parts) {
        if (!part || !kind.isOne(part))
          continue;
        if (decided)
          return kernel.emitKernelError()
                 << "has a plan with two parts for " << decision.name << ", "
                 << Attribute(decided) << " and " << Attribute(part);
        if (failed(kind.verify(context, part)))
          return failure();
        decided = part;
        part = {};
      }
    if (decided)
      continue;
    InFlightDiagnostic error = kernel.emitKernelError();
    error << "has a plan that says nothing of " << decision.name << " on \""
          << machine.name << "\": it must have a ";
    llvm::interleave(
        decision.kinds,
        [&](const PartKind &kind) { error << "#bfly." << kind.name; },
        [&] { error << " or "; });
    return error;
  }
  for (PlanPart part : parts)
    if (part)
      return kernel.emitKernelError()
             << "has a plan with " << Attribute(part)
             << ", which nothing in it reads on \"" << machine.name << '"';
  return success();
}

LogicalResult mlir::bfly::verifyPlan(KernelOp kernel) {
  return ::verifyPlan(kernel, getMachine(kernel));
}

SmallVector<ArrayAttr> mlir::bfly::getNeighbours(KernelOp kernel) {
  SmallVector<ArrayAttr> neighbours;
  ArrayAttr plan = kernel.getPlanAttr();
  ScopedDiagnosticHandler silent(kernel.getContext(),
                                 [](Diagnostic &) { return success(); });
  SmallVector<Attribute> parts(plan.begin(), plan.end());
  for (Attribute &part : parts) {
    auto written = cast<PlanPart>(part);
    for (const Decision &decision : getDecisions())
      for (const PartKind &kind : decision.kinds) {
        if (!kind.isOne(written))
          continue;
        kind.vary(written, [&](PlanPart other) {
          part = other;
          kernel.setPlanAttr(ArrayAttr::get(kernel.getContext(), parts));
          if (other != written && succeeded(verifyPlan(kernel)))
            neighbours.push_back(kernel.getPlanAttr());
        });
      }
    part = written;
  }
  kernel.setPlanAttr(plan);
  return neighbours;
}

// States ---------------------------------------------------------------------

int64_t mlir::bfly::multiply(ArrayRef<int64_t> factors) {
  int64_t product = 1;
  for (int64_t factor : factors)
    if (llvm::MulOverflow(product, factor, product))
      return std::numeric_limits<int64_t>::max();
  return product;
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

SmallVector<KernelState> mlir::bfly::getStates(KernelOp kernel) {
  if (!kernel.getPlan())
    return {};
  Network network = inspect(kernel);
  Machine machine = getMachine(kernel);
  PlanContext context{kernel, network, machine};
  // Of the first decision that has any: a layer beside a transform has none.
  SmallVector<KernelState> states;
  for (const Decision &decision : getDecisions())
    for (const PartKind &kind : decision.kinds)
      for (Attribute part : kernel.getPlanAttr())
        if (states.empty() && decision.isNeeded(context) &&
            kind.isOne(cast<PlanPart>(part)))
          kind.addStates(context, cast<PlanPart>(part), states);
  for (KernelState &state : states) {
    if (state.place.empty())
      state.place = getCache(state.bytes, machine);
    state.capacity = getCapacity(state.place, machine);
  }
  return states;
}

// Facts about plans ----------------------------------------------------------

std::optional<Machine> mlir::bfly::getPlannedMachine(KernelOp kernel) {
  if (kernel.getPlan())
    return getMachine(kernel);
  return std::nullopt;
}

Operation *mlir::bfly::getLibraryOp(KernelOp kernel) {
  return kernel.getPlanPart<LibraryAttr>() ? &kernel.getBody().front().front()
                                           : nullptr;
}

StringRef mlir::bfly::getLibrary(KernelOp kernel) {
  LibraryAttr library = kernel.getPlanPart<LibraryAttr>();
  return library ? library.getName().getValue() : StringRef();
}

bool mlir::bfly::isTokenPad(tensor::PadOp pad) {
  Value value = pad.getConstantPaddingValue();
  return value && matchPattern(value, m_AnyZeroFloat()) &&
         pad.getLow().empty() && pad.getHigh().empty() &&
         pad.getSourceType().getRank() == 3 &&
         llvm::all_of(pad.getStaticLow(), [](int64_t n) { return n == 0; }) &&
         pad.getStaticHigh()[0] == 0 && pad.getStaticHigh()[2] == 0;
}

bool mlir::bfly::isTokenCut(tensor::ExtractSliceOp slice) {
  RankedTensorType source = slice.getSourceType();
  if (source.getRank() != 3 || slice.getResultType().getRank() != 3 ||
      !llvm::all_of(slice.getMixedOffsets(), isZeroInteger) ||
      !llvm::all_of(slice.getMixedStrides(), isOneInteger) ||
      slice.getResultType().getDimSize(0) != source.getDimSize(0) ||
      slice.getResultType().getDimSize(2) != source.getDimSize(2))
    return false;
  // A dynamic batch is cut to itself where its size is that of a tensor.
  return llvm::all_of(slice.getSizes(), [](Value size) {
    auto dim = size.getDefiningOp<tensor::DimOp>();
    return dim && dim.getConstantIndex() == 0;
  });
}
