// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Butterfly attention on a GPU with weights per head: groups of stages, whose
// state stays in a block's shared memory.
//
// Stages s0 ... s1 pair tokens within sets of T = 2^(s1 - s0 + 1) that are 2^s0
// apart. A unit of work is one head of as many such sets as fill its rows: row
// l T + t is token t of the set l. In shared memory the state is
//
//   state[buffer][part][tile][w][8][k floordiv 8][8][8]
//
// as matrix units read it: the first tokens of all pairs of rows (part 0) and
// their partners (1), 64 pairs a warpgroup w, in core matrices of 8 pairs and 8
// channels. One row more lies between core matrices than they have, so that
// neighbouring channels of a row are in different banks. There are two buffers,
// read and written by turns, and within a group geometry is constant: pair P
// has rows 2P and 2P+1 and its results become rows p and p + T/2 of its set.

#ifndef BFLY_LIB_CONVERSION_SCHEDULETOAFFINE_GPU_BLOCKATTENTIONNEST_H
#define BFLY_LIB_CONVERSION_SCHEDULETOAFFINE_GPU_BLOCKATTENTIONNEST_H

#include "GPU/ChannelAccess.h"
#include "GPU/GridLoops.h"
#include "GPU/PartialScores.h"

namespace mlir::bfly {

class BlockAttentionNest : ChannelAccess {
public:
  /// A group of stages from `firstStage` on, `count` of them, each for `rows`
  /// rows of a block; `like` is any of its stages. `input` and `output` are (B,
  /// tokens, D): tokens that the input lacks are zeros, those that the output
  /// lacks are left out; they may be one buffer. `query` and `key` are weights;
  /// `elementType` is what the state is stored in.
  BlockAttentionNest(NestBuilder &nest, AttentionStageOp like,
                     int64_t firstStage, int64_t count, int64_t rows,
                     Value input, Value query, Value key, Value output,
                     FloatType elementType);
  /// A phase.
  void emit();

private:
  SmallVector<AffineExpr> stateIndices(AffineExpr buffer, AffineExpr part,
                                       AffineExpr pair, AffineExpr channel);
  /// Where a channel of this unit's head is in a (B, tokens, D) array.
  SmallVector<AffineExpr> rowIndices(AffineExpr set, AffineExpr t,
                                     AffineExpr channel);
  void addSetExists(SmallVectorImpl<AffineExpr> &constraints, AffineExpr set);

  void loadRows();
  void loadWeights(AffineExpr number, AffineExpr chunk);
  void emitScores(AffineExpr number, AffineExpr buffer);
  void emitPartialScores(AffineExpr tile);
  void emitGates();
  /// Both tokens of a pair, mixed.
  std::pair<Value, Value> mix(AffineExpr buffer, AffineExpr pair,
                              AffineExpr channel, int64_t width);
  void mixToState(AffineExpr buffer);
  void mixToRows(AffineExpr buffer);

  int64_t firstStage, count, rows;
  double scale;
  Value input, query, key, output;
  FloatType elementType;
  int64_t tokens, channels, heads, headChannels, inputTokens, outputTokens;
  bool sharedByStages;
  int64_t warpgroups, tilePairs;
  /// Tokens of a set; depth of the products; columns of a chunk of the query's,
  /// and of the key's, projection.
  int64_t setTokens, depth, chunks, columns;
  BatchUnits units;

  // Of the unit being emitted.
  AffineExpr unit, head;
  Value state, weights, gates;
  std::optional<PartialScores> partial;
  /// Queries and keys of a tile's first tokens, and of their partners.
  Value fragments[2];
};

} // namespace mlir::bfly

#endif // BFLY_LIB_CONVERSION_SCHEDULETOAFFINE_GPU_BLOCKATTENTIONNEST_H
