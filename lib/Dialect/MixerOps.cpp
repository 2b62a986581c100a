// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Verifiers of the mixer level, and all generated operation definitions.

#include "bfly/IR/Bfly.h"

#include "Syntax.h"
#include "VerifyUtils.h"
#include "mlir/IR/Builders.h"

using namespace mlir;
using namespace mlir::bfly;

#define GET_OP_CLASSES
#include "bfly/IR/BflyOps.cpp.inc"

LogicalResult SpectralFilterOp::verify() {
  RankedTensorType input = getInput().getType();
  RankedTensorType result = getResult().getType();
  if (failed(verifyStaticShape(*this, input, "C1")) ||
      failed(verifySizes(*this, "C6")))
    return failure();
  if (input.getShape() != result.getShape() ||
      getComputeType(input) != getComputeType(result))
    return emitOpError("(C1) input and result must have the same shape and "
                       "compute type, got ")
           << input << " and " << result;
  return verifyBinRegion(*this, input, {input.getDimSize(1)}, getParams(),
                         getParamDims(), getBody(), /*mayYieldReal=*/false);
}

LogicalResult ButterflyAttentionOp::verify() {
  RankedTensorType input = getInput().getType();
  if (failed(verifyStaticShape(*this, input, "C1")) ||
      failed(verifySizes(*this, "C6")))
    return failure();
  int64_t channels = input.getDimSize(2);
  int64_t heads = getHeads();
  if (heads < 1 || channels % heads)
    return emitOpError("(C2) heads must divide the ")
           << channels << " channels, got " << heads;
  RankedTensorType weights = cast<RankedTensorType>(getQuery().getType());
  if (weights.getElementType() != input.getElementType())
    return emitOpError("(C3) weights must be of the input's element type, got ")
           << weights;
  if (failed(verifyAttentionWeights(*this, weights, channels, heads, "C4")))
    return failure();
  int64_t stages = getNumStages(input.getDimSize(1));
  int64_t leading = weights.getDimSize(0);
  if (leading != stages && leading != 1)
    return emitOpError("(C4) ")
           << input.getDimSize(1) << " tokens have " << stages
           << " stages, but there are weights for " << leading;
  return getScale() ? verifyFinite(*this, *getScale(), input.getElementType(),
                                   "C5", "scale")
                    : success();
}

/// Shape and element type of a per-channel weight or bias.
static LogicalResult verifyVector(Operation *op, Value vector, int64_t size,
                                  Type elementType, StringRef label,
                                  StringRef name) {
  if (!vector)
    return success();
  auto type = cast<RankedTensorType>(vector.getType());
  if (type.getDimSize(0) != size || type.getElementType() != elementType)
    return op->emitOpError("(")
           << label << ") " << name << " must be tensor<" << size << "x"
           << elementType << ">, got " << type;
  return success();
}

LogicalResult LayerNormOp::verify() {
  RankedTensorType input = getInput().getType();
  if (input.getRank() < 1)
    return emitOpError("(C1) the input needs a dimension to normalise over");
  if (failed(verifyStaticShape(*this, input, "C1")) ||
      failed(verifySizes(*this, "C4")))
    return failure();
  int64_t channels = input.getShape().back();
  Type elementType = input.getElementType();
  if (ShapedType::isDynamic(channels))
    return emitOpError("(C1) the number of channels must be static");
  if (failed(verifyVector(*this, getWeight(), channels, elementType, "C2",
                          "weight")) ||
      failed(
          verifyVector(*this, getBias(), channels, elementType, "C2", "bias")))
    return failure();
  if (!getEpsilon().isFinite() || getEpsilon().convertToDouble() <= 0)
    return emitOpError("(C3) epsilon must be positive and finite");
  return success();
}

LogicalResult LinearOp::verify() {
  RankedTensorType input = getInput().getType();
  RankedTensorType weight = getWeight().getType();
  RankedTensorType result = getResult().getType();
  if (input.getRank() < 2)
    return emitOpError("(C1) the input's rank must be at least 2, got ")
           << input;
  if (failed(verifyStaticShape(*this, input, "C1")) ||
      failed(verifySizes(*this, "C5")))
    return failure();
  Type elementType = input.getElementType();
  int64_t in = input.getShape().back();
  int64_t out = weight.getDimSize(0);
  if (ShapedType::isDynamic(out) || out < 1 || weight.getDimSize(1) != in ||
      weight.getElementType() != elementType)
    return emitOpError("(C2) weight must be (out, ")
           << in << ") of " << elementType << ", got " << weight;
  if (failed(verifyVector(*this, getBias(), out, elementType, "C3", "bias")))
    return failure();
  SmallVector<int64_t> shape(input.getShape());
  shape.back() = out;
  RankedTensorType expected = RankedTensorType::get(shape, elementType);
  if (result != expected)
    return emitOpError("(C4) the result must be ")
           << expected << ", got " << result;
  return success();
}

LogicalResult MeanOp::verify() {
  RankedTensorType input = getInput().getType();
  RankedTensorType result = getResult().getType();
  if (failed(verifyStaticShape(*this, input, "C1")) ||
      failed(verifySizes(*this, "C3")))
    return failure();
  RankedTensorType expected = RankedTensorType::get(
      {input.getDimSize(0), input.getDimSize(2)}, input.getElementType());
  if (result != expected)
    return emitOpError("(C2) the result must be ")
           << expected << ", got " << result;
  return success();
}
