// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The derivative of a stage of butterfly attention on a GPU, in two phases
// whose units are a tile of pairs for a group of heads, as the stage's own
// (GridAttentionNest.h). The first has the stage's products again and makes the
// gradients of queries and keys, as rows, which the weights' gradients are made
// from, and as an image, which the second multiplies with the transposed
// weights: the part of the state's gradient that comes through the scores.

#ifndef BFLY_LIB_CONVERSION_SCHEDULETOAFFINE_GPU_GRIDATTENTIONBACKWARDNEST_H
#define BFLY_LIB_CONVERSION_SCHEDULETOAFFINE_GPU_GRIDATTENTIONBACKWARDNEST_H

#include "GPU/AttentionImages.h"
#include "GPU/PartialScores.h"
#include "KernelEmitter.h"

namespace mlir::bfly {

class GridAttentionBackwardNest : ChannelAccess {
public:
  /// `elementType` is what the state and the operands of the products are
  /// stored in.
  GridAttentionBackwardNest(KernelEmitter &emitter, NestBuilder &nest,
                            AttentionStageBackwardOp op, FloatType elementType);
  void emit();

private:
  /// Rows of a pair in (B, N, D) arrays.
  struct PairRows {
    AffineExpr batch, token;
  };
  PairRows getRows(AffineExpr pair) const;
  /// Where a channel of a pair's token is in such an array.
  SmallVector<AffineExpr> at(const PairRows &rows, int64_t which,
                             AffineExpr channel) const;
  /// body(i, row, column) for the thread's fragments of a product, two
  /// neighbouring columns at a time: registers i and i + 1.
  void forEachFragment(
      AffineExpr thread,
      function_ref<void(int64_t i, AffineExpr row, int64_t column)> body);
  /// The thread's two neighbours of a product, from register i on.
  SmallVector<Value> getFragments(AffineExpr thread, int64_t product,
                                  int64_t i);
  /// Stores and loads two neighbours from a channel on, where both exist;
  /// `place` has the indices of the first, and of the second.
  using PlaceOf = function_ref<SmallVector<AffineExpr>(AffineExpr odd)>;
  void putTwo(ArrayRef<Value> values, Value buffer, AffineExpr channel,
              PlaceOf place);
  SmallVector<Value> getTwo(Value buffer, AffineExpr channel, PlaceOf place);
  void multiply(StateImage &a, WeightImage &b, AffineExpr tile,
                AffineExpr group, AffineExpr chunk, ArrayRef<int64_t> products,
                ArrayRef<int64_t> minus);
  void allocateUnit();

  // Phases.
  void emitScores();
  void emitState();
  // Of the first.
  void emitPartialScores();
  void emitGates(AffineExpr tile, AffineExpr group);
  void emitAlong(AffineExpr tile, AffineExpr group);
  void emitSlopes();
  void emitPadding(AffineExpr tile, AffineExpr group);
  void emitGradients(AffineExpr tile, AffineExpr group, AffineExpr chunk);

  GpuGridAttentionAttr plan;
  int64_t stage, stride;
  double scale;
  Value input, gradient, query, key;
  /// The results' buffers.
  Value stateGradient, queryGradient, keyGradient;
  GridAttentionTiling tiling;
  int64_t headColumns, unitHeads;
  std::optional<WeightImage> weights, transposed;
  std::optional<StateImage> state, slopes;
  /// In memory, (tile, head, which, pair): the gates.
  Value allGates;

  // Of the unit being emitted.
  Value fragments, ring, slope;
  std::optional<PartialScores> partial;
};

} // namespace mlir::bfly

#endif // BFLY_LIB_CONVERSION_SCHEDULETOAFFINE_GPU_GRIDATTENTIONBACKWARDNEST_H
