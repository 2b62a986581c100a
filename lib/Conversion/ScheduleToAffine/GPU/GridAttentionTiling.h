// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// How butterfly attention with its state in memory is cut into units of work on
// a GPU, a tile of pairs for a group of heads each, and a unit's products into
// chunks of columns and steps of depth.

#ifndef BFLY_LIB_CONVERSION_SCHEDULETOAFFINE_GPU_GRIDATTENTIONTILING_H
#define BFLY_LIB_CONVERSION_SCHEDULETOAFFINE_GPU_GRIDATTENTIONTILING_H

#include "GPU/GridLoops.h"
#include "bfly/Schedule/Plan.h"

namespace mlir::bfly {

struct GridAttentionTiling : GridAttention {
  /// For stages of a form, of `input` (B, tokens, D), whose state is stored in
  /// `elementType`.
  GridAttentionTiling(NestBuilder &nest, GpuGridAttentionAttr plan,
                      const StageForm &form, Value input,
                      FloatType elementType);

  /// Adds "the pair exists" where it may not.
  void addPairExists(SmallVectorImpl<AffineExpr> &constraints,
                     AffineExpr pair) const;
  void addHeadExists(SmallVectorImpl<AffineExpr> &constraints,
                     AffineExpr head) const;
  /// The place along the state's depth of a group's channel.
  AffineExpr getPosition(AffineExpr group, AffineExpr channelInGroup) const {
    return group * (perHead ? steps * stepDepth : groupHeads * headChannels) +
           channelInGroup;
  }

  FloatType elementType;
  bool pairDifference, storesDifference;
  int64_t tokens, channels, heads, headChannels;
  /// A tile is 64 pairs for each warpgroup; pairs are counted over all
  /// sequences.
  int64_t warpgroups, tilePairs;
  BatchUnits tiles;
  /// The products over the parts of a pair.
  SmallVector<int64_t> products, minus;
};

} // namespace mlir::bfly

#endif // BFLY_LIB_CONVERSION_SCHEDULETOAFFINE_GPU_GRIDATTENTIONTILING_H
