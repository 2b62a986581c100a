// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// What backward functions are made of: verifiers, and what the schedule asks.

#include "bfly/IR/Network.h"

#include "VerifyUtils.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace mlir::bfly;

// Verifiers ------------------------------------------------------------------

LogicalResult AttentionStageBackwardOp::verify() {
  RankedTensorType state = getState().getType();
  int64_t heads = getHeads(), stage = getStage();
  if (failed(verifyStage(*this, state, heads, stage)))
    return failure();
  for (Value value : {Value(getGradient()), Value(getStateGradient())}) {
    auto type = cast<RankedTensorType>(value.getType());
    if (type.getShape() != state.getShape() ||
        getComputeType(type) != getComputeType(state))
      return emitOpError("(C1) the gradients must have the shape and the "
                         "compute type of the state, got ")
             << type;
  }
  auto weights = cast<RankedTensorType>(getQuery().getType());
  if (failed(verifyStageWeights(*this, weights, state, heads, stage)))
    return failure();
  return verifyFinite(*this, getScale(), state.getElementType(), "C6", "scale");
}

LogicalResult RowProductOp::verify() {
  auto a = cast<RankedTensorType>(getA().getType());
  auto b = cast<RankedTensorType>(getB().getType());
  auto result = cast<RankedTensorType>(getResult().getType());
  if (a.getRank() < 2 || a.getRank() != b.getRank() ||
      a.getElementType() != b.getElementType() ||
      a.getShape().drop_back() != b.getShape().drop_back())
    return emitOpError("(C1) a and b must be of one element type and agree in "
                       "all dimensions but the last of at least 2, got ")
           << a << " and " << b;
  if (failed(verifyStaticShape(*this, a, "C1")) ||
      failed(verifyStaticShape(*this, b, "C1")) ||
      failed(verifySizes(*this, "C4")))
    return failure();
  int64_t heads = getHeads();
  int64_t out = a.getShape().back(), in = b.getShape().back();
  if (heads < 1 || out % heads || in % heads)
    return emitOpError("(C2) heads must divide ")
           << out << " and " << in << ", got " << heads;
  SmallVector<int64_t> shape{out / heads, in / heads};
  if (heads > 1)
    shape.insert(shape.begin(), heads);
  Type own = a.getElementType(), compute = getComputeType(a);
  if (result.getShape() != ArrayRef<int64_t>(shape) ||
      (result.getElementType() != own && result.getElementType() != compute))
    return emitOpError("(C3) the result must be ")
           << RankedTensorType::get(shape, compute) << ", or of " << own
           << ", got " << result;
  return success();
}

// Costs ----------------------------------------------------------------------

/// The products of a token with the weights: queries and keys again, a pair's
/// keys at once, and the two with their transposes.
static Amount getProductFlops(AttentionStageBackwardOp op) {
  RankedTensorType type = op.getState().getType();
  auto weights = cast<RankedTensorType>(op.getQuery().getType());
  return countElements(type) * (6.0 * double(weights.getShape().back()));
}

/// Beside the products: differences (1), scores and dot products with the
/// gradient (4), gradients of queries and keys (5/2), gates (12 a head), the
/// mix and the sums of the parts (5).
Amount AttentionStageBackwardOp::getFlops(int64_t) {
  RankedTensorType type = getState().getType();
  double heads = 12.0 * double(getHeads()) / double(type.getDimSize(2));
  Amount flops = getProductFlops(*this);
  flops += countElements(type) * (12.5 + heads);
  return flops;
}

static bool is16Bit(Value value) {
  return cast<RankedTensorType>(value.getType()).getElementTypeBitWidth() == 16;
}

Amount AttentionStageBackwardOp::getMatrixFlops() {
  if (!is16Bit(getState()) || !is16Bit(getQuery()))
    return {};
  return getProductFlops(*this);
}

Amount RowProductOp::getFlops(int64_t) {
  auto b = cast<RankedTensorType>(getB().getType());
  return countElements(cast<RankedTensorType>(getA().getType())) *
         (2.0 * double(b.getShape().back()) / double(getHeads()));
}

// What a kernel holds --------------------------------------------------------

void AttentionStageBackwardOp::describe(Network &network) {
  network.kind = "attention_backward";
  network.backward.push_back(*this);
  network.sequence = getState().getType();
}

void RowProductOp::describe(Network &network) {
  network.rowProducts.push_back(*this);
}

bool RowProductOp::isPieceOfMixer() { return false; }
