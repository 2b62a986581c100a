// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// What surrounds the mixers: verifiers, and what the schedule asks.

#include "bfly/IR/Network.h"

#include "VerifyUtils.h"

using namespace mlir;
using namespace mlir::bfly;

// Verifiers ------------------------------------------------------------------

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

// Costs ----------------------------------------------------------------------

Amount LinearOp::getFlops(int64_t) {
  Amount outputs = countElements(getResult().getType());
  return outputs * (2.0 * double(getWeight().getType().getDimSize(1)) +
                    (getBias() ? 1 : 0) + (getRelu() ? 1 : 0));
}

/// Mean (1), deviation (1), its square's sum (2), scaling (1).
Amount LayerNormOp::getFlops(int64_t) {
  return countElements(getInput().getType()) *
         (5.0 + (getWeight() ? 1 : 0) + (getBias() ? 1 : 0));
}

Amount MeanOp::getFlops(int64_t) { return countElements(getInput().getType()); }

// What a kernel holds --------------------------------------------------------

void LinearOp::describe(Network &network) {
  network.products.push_back(*this);
  int64_t row = getInput().getType().getShape().back() +
                getResult().getType().getShape().back();
  network.rowElements = std::max(network.rowElements, row);
}

void LayerNormOp::describe(Network &network) {
  network.rowElements =
      std::max(network.rowElements, getInput().getType().getShape().back());
}

void MeanOp::describe(Network &) {}

bool LinearOp::isPieceOfMixer() { return false; }
bool LayerNormOp::isPieceOfMixer() { return false; }
