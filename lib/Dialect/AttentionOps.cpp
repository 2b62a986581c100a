// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Stages of attention and their weights: verifiers, and what the schedule asks
// of them.

#include "bfly/IR/Network.h"

#include "VerifyUtils.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace mlir::bfly;

// Tokens ---------------------------------------------------------------------

Value mlir::bfly::padTokens(OpBuilder &builder, Location loc, Value input,
                            int64_t tokens) {
  auto type = cast<RankedTensorType>(input.getType());
  if (type.getDimSize(1) == tokens)
    return input;
  auto padded = RankedTensorType::get(
      {type.getDimSize(0), tokens, type.getDimSize(2)}, type.getElementType());
  Value zero = arith::ConstantOp::create(
      builder, loc, builder.getZeroAttr(type.getElementType()));
  OpFoldResult none = builder.getIndexAttr(0);
  OpFoldResult more = builder.getIndexAttr(tokens - type.getDimSize(1));
  return tensor::PadOp::create(builder, loc, padded, input, {none, none, none},
                               {none, more, none}, zero);
}

Value mlir::bfly::cutTokens(OpBuilder &builder, Location loc, Value padded,
                            Value input) {
  auto type = cast<RankedTensorType>(input.getType());
  if (padded.getType() == type)
    return padded;
  SmallVector<OpFoldResult> offsets(3, builder.getIndexAttr(0));
  SmallVector<OpFoldResult> strides(3, builder.getIndexAttr(1));
  SmallVector<OpFoldResult> sizes = tensor::getMixedSizes(builder, loc, input);
  return tensor::ExtractSliceOp::create(builder, loc, type, padded, offsets,
                                        sizes, strides);
}

// Verifiers ------------------------------------------------------------------

LogicalResult FoldWeightsOp::verify() {
  auto query = cast<RankedTensorType>(getQuery().getType());
  auto result = cast<RankedTensorType>(getResult().getType());
  ArrayRef<int64_t> shape = query.getShape();
  if ((shape.size() != 3 && shape.size() != 4) || !query.hasStaticShape() ||
      shape.back() != shape[shape.size() - 2] || shape.back() < 1)
    return emitOpError("(C1) weights must be static square matrices, of rank 3 "
                       "or 4, got ")
           << query;
  if (failed(verifySizes(*this, "C1")))
    return failure();
  if (result != RankedTensorType::get(shape, getComputeType(query)))
    return emitOpError("(C2) the result must have the weights' shape, of their "
                       "compute type, got ")
           << result;
  return success();
}

LogicalResult ProjectOp::verify() {
  RankedTensorType input = getInput().getType();
  auto matrix = cast<RankedTensorType>(getMatrix().getType());
  if (failed(verifyStaticShape(*this, input, "C1")) ||
      failed(verifySizes(*this, "C4")))
    return failure();
  int64_t channels = input.getDimSize(2), heads = getHeads();
  if (heads < 1 || channels % heads)
    return emitOpError("(C2) heads must divide the ")
           << channels << " channels, got " << heads;
  int64_t headChannels = channels / heads;
  ArrayRef<int64_t> shape = matrix.getShape();
  bool shared = shape == ArrayRef<int64_t>{1, headChannels, headChannels};
  bool perHead =
      shape == ArrayRef<int64_t>{1, heads, headChannels, headChannels};
  if ((!shared && !perHead) ||
      matrix.getElementType() != input.getElementType())
    return emitOpError("(C3) the matrix must be (1, ")
           << heads << ", " << headChannels << ", " << headChannels
           << ") or (1, " << headChannels << ", " << headChannels << ") of "
           << input.getElementType() << ", got " << matrix;
  return success();
}

