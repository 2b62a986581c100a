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
