// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "AttentionStage.h"

using namespace mlir;
using namespace mlir::bfly;

AffineExpr mlir::bfly::getFirstOfSet(AffineExpr set, int64_t stride,
                                     int64_t size) {
  return set.floorDiv(stride) * (stride * size) + set % stride;
}

SmallVector<AffineExpr> mlir::bfly::getMatrix(NestBuilder &nest, Value weights,
                                              AffineExpr stage, AffineExpr head,
                                              unsigned rank) {
  ArrayRef<int64_t> shape = cast<ShapedType>(weights.getType()).getShape();
  AffineExpr chosen[] = {stage, head};
  SmallVector<AffineExpr> indices;
  for (auto [size, index] : llvm::zip(shape.drop_back(rank), chosen))
    indices.push_back(size == 1 ? nest.constantExpr(0) : index);
  return indices;
}

Value mlir::bfly::makeGate(NestBuilder &nest, Value score, double scale,
                           bool ofPartner) {
  // The sign goes with the scale, which rounds nothing.
  Value factor = nest.constant(ofPartner ? -scale : scale);
  return nest.sigmoid(nest.mul(factor, score));
}

std::pair<Value, Value> mlir::bfly::mixPair(NestBuilder &nest, Value first,
                                            Value partner,
                                            function_ref<Value(int64_t)> gate) {
  Value difference = nest.sub(partner, first);
  return {nest.add(first, nest.mul(gate(0), difference)),
          nest.sub(partner, nest.mul(gate(1), difference))};
}
