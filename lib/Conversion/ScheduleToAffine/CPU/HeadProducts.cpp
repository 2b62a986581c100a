// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "CPU/HeadProducts.h"

#include "AttentionStage.h"
#include "CPU/WeightsNest.h"

using namespace mlir;
using namespace mlir::bfly;

Panels HeadProducts::pack(Value weights, bool transpose,
                          std::optional<int64_t> stage) {
  Value buffer = emitter.getBuffer(weights);
  auto type = cast<MemRefType>(buffer.getType());
  if (stage && type.getDimSize(0) > 1) {
    SmallVector<AffineExpr> offsets(type.getRank(), nest.constantExpr(0));
    offsets[0] = nest.constantExpr(*stage);
    SmallVector<int64_t> sizes(type.getShape());
    sizes[0] = 1;
    buffer = nest.window(buffer, offsets, sizes, type.getRank());
  }
  return {packPanels(nest, buffer, transpose, getPanelWidth(emitter)),
          isPerHead(type, channels)};
}

void HeadProducts::multiply(Value a, AffineExpr column, int64_t depth,
                            const Panels &weights, AffineExpr number,
                            AffineExpr head, AffineExpr firstRow, Value result,
                            AffineExpr resultColumn, int64_t resultColumns) {
  AffineExpr zero = nest.constantExpr(0);
  auto type = cast<MemRefType>(weights.packed.getType());
  int64_t rank = type.getRank();
  SmallVector<AffineExpr> offsets =
      getMatrix(nest, weights.packed, number, head, /*rank=*/3);
  SmallVector<int64_t> sizes(offsets.size(), 1);
  offsets.append({zero, firstRow, zero});
  sizes.append({type.getDimSize(rank - 3), depth, type.getDimSize(rank - 1)});
  Value b = nest.window(weights.packed, offsets, sizes, 3);
  Value left = nest.window(a, {zero, column}, {tile, depth}, 2);
  Value right =
      nest.window(result, {zero, resultColumn}, {tile, resultColumns}, 2);
  TileProductOp::create(nest.builder, nest.loc, left, b, right, false);
}

void HeadProducts::project(Value a, const Panels &weights, AffineExpr number,
                           Value result) {
  AffineExpr zero = nest.constantExpr(0);
  if (!weights.perHead)
    return multiply(a, zero, channels, weights, number, zero, zero, result,
                    zero, channels);
  nest.loop(heads, [&](AffineExpr head) {
    AffineExpr column = head * headChannels;
    multiply(a, column, headChannels, weights, number, head, zero, result,
             column, headChannels);
  });
}
