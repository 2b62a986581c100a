// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// State and weights of butterfly attention in a GPU's memory as *images*: what
// the matrix units read, in the order in which they read it.

#ifndef BFLY_LIB_CONVERSION_SCHEDULETOAFFINE_GPU_ATTENTIONIMAGES_H
#define BFLY_LIB_CONVERSION_SCHEDULETOAFFINE_GPU_ATTENTIONIMAGES_H

#include "GPU/ChannelAccess.h"
#include "GPU/GridAttentionTiling.h"

namespace mlir::bfly {

/// For a tile of 64 W pairs, W warpgroups of a block,
///
///   image[tile][buffer][step][part][w][8][k floordiv 8][8][8]
///
/// holds the first token of each pair (part 0), its partner (1), and in f32
/// their difference (2, where scores are by pair differences), in core matrices
/// of 8 pairs and 8 channels; steps cut the depth of the projections. Buffers
/// are read and written by turns.
class StateImage : ChannelAccess {
public:
  StateImage(NestBuilder &nest, const GridAttentionTiling &tiling,
             int64_t buffers)
      : StateImage(nest, tiling, buffers, tiling.parts) {}
  /// With other parts of a pair, which are stored one by one.
  StateImage(NestBuilder &nest, const GridAttentionTiling &tiling,
             int64_t buffers, int64_t parts);

  /// A phase that fills the first buffer with pairs of rows `stride` apart of
  /// `input`; tokens that it lacks are zeros.
  void pack(Value input, int64_t stride);
  /// One part of a pair; `position` is the channel's place along the depth.
  Value loadPart(AffineExpr tile, AffineExpr buffer, AffineExpr row,
                 int64_t part, AffineExpr position, int64_t width);
  void storePair(Value first, Value partner, AffineExpr tile, AffineExpr buffer,
                 AffineExpr row, AffineExpr position);
  /// The indices of one part of a pair, from `position` on.
  SmallVector<AffineExpr> indices(AffineExpr tile, AffineExpr buffer,
                                  AffineExpr row, int64_t part,
                                  AffineExpr position);
  /// A group's operand of a product: (steps, parts, pairs, depth).
  Value getOperand(AffineExpr tile, AffineExpr buffer, AffineExpr group);
  Value getMemory() const { return image; }

private:
  const GridAttentionTiling &tiling;
  int64_t buffers, parts;
  Value image;
};

/// For every stage (or one for all), and every chunk of a group's columns n,
///
///   image[stage][chunk][step][which][n floordiv 8][k floordiv 8][8][8]
///
/// holds the weights of the query (0) and of the key (1), or where they are
/// `transposed` their transposes.
class WeightImage : ChannelAccess {
public:
  /// Of the stages from `firstStage` on, `count` of them.
  WeightImage(NestBuilder &nest, const GridAttentionTiling &tiling, Value query,
              Value key, int64_t firstStage, int64_t count,
              bool transposed = false);

  /// A phase that fills it.
  void pack();
  /// The operand of a product of stage `firstStage` + `number`: (steps, 2,
  /// columns, depth).
  Value getOperand(AffineExpr number, AffineExpr group, AffineExpr chunk);
  Value getMemory() const { return image; }

private:
  /// Where an access of `width` elements of one step goes and comes from, and
  /// when it comes from anywhere.
  struct Place {
    SmallVector<AffineExpr> from, to, constraints;
  };
  Place getPlace(ArrayRef<AffineExpr> unit, AffineExpr i);

  const GridAttentionTiling &tiling;
  Value query, key;
  bool sharedByStages;
  /// The first of the weights' stages that is packed.
  int64_t first;
  bool transposed;
  int64_t width;
  Value image;
};

} // namespace mlir::bfly

#endif // BFLY_LIB_CONVERSION_SCHEDULETOAFFINE_GPU_ATTENTIONIMAGES_H
