// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "GPU/GridAttentionTiling.h"

#include "AttentionStage.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace mlir::bfly;

GridAttentionTiling::GridAttentionTiling(NestBuilder &nest,
                                         GpuGridAttentionAttr plan,
                                         const StageForm &form, Value input,
                                         FloatType elementType)
    : GridAttention(getGridAttention(form, plan)), elementType(elementType),
      pairDifference(form.scoring == Scoring::PairDifference),
      tokens(form.tokens), channels(form.channels), heads(form.heads),
      headChannels(channels / heads),
      warpgroups(nest.blockThreads / kWarpgroup), tilePairs(64 * warpgroups),
      tiles(nest, input, tokens / 2, tilePairs) {
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
