// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "bfly/IR/Network.h"

#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace mlir::bfly;

int64_t Network::getAttentionTokens() const {
  AttentionStageOp first = stages.front();
  return first.getState().getType().getDimSize(1);
}

void Network::addTransform(RankedTensorType type, int64_t tokens, bool isHalf) {
  kind = "transform";
  if (transforms && transformTokens != tokens)
    otherTokens = transformTokens;
  ++transforms;
  transformTokens = tokens;
  half |= isHalf;
  packed |= isHalf;
  sequence = type;
}

bool mlir::bfly::isWholeNetwork(ArrayRef<AttentionStageOp> stages) {
  AttentionStageOp first = stages.front();
  int64_t tokens = first.getState().getType().getDimSize(1);
  if (static_cast<int64_t>(stages.size()) != getNumStages(tokens))
    return false;
  size_t number = 0;
  return llvm::all_of(stages, [&](AttentionStageOp stage) {
    return static_cast<size_t>(stage.getStage()) == number++ &&
           stage.getScoring() == first.getScoring() &&
           stage.getWeights() == first.getWeights() &&
           stage.getHeads() == first.getHeads() &&
           stage.getScale() == first.getScale();
  });
}

bool mlir::bfly::isPerHead(ShapedType weights, int64_t channels) {
  return weights.getRank() == 4 || weights.getShape().back() != channels;
}

Network mlir::bfly::inspect(KernelOp kernel) {
  Network network;
  for (Operation &op : kernel.getBody().front().without_terminator()) {
    for (Value result : op.getResults())
      if (auto type = dyn_cast<RankedTensorType>(result.getType()))
        if (isa<FloatType, ComplexType>(type.getElementType()))
          network.wide |= getComputeType(type).isF64();
    network.padded |= isa<tensor::PadOp>(op);
    if (auto part = dyn_cast<NetworkOpInterface>(op)) {
      network.ops.push_back(&op);
      part.describe(network);
    }
  }
  if (!network.sequence && kernel.getNumResults())
    network.sequence =
        dyn_cast<RankedTensorType>(kernel.getResult(0).getType());
  return network;
}

bool mlir::bfly::isContextOp(Operation *op) {
  auto isMatrix = [](Type type) {
    auto tensor = dyn_cast<RankedTensorType>(type);
    return tensor && tensor.getRank() <= 2 &&
           isa<FloatType>(tensor.getElementType());
  };
  if (auto linear = dyn_cast<LinearOp>(op))
    return isMatrix(linear.getInput().getType());
  return isa_and_present<arith::ArithDialect, math::MathDialect>(
             op->getDialect()) &&
         OpTrait::hasElementwiseMappableTraits(op) && isMemoryEffectFree(op) &&
         llvm::all_of(op->getOperandTypes(), isMatrix) &&
         llvm::all_of(op->getResultTypes(), isMatrix);
}
