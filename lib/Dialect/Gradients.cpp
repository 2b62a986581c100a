// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Reverse mode over straight-line code.

#include "bfly/IR/Gradients.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Interfaces/CallInterfaces.h"

using namespace mlir;
using namespace mlir::bfly;

bool mlir::bfly::hasGradient(Type type) {
  if (auto tensor = dyn_cast<RankedTensorType>(type))
    type = tensor.getElementType();
  return isa<FloatType, ComplexType>(type);
}

void Gradients::want(Value value) {
  if (hasGradient(value.getType()))
    wanted.insert(value);
}

void Gradients::follow(ArrayRef<Operation *> operations) {
  for (Operation *op : operations) {
    // With what its regions read.
    WalkResult reads = op->walk([&](Operation *inner) {
      return llvm::any_of(inner->getOperands(),
                          [&](Value operand) { return wants(operand); })
                 ? WalkResult::interrupt()
                 : WalkResult::advance();
    });
    if (reads.wasInterrupted())
      for (Value result : op->getResults())
        want(result);
  }
}

void Gradients::add(OpBuilder &builder, Value value, Value gradient) {
  if (!wants(value))
    return;
  Location loc = value.getLoc();
  Type type = value.getType();
  // What is static of one and dynamic of the other.
  if (gradient.getType() != type)
    gradient = tensor::CastOp::create(builder, loc, type, gradient);
  Value &sum = sums[value];
  if (!sum) {
    sum = gradient;
    return;
  }
  auto tensor = dyn_cast<RankedTensorType>(type);
  bool complex = isa<ComplexType>(tensor ? tensor.getElementType() : type);
  if (!complex) {
    sum = arith::AddFOp::create(builder, loc, sum, gradient);
    return;
  }
  if (!tensor) {
    sum = complex::AddOp::create(builder, loc, sum, gradient);
    return;
  }
  SmallVector<int64_t> dims =
      llvm::to_vector(llvm::seq<int64_t>(0, tensor.getRank()));
  sum = createSum(builder, loc, {}, {{sum, dims}, {gradient, dims}}, dims,
                  tensor.getElementType(),
                  [&](OpBuilder &inner, ValueRange numbers) -> Value {
                    return complex::AddOp::create(inner, loc, numbers[0],
                                                  numbers[1]);
                  });
}

LogicalResult Gradients::propagate(OpBuilder &builder,
                                   ArrayRef<Operation *> operations) {
  for (Operation *op : llvm::reverse(operations)) {
    SmallVector<Value> results;
    for (Value result : op->getResults())
      results.push_back(wants(result) ? get(result) : Value());
    if (llvm::none_of(results, [](Value value) { return bool(value); }))
      continue;
    auto rule = dyn_cast<DifferentiableOpInterface>(op);
    if (!rule)
      return op->emitOpError("has no derivative")
             << (isa<CallOpInterface>(op) ? ": inline the call first" : "");
    if (failed(rule.differentiate(builder, results, *this)))
      return failure();
  }
  return success();
}
