// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Element-wise arithmetic on whole tensors.

#include "GPU/GridLoops.h"
#include "NestTable.h"

#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace mlir::bfly;

LogicalResult mlir::bfly::emitElementwise(KernelEmitter &emitter,
                                          Operation *op) {
  auto isReal = [](Type type) {
    auto tensor = dyn_cast<RankedTensorType>(type);
    return tensor && isa<FloatType>(tensor.getElementType());
  };
  if (!OpTrait::hasElementwiseMappableTraits(op) || op->getNumResults() != 1 ||
      !llvm::all_of(op->getOperandTypes(), isReal) ||
      !llvm::all_of(op->getResultTypes(), isReal))
    return op->emitOpError("cannot be part of a kernel");
  auto result = cast<RankedTensorType>(op->getResult(0).getType());
  if (!result.getRank() || ShapedType::isDynamic(result.getShape().back()))
    return op->emitOpError("cannot be part of a kernel: its last dimension has "
                           "to be static");
  NestBuilder nest = emitter.makeNest(op);
  // A constant of one value needs no buffer.
  SmallVector<std::pair<Value, double>> inputs;
  for (Value operand : op->getOperands()) {
    DenseElementsAttr constant;
    if (readsAsNumber(op, operand) &&
        matchPattern(operand, m_Constant(&constant)))
      inputs.push_back(
          {Value(), constant.getSplatValue<FloatAttr>().getValueAsDouble()});
    else
      inputs.push_back({emitter.getBuffer(operand), 0.0});
  }
  Value output = emitter.getBuffer(op->getResult(0));
  auto type = cast<MemRefType>(output.getType());
  SmallVector<OpFoldResult> rows;
  for (int64_t dim = 0; dim + 1 < type.getRank(); ++dim)
    rows.push_back(nest.size(output, dim));
  auto element = [&](ArrayRef<AffineExpr> indices) {
    SmallVector<Value> operands;
    for (auto [input, constant] : inputs)
      operands.push_back(input ? nest.load(input, indices)
                               : nest.constant(constant));
    // Conversions between storage types are what load and store do.
    Value value = operands.front();
    if (!isa<arith::ExtFOp, arith::TruncFOp>(op)) {
      OperationState state(nest.loc, op->getName(), operands,
                           TypeRange(nest.compute), op->getAttrs());
      value = nest.builder.create(state)->getResult(0);
    }
    nest.store(value, output, indices);
  };
  if (emitter.onGPU()) {
    rows.push_back(nest.size(output, type.getRank() - 1));
    forEachElement(nest, rows, element);
    return success();
  }
  auto body = [&](ArrayRef<AffineExpr> row) {
    nest.lanes(type.getShape().back(), [&](AffineExpr lane) {
      SmallVector<AffineExpr> indices(row);
      indices.push_back(lane);
      element(indices);
    });
  };
  if (rows.empty())
    body({});
  else
    nest.parallel(rows, body);
  return success();
}
