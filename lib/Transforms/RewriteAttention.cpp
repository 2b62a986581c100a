// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The exact rewrites of butterfly attention's scores.
//
// Before: network level.
// After: network level, the same function. No stage scores by its definition
// unless the option asks for it. Folded weights are made once in a block for
// each pair of query and key weights, before the first stage that uses them.

#include "bfly/Transforms/Passes.h"

#include "bfly/IR/Bfly.h"
#include "bfly/IR/Machine.h"
#include "mlir/IR/Builders.h"
#include <limits>

namespace mlir::bfly {
#define GEN_PASS_DEF_REWRITEATTENTIONPASS
#include "bfly/Transforms/Passes.h.inc"
} // namespace mlir::bfly

using namespace mlir;
using namespace mlir::bfly;

namespace {

/// Stages that follow one another with the same weights.
using Chain = SmallVector<AttentionStageOp>;

/// The stage after `stage` in its chain; none where the state goes two ways.
AttentionStageOp getNext(AttentionStageOp stage) {
  AttentionStageOp next;
  for (OpOperand &use : stage.getResult().getUses()) {
    auto user = dyn_cast<AttentionStageOp>(use.getOwner());
    if (!user || user.getState() != use.get())
      continue;
    if (next)
      return {};
    next = user;
  }
  bool follows = next && next->getBlock() == stage->getBlock() &&
                 next.getScoring() == Scoring::Definition &&
                 next.getWeights() == stage.getWeights() &&
                 next.getHeads() == stage.getHeads();
  return follows ? next : AttentionStageOp();
}

/// Whether `scoring` is the same function for the stages of `chain`.
bool isValid(Scoring scoring, const Chain &chain) {
  AttentionStageOp stage = chain.front();
  auto weights = cast<RankedTensorType>(stage.getWeights()[0].getType());
  int64_t channels = stage.getState().getType().getDimSize(2);
  bool foldable =
      stage.getHeads() == 1 || weights.getShape().back() != channels;
  // What is carried has the state's type, so the state must be in the compute
  // type for it to lose nothing.
  bool wide =
      getComputeType(weights) == stage.getState().getType().getElementType();
  switch (scoring) {
  case Scoring::Folded:
    return foldable;
  case Scoring::Carried:
    return foldable && wide && weights.getDimSize(0) == 1;
  default:
    return true;
  }
}

/// Flops of the projections of `chain`: the table in the pass's description.
double getFlops(Scoring scoring, const Chain &chain) {
  AttentionStageOp stage = chain.front();
  RankedTensorType state = stage.getState().getType();
  auto weights = cast<RankedTensorType>(stage.getWeights()[0].getType());
  double batch = state.isDynamicDim(0) ? 1 : state.getDimSize(0);
  double values = batch * state.getDimSize(1) * state.getDimSize(2);
  double width = weights.getShape().back();
  bool dense = weights.getShape().back() == state.getDimSize(2);
  double projection = values * width;
  double fold = 2 * width * *getNumElements(weights);
  double stages = chain.size();
  switch (scoring) {
  case Scoring::Definition:
    return stages * 4 * projection;
  case Scoring::PairDifference:
    return stages * 3 * projection;
  case Scoring::Chained:
    return stages * 2 * (projection + values * (dense ? stage.getHeads() : 1));
  case Scoring::Folded:
    return stages * projection + fold;
  case Scoring::Carried:
    return 2 * projection + fold;
  }
  llvm_unreachable("all scorings are above");
}

/// What a GPU's nests compute: by the difference where a query reads all
/// channels, and the definition where heads are apart and cheap.
Scoring getGPUScoring(const Chain &chain) {
  AttentionStageOp stage = chain.front();
  auto weights = cast<RankedTensorType>(stage.getWeights()[0].getType());
  bool dense =
      weights.getRank() == 3 &&
      weights.getShape().back() == stage.getState().getType().getDimSize(2);
  return dense ? Scoring::PairDifference : Scoring::Definition;
}

Scoring chooseScoring(std::optional<Scoring> asked, const Chain &chain,
                      bool onGPU) {
  if (asked && isValid(*asked, chain))
    return *asked;
  if (onGPU)
    return getGPUScoring(chain);
  Scoring best = Scoring::Definition;
  for (Scoring scoring : {Scoring::PairDifference, Scoring::Chained,
                          Scoring::Folded, Scoring::Carried})
    if (isValid(scoring, chain) &&
        getFlops(scoring, chain) < getFlops(best, chain))
      best = scoring;
  return best;
}

struct RewriteAttentionPass
    : public bfly::impl::RewriteAttentionPassBase<RewriteAttentionPass> {
  using RewriteAttentionPassBase::RewriteAttentionPassBase;

  void runOnOperation() override;

private:
  void rewrite(const Chain &chain, Scoring chosen);
  Value getFolded(AttentionStageOp stage);

  /// The folded weights of a block, by query and key.
  DenseMap<std::pair<Block *, std::pair<Value, Value>>, Value> folds;
};

void RewriteAttentionPass::runOnOperation() {
  std::optional<Scoring> asked = symbolizeScoring(scoring);
  if (!asked && scoring != "auto") {
    getOperation().emitError("unknown scoring '") << scoring << "'";
    return signalPassFailure();
  }
  Machine machine = getMachine(getOperation());
  folds.clear();
  SmallVector<Chain> chains;
  DenseSet<Operation *> taken;
  getOperation().walk([&](AttentionStageOp first) {
    if (first.getScoring() != Scoring::Definition || taken.contains(first))
      return;
    Chain &chain = chains.emplace_back();
    for (AttentionStageOp stage = first; stage; stage = getNext(stage)) {
      chain.push_back(stage);
      taken.insert(stage);
    }
  });
  for (const Chain &chain : chains)
    rewrite(chain, chooseScoring(asked, chain, machine.isGPU()));
}

Value RewriteAttentionPass::getFolded(AttentionStageOp stage) {
  Value query = stage.getWeights()[0], key = stage.getWeights()[1];
  Value &folded = folds[{stage->getBlock(), {query, key}}];
  if (!folded) {
    OpBuilder builder(stage);
    auto weights = cast<RankedTensorType>(query.getType());
    folded = FoldWeightsOp::create(builder, stage.getLoc(),
                                   weights.clone(getComputeType(weights)),
                                   query, key);
  }
  return folded;
}

void RewriteAttentionPass::rewrite(const Chain &chain, Scoring chosen) {
  if (chosen != Scoring::Folded && chosen != Scoring::Carried) {
    for (AttentionStageOp stage : chain)
      stage.setScoring(chosen);
    return;
  }
  Value folded = getFolded(chain.front());
  OpBuilder builder(chain.front());
  if (chosen == Scoring::Folded) {
    for (AttentionStageOp stage : chain) {
      stage.getWeightsMutable().assign(folded);
      stage.setScoring(Scoring::Folded);
    }
    return;
  }
  AttentionStageOp first = chain.front();
  RankedTensorType type = first.getState().getType();
  Value image = ProjectOp::create(builder, first.getLoc(), type,
                                  first.getState(), folded, first.getHeads());
  for (AttentionStageOp stage : chain) {
    builder.setInsertionPoint(stage);
    auto carried = AttentionStageOp::create(
        builder, stage.getLoc(), type, type, stage.getState(), image,
        /*weights=*/ValueRange(), stage.getStage(), stage.getHeads(),
        stage.getScale(), Scoring::Carried);
    image = carried.getImageResult();
    stage.getResult().replaceAllUsesWith(carried.getResult());
    stage.erase();
  }
}

} // namespace