LogicalResult AttentionStageOp::verify() {
  RankedTensorType state = getState().getType();
  int64_t heads = getHeads(), stage = getStage();
  if (failed(verifyStage(*this, state, heads, stage)))
    return failure();
  Scoring scoring = getScoring();
  size_t expected = scoring == Scoring::Carried  ? 0
                    : scoring == Scoring::Folded ? 1
                                                 : 2;
  if (getWeights().size() != expected)
    return emitOpError("(C4) ")
           << stringifyScoring(scoring) << " takes " << expected
           << " weights, got " << getWeights().size();
  if (expected == 2 && getWeights()[0].getType() != getWeights()[1].getType())
    return emitOpError("(C4) query and key weights must have one type");
  for (Value weight : getWeights()) {
    auto type = cast<RankedTensorType>(weight.getType());
    if (failed(verifyStageWeights(*this, type, state, heads, stage)))
      return failure();
    bool dense =
        type.getRank() == 3 && type.getDimSize(1) == state.getDimSize(2);
    if (scoring == Scoring::Folded && dense && heads != 1)
      return emitOpError(
          "(C6) folded scores need one head or weights per head");
  }
  bool carried = scoring == Scoring::Carried;
  if (bool(getImage()) != carried || bool(getImageResult()) != carried ||
      (carried &&
       (getImage().getType() != state || getImageResult().getType() != state)))
    return emitOpError("(C7) an image and its result, of the state's type, go "
                       "with carried scores and with no others");
  return verifyFinite(*this, getScale(), state.getElementType(), "C8", "scale");
}

// Costs ----------------------------------------------------------------------

/// `projectionsOnly`: those of the products with the weights.
static Amount getStageFlops(AttentionStageOp stage,
                            bool projectionsOnly = false) {
  RankedTensorType type = stage.getState().getType();
  double channels = double(type.getDimSize(2));
  double heads = double(stage.getHeads());
  // Channels that a head's query and key see, and its dot products with them.
  double seen = channels, dots = 2 * channels;
  if (!stage.getWeights().empty())
    seen = double(cast<RankedTensorType>(stage.getWeights().front().getType())
                      .getShape()
                      .back());
  // Of one token.
  double projections = 0, rest = 0;
  double delta = channels / 2, sigmoid = 4 * heads, mixing = 2 * channels;
  switch (stage.getScoring()) {
  case Scoring::Definition:
    projections = 4 * channels * seen;
    // Two dot products, a softmax over two, and a sum of two products.
    rest = 2 * dots + 8 * heads + 3 * channels;
    break;
  case Scoring::PairDifference:
    projections = 3 * channels * seen;
    rest = delta + dots + sigmoid + mixing;
    break;
  case Scoring::Chained:
    projections = 2 * channels * seen;
    // Dense: each head's r has all D channels.
    rest = delta + (seen == channels ? dots * heads : dots) + sigmoid + mixing;
    break;
  case Scoring::Folded:
    projections = channels * seen;
    rest = delta + dots + sigmoid + mixing;
    break;
  case Scoring::Carried:
    // The images' difference, and their mixing.
    rest = 2 * delta + dots + sigmoid + 2 * mixing;
    break;
  }
  double all = projectionsOnly ? projections : projections + rest;
  return countBatch(type) * (double(type.getDimSize(1)) * all);
}

Amount AttentionStageOp::getFlops(int64_t) { return getStageFlops(*this); }

/// The projections; units for 16 bits would round the operands of others.
Amount AttentionStageOp::getMatrixFlops() {
  auto is16Bit = [](Value weight) {
    return cast<RankedTensorType>(weight.getType()).getElementTypeBitWidth() ==
           16;
  };
  if (getWeights().empty() || !is16Bit(getWeights().front()))
    return {};
  return getStageFlops(*this, /*projectionsOnly=*/true);
}

Amount FoldWeightsOp::getFlops(int64_t) {
  auto type = cast<RankedTensorType>(getResult().getType());
  return countElements(type) * (2.0 * double(type.getShape().back()));
}

Amount ProjectOp::getFlops(int64_t) {
  auto matrix = cast<RankedTensorType>(getMatrix().getType());
  return countElements(getInput().getType()) *
         (2.0 * double(matrix.getShape().back()));
}

// What a kernel holds --------------------------------------------------------

void AttentionStageOp::describe(Network &network) {
  network.kind = "attention";
  network.stages.push_back(*this);
  network.sequence = getState().getType();
}

bool AttentionStageOp::isPieceOfMixer() {
  return getNumStages(getState().getType().getDimSize(1)) > 1;
}

void FoldWeightsOp::describe(Network &) {}
void ProjectOp::describe(Network &) {}
