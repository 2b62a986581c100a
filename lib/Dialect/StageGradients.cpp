// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The derivative of a stage of butterfly attention: an operation, and sums over
// the rows that it makes for the gradients of its weights.

#include "StageGradients.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace mlir::bfly;

Value mlir::bfly::splitHeads(OpBuilder &builder, Location loc, Value tokens,
                             int64_t heads) {
  auto type = cast<RankedTensorType>(tokens.getType());
  int64_t channels = type.getDimSize(2);
  SmallVector<OpFoldResult> sizes = tensor::getMixedSizes(builder, loc, tokens);
  sizes.back() = builder.getIndexAttr(heads);
  sizes.push_back(builder.getIndexAttr(channels / heads));
  SmallVector<ReassociationIndices> groups{{0}, {1}, {2, 3}};
  auto expanded = RankedTensorType::get(
      {type.getDimSize(0), type.getDimSize(1), heads, channels / heads},
      type.getElementType());
  return tensor::ExpandShapeOp::create(builder, loc, expanded, tokens, groups,
                                       sizes);
}

Value mlir::bfly::takeStage(OpBuilder &builder, Location loc, Value weights,
                            int64_t stage) {
  auto type = cast<RankedTensorType>(weights.getType());
  if (type.getDimSize(0) == 1)
    return weights;
  SmallVector<int64_t> shape(type.getShape());
  shape[0] = 1;
  SmallVector<OpFoldResult> offsets(type.getRank(), builder.getIndexAttr(0));
  SmallVector<OpFoldResult> strides(type.getRank(), builder.getIndexAttr(1));
  SmallVector<OpFoldResult> sizes =
      getAsIndexOpFoldResult(builder.getContext(), ArrayRef<int64_t>(shape));
  offsets[0] = builder.getIndexAttr(stage);
  return tensor::ExtractSliceOp::create(builder, loc, type.clone(shape),
                                        weights, offsets, sizes, strides);
}

/// The gradient of a stage's matrices from that of queries or keys.
static Value getWeightGradient(OpBuilder &builder, Location loc, Value ofRows,
                               Value state, RankedTensorType weights,
                               int64_t heads, Type elementType) {
  // Of one matrix for all heads each head's channels are a row.
  int64_t channels = cast<RankedTensorType>(state.getType()).getDimSize(2);
  if (weights.getRank() == 3 && weights.getShape().back() != channels) {
    ofRows = splitHeads(builder, loc, ofRows, heads);
    state = splitHeads(builder, loc, state, heads);
  }
  SmallVector<int64_t> shape(weights.getShape().drop_front());
  if (shape.size() == 3 && shape[0] == 1)
    shape.erase(shape.begin());
  Value sum = RowProductOp::create(
      builder, loc, RankedTensorType::get(shape, elementType), ofRows, state,
      weights.getRank() == 4 ? heads : 1);
  // (1, ...), as the weights have it.
  SmallVector<int64_t> full(weights.getShape());
  full[0] = 1;
  int64_t ones = full.size() - shape.size();
  SmallVector<ReassociationIndices> groups{
      llvm::to_vector(llvm::seq<int64_t>(0, ones + 1))};
  for (int64_t dim = ones + 1; dim < int64_t(full.size()); ++dim)
    groups.push_back({dim});
  return tensor::ExpandShapeOp::create(
      builder, loc, RankedTensorType::get(full, elementType), sum, groups);
}

StageGradients mlir::bfly::differentiateStage(OpBuilder &builder, Location loc,
                                              Value state, Value g, Value query,
                                              Value key, int64_t stage,
                                              int64_t heads, double scale,
                                              Type stateType, Type weightType) {
  auto type = cast<RankedTensorType>(state.getType());
  auto weights = cast<RankedTensorType>(query.getType());
  auto backward = AttentionStageBackwardOp::create(
      builder, loc, TypeRange{type.clone(stateType), type, type}, state, g,
      query, key, stage, heads, APFloat(scale));
  auto getGradient = [&](Value ofRows) {
    return getWeightGradient(builder, loc, ofRows, state, weights, heads,
                             weightType);
  };
  return {backward.getStateGradient(), getGradient(backward.getQueryGradient()),
          getGradient(backward.getKeyGradient())};
}
