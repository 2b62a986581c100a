// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Butterfly attention on a GPU, a stage a phase: the state lies in global
// memory between stages, as an image (AttentionImages.h), and every block takes
// tiles of pairs.
//
// Pairs are counted over all sequences, P = b N/2 + p, and a whole network runs
// in constant geometry: pair P reads token rows 2P and 2P+1 of the flattened
// state, and its results are rows p and p + N/2 of sequence b. So no stage
// knows its stride, and a sequence's border is no special case.

#ifndef BFLY_LIB_CONVERSION_SCHEDULETOAFFINE_GPU_GRIDATTENTIONNEST_H
#define BFLY_LIB_CONVERSION_SCHEDULETOAFFINE_GPU_GRIDATTENTIONNEST_H

#include "GPU/AttentionImages.h"
#include "GPU/PartialScores.h"

namespace mlir::bfly {

class GridAttentionNest : ChannelAccess {
public:
  /// `count` stages from `first` on, alike but for their numbers: a whole
  /// network, or one stage. `input` and `output` are (B, tokens, D): tokens
  /// that the input lacks are zeros, those that the output lacks are left out.
  /// `query` and `key` are weights; `elementType` is what the state is stored
  /// in.
  GridAttentionNest(NestBuilder &nest, GpuGridAttentionAttr plan,
                    AttentionStageOp first, int64_t count, Value input,
                    Value query, Value key, Value output,
                    FloatType elementType);
  void emit();

private:
  /// A phase. The last stage writes rows, others the image's other buffer.
  void emitStage(AffineExpr number, AffineExpr buffer, bool last,
                 int64_t stride);
  void emitPartialScores();
  void emitGates();
  /// Both tokens of a pair, mixed.
  std::pair<Value, Value> mix(Value first, Value partner, AffineExpr head,
                              AffineExpr row, int64_t width);
  void mixToImage(AffineExpr tile, AffineExpr group, AffineExpr buffer);
  void mixToRows(AffineExpr tile, AffineExpr group, AffineExpr buffer,
                 int64_t stride);

  int64_t firstStage, count, slots;
  double scale;
  Value input, query, key, output;
  GridAttentionTiling tiling;
  std::optional<WeightImage> weights;
  std::optional<StateImage> state;

  // Of the unit being emitted.
  Value fragments, gates;
  std::optional<PartialScores> partial;
};

} // namespace mlir::bfly

#endif // BFLY_LIB_CONVERSION_SCHEDULETOAFFINE_GPU_GRIDATTENTIONNEST_H
