// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Verifiers of the network level.

#include "bfly/IR/Bfly.h"

#include "VerifyUtils.h"
#include "mlir/IR/Builders.h"
#include "llvm/Support/MathExtras.h"
#include <cmath>

using namespace mlir;
using namespace mlir::bfly;

/// (C1) to (C4) of a transform: `time` is the tensor over tokens, `spectrum`
/// the one over bins.
static LogicalResult verifyTransform(Operation *op, RankedTensorType time,
                                     RankedTensorType spectrum) {
  if (failed(verifyStaticShape(op, time, "C1")) ||
      failed(verifyStaticShape(op, spectrum, "C1")) ||
      failed(verifySizes(op, "C4")))
    return failure();
  if (time.getDimSize(0) != spectrum.getDimSize(0) ||
      time.getDimSize(2) != spectrum.getDimSize(2))
    return op->emitOpError("(C1) batch and channels must agree, got ")
           << time << " and " << spectrum;
  int64_t tokens = time.getDimSize(1);
  int64_t bins = spectrum.getDimSize(1);
  bool real = !isa<ComplexType>(time.getElementType());
  if (bins != tokens && !(real && bins == tokens / 2 + 1))
    return op->emitOpError("(C2) ")
           << tokens << (real ? " real" : " complex") << " tokens have "
           << tokens << (real ? " bins, or half of them " : " bins")
           << (real ? std::to_string(tokens / 2 + 1) : std::string())
           << ", got " << bins;
  if (getComputeType(time) !=
      cast<ComplexType>(spectrum.getElementType()).getElementType())
    return op->emitOpError("(C3) the spectrum must be complex<")
           << getComputeType(time) << ">, got " << spectrum;
  return success();
}

bool mlir::bfly::continuesSpectrum(OpOperand &use) {
  // Tokens, and whether half of the bins stand for all.
  auto read = [](Operation *op) -> std::pair<int64_t, bool> {
    if (auto fft = dyn_cast_if_present<FftOp>(op))
      return {fft.getTokens(), fft.isHalf()};
    if (auto map = dyn_cast_if_present<SpectrumMapOp>(op))
      return {map.getTokens(), map.isHalf()};
    if (auto ifft = dyn_cast_if_present<IfftOp>(op))
      return {ifft.getTokens(), ifft.isHalf()};
    return {0, false};
  };
  auto source = read(use.get().getDefiningOp());
  return source.first && use.getOperandNumber() == 0 &&
         !isa<FftOp>(use.getOwner()) && source == read(use.getOwner());
}

LogicalResult FftOp::verify() {
  return verifyTransform(*this, getInput().getType(), getResult().getType());
}

LogicalResult IfftOp::verify() {
  return verifyTransform(*this, getResult().getType(), getInput().getType());
}

LogicalResult SpectrumMapOp::verify() {
  RankedTensorType input = getInput().getType();
  RankedTensorType result = getResult().getType();
  if (failed(verifyStaticShape(*this, input, "C1")) ||
      failed(verifySizes(*this, "C6")))
    return failure();
  if (input.getShape() != result.getShape())
    return emitOpError("(C1) input and result must have the same shape, got ")
           << input << " and " << result;
  int64_t bins = input.getDimSize(1);
  int64_t tokens = static_cast<int64_t>(getTokens());
  if (tokens < 1 || (bins != tokens && bins != tokens / 2 + 1))
    return emitOpError("(C8) ") << bins << " bins are neither " << tokens
                                << " nor half of them, " << tokens / 2 + 1;
  SmallVector<int64_t> paramBins{tokens};
  if (!getHermitian())
    paramBins.push_back(bins);
  if (failed(verifyBinRegion(*this, input, paramBins, getParams(),
                             getParamDims(), getBody(),
                             /*mayYieldReal=*/true)))
    return failure();
  Type yielded = getBody().front().getTerminator()->getOperand(0).getType();
  bool sameKind =
      isa<ComplexType>(yielded) == isa<ComplexType>(result.getElementType());
  if (!sameKind || getComputeType(result) != getComputeType(input))
    return emitOpError("(C5) the region yields ")
           << yielded << ", but the result is " << result;
  if (getHermitian() && !isa<ComplexType>(yielded))
    return emitOpError("(C5) a hermitian map yields complex numbers");
  return success();
}

LogicalResult SpectrumBinOp::verify() {
  RankedTensorType input = getInput().getType();
  RankedTensorType result = getResult().getType();
  int64_t index = static_cast<int64_t>(getIndex());
  if (index < 0 || index >= input.getDimSize(1))
    return emitOpError("(C1) there is no bin ") << index << " in " << input;
  if (result.getDimSize(0) != input.getDimSize(0) ||
      result.getDimSize(1) != input.getDimSize(2) ||
      getComputeType(result) != getComputeType(input))
    return emitOpError(
               "(C2) the result must be (B, D) of a type that computes in ")
           << getComputeType(input) << ", got " << result;
  if (!getFactor().isFinite())
    return emitOpError("(C3) factor must be finite");
  return success();
}

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
  if (failed(verifyStaticShape(*this, state, "C1")) ||
      failed(verifySizes(*this, "C1")))
    return failure();
  int64_t tokens = state.getDimSize(1), channels = state.getDimSize(2);
  int64_t heads = getHeads(), stage = getStage();
  if (!llvm::isPowerOf2_64(tokens))
    return emitOpError("(C1) the number of tokens must be a power of two, got ")
           << tokens;
  if (heads < 1 || channels % heads)
    return emitOpError("(C2) heads must divide the ")
           << channels << " channels, got " << heads;
  if (stage < 0 || stage >= getNumStages(tokens))
    return emitOpError("(C3) ")
           << tokens << " tokens have " << getNumStages(tokens)
           << " stages, got stage " << stage;
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
    if (getComputeType(type) != getComputeType(state))
      return emitOpError("(C4) weights ")
             << type << " do not compute in " << getComputeType(state);
    if (failed(verifyAttentionWeights(*this, type, channels, heads, "C5")))
      return failure();
    int64_t leading = type.getDimSize(0);
    if (leading != 1 && leading <= stage)
      return emitOpError("(C5) there are weights for ")
             << leading << " stages, but none for stage " << stage;
    bool dense = type.getRank() == 3 && type.getDimSize(1) == channels;
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
