// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Butterfly attention on a GPU, a stage a phase: the state lies in global
// memory between stages, and every block takes tiles of pairs.
//
// The state is an *image*: what the matrix units read, in the order in which
// they read it. For a tile of 64 W pairs, W warpgroups of a block,
//
//   image[tile][buffer][step][part][w][8][k floordiv 8][8][8]
//
// holds the first token of each pair (part 0), its partner (1), and their
// difference (2, where scores are by pair differences), in core matrices of 8
// pairs and 8 channels; steps cut the depth of the projections. There are two
// buffers, read and written by turns.
//
// Pairs are counted over all sequences, P = b N/2 + p, and a whole network runs
// in constant geometry: pair P reads token rows 2P and 2P+1 of the flattened
// state, and its results are rows p and p + N/2 of sequence b. So no stage
// knows its stride, and a sequence's border is no special case.

#ifndef BFLY_LIB_CONVERSION_SCHEDULETOAFFINE_GRIDATTENTIONNEST_H
#define BFLY_LIB_CONVERSION_SCHEDULETOAFFINE_GRIDATTENTIONNEST_H

#include "ChannelAccess.h"

namespace mlir::bfly {

class GridAttentionNest : ChannelAccess {
public:
  /// `count` stages from `first` on, alike but for their numbers: a whole
  /// network, or one stage. `input` and `output` are (B, tokens, D): tokens
  /// that the input lacks are zeros, those that the output lacks are left out.
  /// `query` and `key` are weights; `elementType` is what the state is stored
  /// in.
  GridAttentionNest(NestBuilder &nest, AttentionStageOp first, int64_t count,
                    Value input, Value query, Value key, Value output,
                    FloatType elementType);
  void emit();

private:
  /// Where the image has a channel, by its place along the depth.
  SmallVector<AffineExpr> imageIndices(AffineExpr tile, AffineExpr buffer,
                                       AffineExpr row, int64_t part,
                                       AffineExpr position);
  /// The row of a pair's first token within its sequence.
  AffineExpr firstToken(AffineExpr pair, int64_t stride) {
    return pair.floorDiv(stride) * (2 * stride) + pair % stride;
  }
  /// Adds "the pair exists" where it may not.
  void addPairExists(SmallVectorImpl<AffineExpr> &constraints, AffineExpr pair);
  void addHeadExists(SmallVectorImpl<AffineExpr> &constraints, AffineExpr head);

  void packWeights();
  void packState(int64_t stride);
  /// A phase. The last stage writes rows, others the image's other buffer.
  void emitStage(AffineExpr number, AffineExpr buffer, bool last,
                 int64_t stride);
  void emitProducts(AffineExpr number, AffineExpr tile, AffineExpr group,
                    AffineExpr chunk, AffineExpr buffer);
  void emitPartialScores();
  void emitGates();
  /// Both tokens of a pair, mixed.
  std::pair<Value, Value> mix(Value first, Value partner, AffineExpr head,
                              AffineExpr row, int64_t width);
  void mixToImage(AffineExpr tile, AffineExpr group, AffineExpr buffer);
  void mixToRows(AffineExpr tile, AffineExpr group, AffineExpr buffer,
                 int64_t stride);

  int64_t firstStage, count;
  double scale;
  Value input, query, key, output;
  FloatType elementType;
  bool perHead, sharedByStages, pairDifference;
  int64_t tokens, channels, heads, headChannels, inputTokens, outputTokens;
  int64_t warpgroups, tilePairs;
  AffineExpr batches;
  OpFoldResult tiles;
  bool tilesAreFull;
  /// Depth of a step, steps of a projection, and the channels it is over; the
  /// depth of the image is that of all groups where each has its own channels.
  int64_t stepDepth, steps, span;
  /// Parts of a pair in the image, and the products over them.
  int64_t parts;
  SmallVector<int64_t> products;
  /// A group is some whole heads, each of `headColumns` columns; or one head,
  /// in chunks of `columns`.
  int64_t groupHeads, groups, headColumns, chunks, columns;

  Value image, weights;
  // Of the unit being emitted.
  Value fragments, ring, partial, gates;
};

} // namespace mlir::bfly

#endif // BFLY_LIB_CONVERSION_SCHEDULETOAFFINE_GRIDATTENTIONNEST_H
