// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "GPU/GridAttentionTiling.h"

#include "AttentionStage.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace mlir::bfly;

/// Columns of the products of a unit, so that all fragments fit in registers.
static constexpr int64_t kColumnsOfThree = 128, kColumnsOfFour = 64;
/// Heads of a group: their partial scores have to fit beside the ring.
static constexpr int64_t kGroupHeads = 8;

static RankedTensorType getStateType(AttentionStageOp stage) {
  return stage.getState().getType();
}

GridAttentionTiling::GridAttentionTiling(NestBuilder &nest,
                                         AttentionStageOp stage, Value input,
                                         FloatType elementType)
    : elementType(elementType),
      pairDifference(stage.getScoring() == Scoring::PairDifference),
      tokens(getStateType(stage).getDimSize(1)),
      channels(getStateType(stage).getDimSize(2)), heads(stage.getHeads()),
      headChannels(channels / heads),
      warpgroups(nest.blockThreads / kWarpgroup), tilePairs(64 * warpgroups),
      tiles(nest, input, tokens / 2, tilePairs) {
  perHead =
      isPerHead(cast<ShapedType>(stage.getWeights()[0].getType()), channels);

  // Loops want registers for rows and columns too.
  hasUnits =
      !elementType.isF32() &&
      getPlannedMachine(stage->getParentOfType<KernelOp>())->usesMatrixUnits();
  int64_t most =
      (pairDifference ? kColumnsOfThree : kColumnsOfFour) / (hasUnits ? 1 : 2);
  headColumns = llvm::alignTo(headChannels, 8);
  chunks = llvm::divideCeil(headColumns, most);
  groupHeads =
      std::min({heads, kGroupHeads, std::max<int64_t>(most / headColumns, 1)});
  // Where heads have their own weights, another head's channels would meet
  // zeros in a product, which do not keep its NaN or Inf out.
  if (perHead)
    groupHeads = 1;
  groups = llvm::divideCeil(heads, groupHeads);
  groupHeads = llvm::divideCeil(heads, groups);
  columns = chunks == 1
                ? groupHeads * headColumns
                : llvm::alignTo(llvm::divideCeil(headColumns, chunks), 8);

  span = perHead ? headChannels : channels;
  stepDepth =
      elementType.isF32() ? 16 : std::min<int64_t>(32, llvm::alignTo(span, 16));
  steps = llvm::divideCeil(span, stepDepth);
  // A difference in 16 bits would be rounded, or overflow, and scores of large
  // numbers with it; the matrix units add up that of two products instead.
  storesDifference = pairDifference && elementType.isF32();
  parts = storesDifference ? 3 : 2;
  if (storesDifference)
    products = {0, 0, 1, 0, 2, 1};
  else if (pairDifference)
    products = {0, 0, 1, 0, 1, 1};
  else
    products = {0, 0, 1, 0, 0, 1, 1, 1};
  if (pairDifference && !storesDifference)
    minus = {-1, -1, 0};
}

void GridAttentionTiling::addPairExists(
    SmallVectorImpl<AffineExpr> &constraints, AffineExpr pair) const {
  if (!tiles.full)
    constraints.push_back(tiles.batches * (tokens / 2) - 1 - pair);
}

void GridAttentionTiling::addHeadExists(
    SmallVectorImpl<AffineExpr> &constraints, AffineExpr head) const {
  if (heads % groupHeads)
    constraints.push_back(-head + heads - 1);
}
