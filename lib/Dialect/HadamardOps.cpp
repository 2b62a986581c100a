// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The Walsh-Hadamard transform: verifiers, what the schedule asks, and its
// derivative.

#include "bfly/IR/Gradients.h"
#include "bfly/IR/Network.h"

#include "VerifyUtils.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace mlir::bfly;

LogicalResult HadamardOp::verify() {
  RankedTensorType type = getInput().getType();
  if (failed(verifyStaticShape(*this, type, "C1")) ||
      failed(verifySizes(*this, "C3")))
    return failure();
  if (!llvm::isPowerOf2_64(type.getDimSize(1)))
    return emitOpError("(C2) the number of tokens must be a power of two, got ")
           << type.getDimSize(1);
  return success();
}

LogicalResult HadamardAttr::verify(EmitError emitError, int64_t rows,
                                   int64_t channels, int64_t radix) {
  constexpr int64_t most = 1 << 20;
  return failure(
      failed(verifyPowerOfTwo(emitError, "P1", "rows", rows, 2, most)) ||
      failed(verifyRange(emitError, "P2", "channels", channels, 1, most)) ||
      failed(verifyPowerOfTwo(emitError, "P3", "radix", radix, 2,
                              std::min<int64_t>(32, rows))));
}

/// An addition a stage; a product where it is scaled.
Amount HadamardOp::getFlops(int64_t) {
  RankedTensorType type = getInput().getType();
  return countElements(type) * (double(getNumStages(type.getDimSize(1))) +
                                (getOrthonormal() ? 1 : 0));
}

void HadamardOp::describe(Network &network) {
  network.kind = "hadamard";
  network.sequence = getInput().getType();
}

bool HadamardOp::isPieceOfMixer() { return false; }

/// The matrix is its own transpose.
LogicalResult HadamardOp::differentiate(OpBuilder &builder,
                                        ArrayRef<Value> results,
                                        Gradients &gradients) {
  gradients.add(builder, getInput(),
                HadamardOp::create(builder, getLoc(), getInput().getType(),
                                   results[0], getOrthonormal()));
  return success();
}
