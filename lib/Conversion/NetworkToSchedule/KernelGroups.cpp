// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Which operations run as one kernel.
//
// A group has one sink: every result of its other operations is used inside it
// alone, or, of sums over bins, behind the sink. So nothing outside lies
// between two of its operations, and all of them may move to where the sink
// stands.

#include "KernelGroups.h"

#include "bfly/IR/Network.h"
#include "bfly/Schedule/Plan.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace mlir::bfly;

/// Whether every use of `op` is by an operation of `group`.
static bool isUsedOnlyIn(Operation *op, const SetVector<Operation *> &group) {
  return llvm::all_of(op->getUsers(),
                      [&](Operation *user) { return group.contains(user); });
}

namespace {

/// Collects the group of one transform.
struct FilterFinder {
  FftOp fft;
  std::string &reason;
  KernelGroup group;

  LogicalResult fail(const Twine &why) {
    reason = why.str();
    return failure();
  }

  LogicalResult findChain();
  LogicalResult findSecondSpectra(SpectrumMapOp map);
  void findContext();
  LogicalResult checkUses();
};

} // namespace

/// From the transform along its spectrum: maps, and the inverse or the map with
/// a real result that ends them; bins on the way.
LogicalResult FilterFinder::findChain() {
  Block *block = fft->getBlock();
  Value spectrum = fft.getResult();
  group.sink = fft;
  group.ops.insert(fft);
  while (spectrum) {
    Operation *next = nullptr, *other = nullptr;
    for (OpOperand &use : spectrum.getUses()) {
      Operation *user = use.getOwner();
      bool isBin = isa<SpectrumBinOp>(user);
      if ((!isBin && !continuesSpectrum(use)) || user->getBlock() != block)
        other = user;
      else if (isBin)
        group.ops.insert(user);
      else if (next)
        return fail("the spectrum is filtered in two ways");
      else
        next = user;
    }
    if (!next)
      break;
    if (other)
      return fail("the spectrum is also used by '" +
                  other->getName().getStringRef() + "'");
    spectrum = Value();
    group.ops.insert(next);
    group.sink = next;
    if (auto map = dyn_cast<SpectrumMapOp>(next)) {
      if (failed(findSecondSpectra(map)))
        return failure();
      if (isa<ComplexType>(map.getResult().getType().getElementType()))
        spectrum = map.getResult();
    }
  }
  return success();
}

/// The transforms of other spectra that a map reads.
LogicalResult FilterFinder::findSecondSpectra(SpectrumMapOp map) {
  for (FftOp second : map.getSecondSpectra()) {
    if (second->getBlock() != fft->getBlock())
      return fail("a second spectrum is made in another block");
    for (OpOperand &use : second->getUses())
      if (use.getOwner() != map || use.getOperandNumber() == 0)
        return fail("the second spectrum is also used by '" +
                    use.getOwner()->getName().getStringRef() + "'");
    group.ops.insert(second);
  }
  return success();
}

/// What lies on a path from a bin, or the mean of what is transformed, to a
/// parameter of a map.
void FilterFinder::findContext() {
  Block *block = fft->getBlock();
  SetVector<Operation *> chain = group.ops;
  SetVector<Operation *> forward, backward;
  for (Operation *op : chain)
    if (isa<SpectrumBinOp>(op))
      forward.insert(op);
  for (Operation *user : fft.getInput().getUsers())
    if (isa<MeanOp>(user) && user->getBlock() == block)
      forward.insert(user);
  for (size_t i = 0; i < forward.size(); ++i)
    for (Operation *user : forward[i]->getUsers())
      if (Operation *inBlock = block->findAncestorOpInBlock(*user))
        if (!chain.contains(inBlock))
          forward.insert(inBlock);
  auto visitOperands = [&](Operation *op) {
    for (Value operand : op->getOperands())
      if (Operation *def = operand.getDefiningOp())
        if (forward.contains(def))
          backward.insert(def);
  };
  for (Operation *op : chain)
    visitOperands(op);
  // NOLINTNEXTLINE(modernize-loop-convert): it grows meanwhile.
  for (size_t i = 0; i < backward.size(); ++i)
    visitOperands(backward[i]);

  // What others use too, or what is no context, stays outside where it can:
  // what makes it then does as well. Bins cannot.
  group.ops.insert(backward.begin(), backward.end());
  for (bool changed = true; changed;) {
    changed = false;
    for (Operation *op : backward)
      if (group.ops.contains(op) && !isa<SpectrumBinOp>(op) &&
          !((isa<MeanOp>(op) || isContextOp(op)) &&
            isUsedOnlyIn(op, group.ops)))
        changed |= group.ops.remove(op);
  }
}

