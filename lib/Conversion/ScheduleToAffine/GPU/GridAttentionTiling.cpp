// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "GPU/GridAttentionTiling.h"

#include "AttentionStage.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace mlir::bfly;

static RankedTensorType getStateType(AttentionStageOp stage) {
  return stage.getState().getType();
}

GridAttentionTiling::GridAttentionTiling(NestBuilder &nest,
                                         GpuGridAttentionAttr plan,
                                         AttentionStageOp stage, Value input,
                                         FloatType elementType)
    : GridAttention(getGridAttention(stage, plan)), elementType(elementType),
      pairDifference(stage.getScoring() == Scoring::PairDifference),
      tokens(getStateType(stage).getDimSize(1)),
      channels(getStateType(stage).getDimSize(2)), heads(stage.getHeads()),
      headChannels(channels / heads),
      warpgroups(nest.blockThreads / kWarpgroup), tilePairs(64 * warpgroups),
      tiles(nest, input, tokens / 2, tilePairs) {
  hasUnits = !elementType.isF32() && getMachine(stage).usesMatrixUnits();
  storesDifference = parts == 3;
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