/// One sink, and nothing else that leaves.
LogicalResult FilterFinder::checkUses() {
  Block *block = fft->getBlock();
  for (Operation *op : group.ops) {
    if (op == group.sink)
      continue;
    for (OpOperand &use : op->getUses()) {
      if (group.ops.contains(use.getOwner()))
        continue;
      bool isSum = isa<SpectrumMapOp>(op) &&
                   cast<OpResult>(use.get()).getResultNumber() > 0;
      if (!isSum)
        return fail("the result of '" + op->getName().getStringRef() +
                    "' is also used outside the filter");
      Operation *user = block->findAncestorOpInBlock(*use.getOwner());
      if (user && !group.sink->isBeforeInBlock(user))
        return fail("a sum over bins is used before the filter ends");
    }
  }
  return success();
}

FailureOr<KernelGroup> mlir::bfly::findFilter(FftOp fft, std::string &reason) {
  // A second spectrum is in the group of the first.
  for (OpOperand &use : fft->getUses())
    if (getSecondSpectrum(use)) {
      Operation *first = use.getOwner();
      while (!isa<FftOp>(first))
        first = first->getOperand(0).getDefiningOp();
      fft = cast<FftOp>(first);
      break;
    }
  FilterFinder finder{fft, reason, {}};
  if (failed(finder.findChain()))
    return failure();
  finder.findContext();
  if (failed(finder.checkUses()))
    return failure();
  finder.group.name = "spectral_filter";
  return finder.group;
}

/// The stage that takes over the whole of `stage`'s state, if there is one.
static AttentionStageOp getNextStage(AttentionStageOp stage) {
  AttentionStageOp next;
  for (Operation *user : stage->getUsers()) {
    auto other = dyn_cast<AttentionStageOp>(user);
    if (!other || (next && other != next))
      return {};
    next = other;
  }
  if (!next || next->getBlock() != stage->getBlock() ||
      next.getStage() != stage.getStage() + 1 ||
      next.getHeads() != stage.getHeads() ||
      next.getState() != stage.getResult())
    return {};
  if (stage.getImageResult() && !stage.getImageResult().use_empty() &&
      next.getImage() != stage.getImageResult())
    return {};
  return next;
}

/// Why the stages end at `last` though another seems to follow; empty where
/// none does.
static std::string explainEnd(AttentionStageOp last) {
  bool follows = false;
  StringRef other;
  for (Operation *user : last->getUsers()) {
    auto stage = dyn_cast<AttentionStageOp>(user);
    if (stage && stage.getStage() == last.getStage() + 1)
      follows = true;
    else
      other = user->getName().getStringRef();
  }
  if (!follows)
    return {};
  std::string where = ("the state after stage " + Twine(last.getStage())).str();
  return other.empty() ? where + " goes to stages that do not take it whole"
                       : where + " is also used by '" + other.str() + "'";
}

KernelGroup mlir::bfly::findAttention(AttentionStageOp first,
                                      std::string &reason) {
  KernelGroup group;
  group.name = "butterfly_attention";
  Block *block = first->getBlock();
  AttentionStageOp last = first;
  for (AttentionStageOp stage = first; stage; stage = getNextStage(stage)) {
    group.ops.insert(stage);
    last = stage;
  }
  group.sink = last;
  reason = explainEnd(last);

  // Before the first stage: what only this attention uses.
  auto absorb = [&](Operation *def) {
    if (!def || def->getBlock() != block || !isUsedOnlyIn(def, group.ops))
      return false;
    group.ops.insert(def);
    return true;
  };
  if (Value image = first.getImage())
    absorb(image.getDefiningOp<ProjectOp>());
  for (Operation *op : llvm::to_vector(group.ops))
    for (Value operand : op->getOperands())
      absorb(operand.getDefiningOp<FoldWeightsOp>());
  Value state = first.getState();
  if (auto extend = state.getDefiningOp<arith::ExtFOp>())
    if (absorb(extend))
      state = extend.getIn();
  if (auto pad = state.getDefiningOp<tensor::PadOp>())
    if (isTokenPad(pad))
      absorb(pad);

  // After the last: a cast and a cut, where nothing else uses the result.
  auto append = [&](Operation *user) {
    group.ops.insert(user);
    group.sink = user;
  };
  auto onlyUser = [&]() -> Operation * {
    if (!group.sink->getResult(0).hasOneUse())
      return nullptr;
    Operation *user = *group.sink->getResult(0).user_begin();
    return user->getBlock() == block ? user : nullptr;
  };
  if (last.getImageResult() && !last.getImageResult().use_empty())
    return group;
  if (auto truncate = dyn_cast_if_present<arith::TruncFOp>(onlyUser()))
    append(truncate);
  if (auto slice = dyn_cast_if_present<tensor::ExtractSliceOp>(onlyUser()))
    if (isTokenCut(slice))
      append(slice);
  return group;
}
