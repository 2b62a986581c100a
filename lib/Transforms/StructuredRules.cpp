// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The derivatives of linalg's structured operations. Of
//
//   out[o(i)] = sum over i of f(x[m(i)], ...),  o and m taking some of the
//   loops
//
// the gradient of x is the sum over the other loops of f's gradient, from
// g[o(i)]: a structured operation with the same loops.

#include "DerivativeRules.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/TypeUtilities.h"

using namespace mlir;
using namespace mlir::bfly;

namespace {

/// How a result is made of what the body computes.
struct Output {
  /// What is written, or added to what the output had.
  Value value;
  Operation *addition = nullptr;
  /// The output's own elements are read like an input's.
  bool isInput = false;
};

/// From a number of one floating-point type to another.
Value convert(OpBuilder &builder, Location loc, Value value, Type type) {
  Type from = value.getType();
  if (from == type || !isa<FloatType>(type))
    return value;
  if (from.getIntOrFloatBitWidth() < type.getIntOrFloatBitWidth())
    return arith::ExtFOp::create(builder, loc, type, value);
  return arith::TruncFOp::create(builder, loc, type, value);
}

class StructuredRule {
public:
  StructuredRule(linalg::LinalgOp op, OpBuilder &builder,
                 ArrayRef<Value> results, Gradients &gradients)
      : op(op), builder(builder), results(results), gradients(gradients) {}

  LogicalResult run();

private:
  FailureOr<Output> classify(unsigned result);
  /// The dimensions of the loops that an operand has.
  FailureOr<SmallVector<int64_t>> getDims(OpOperand &operand);
  LogicalResult addGradient(OpOperand &operand);
  FailureOr<SmallVector<OpFoldResult>> getSizes();

  linalg::LinalgOp op;
  OpBuilder &builder;
  ArrayRef<Value> results;
  Gradients &gradients;
  SmallVector<Output> outputs;
};

FailureOr<Output> StructuredRule::classify(unsigned result) {
  OpOperand *init = op.getDpsInitOperand(result);
  BlockArgument own = op.getMatchingBlockArgument(init);
  Output output;
  output.value = op.getBlock()->getTerminator()->getOperand(result);
  if (own.use_empty())
    return output;
  Operation *addition = output.value.getDefiningOp();
  if (own.hasOneUse() &&
      isa_and_nonnull<arith::AddFOp, complex::AddOp>(addition) &&
      *own.user_begin() == addition && output.value.hasOneUse()) {
    output.addition = addition;
    output.value = addition->getOperand(addition->getOperand(0) == own ? 1 : 0);
    return output;
  }
  // Each element is met once.
  output.isInput = op.getNumReductionLoops() == 0;
  if (output.isInput)
    return output;
  op->emitOpError("has no derivative: what it reduces by is no addition");
  return failure();
}

FailureOr<SmallVector<int64_t>> StructuredRule::getDims(OpOperand &operand) {
  SmallVector<int64_t> dims;
  AffineMap map = op.getMatchingIndexingMap(&operand);
  for (AffineExpr expr : map.getResults()) {
    auto dim = dyn_cast<AffineDimExpr>(expr);
    if (!dim || llvm::is_contained(dims, int64_t(dim.getPosition())))
      return op->emitOpError("has no derivative: operand ")
             << operand.getOperandNumber() << " is read by "
             << AffineMapAttr::get(map);
    dims.push_back(dim.getPosition());
  }
  return dims;
}

FailureOr<SmallVector<OpFoldResult>> StructuredRule::getSizes() {
  SmallVector<OpFoldResult> sizes(op.getNumLoops());
  for (OpOperand &operand : op->getOpOperands()) {
    if (!isa<RankedTensorType>(operand.get().getType()))
      continue;
    FailureOr<SmallVector<int64_t>> dims = getDims(operand);
    if (failed(dims))
      return failure();
    for (auto [position, dim] : llvm::enumerate(*dims))
      if (!sizes[dim])
        sizes[dim] =
            tensor::getMixedSize(builder, op.getLoc(), operand.get(), position);
  }
  return sizes;
}

LogicalResult StructuredRule::addGradient(OpOperand &operand) {
  Location loc = op.getLoc();
  FailureOr<SmallVector<OpFoldResult>> sizes = getSizes();
  FailureOr<SmallVector<int64_t>> kept = getDims(operand);
  if (failed(sizes) || failed(kept))
    return failure();
  SmallVector<Factor> factors;
  SmallVector<BlockArgument> arguments;
  for (OpOperand &each : op->getOpOperands()) {
    unsigned number = each.getOperandNumber();
    unsigned inputs = op.getNumDpsInputs();
    if (number >= inputs && !outputs[number - inputs].isInput)
      continue;
    FailureOr<SmallVector<int64_t>> dims = getDims(each);
    if (failed(dims))
      return failure();
    factors.push_back({each.get(), *dims});
    arguments.push_back(op.getMatchingBlockArgument(&each));
  }
  unsigned values = factors.size();
  SmallVector<unsigned> given;
  for (auto [number, g] : llvm::enumerate(results)) {
    if (!g)
      continue;
    given.push_back(number);
    factors.push_back({g, *getDims(*op.getDpsInitOperand(number))});
  }

  LogicalResult status = success();
  Type elementType = getElementTypeOrSelf(operand.get().getType());
  auto body = [&](OpBuilder &inner, ValueRange numbers) -> Value {
    // Numbers come in the compute type, and the body's are of the operands'.
    IRMapping mapping;
    for (unsigned i = 0; i < values; ++i)
      mapping.map(arguments[i],
                  convert(inner, loc, numbers[i], arguments[i].getType()));
    SmallVector<Operation *> operations;
    for (Operation &each : op.getBlock()->without_terminator())
      if (llvm::none_of(outputs, [&](const Output &output) {
            return output.addition == &each;
          }))
        operations.push_back(inner.clone(each, mapping));
    Gradients here;
    Value wanted = mapping.lookup(op.getMatchingBlockArgument(&operand));
    here.want(wanted);
    here.follow(operations);
    for (auto [i, number] : llvm::enumerate(given)) {
      Value value = mapping.lookupOrDefault(outputs[number].value);
      here.add(inner, value,
               convert(inner, loc, numbers[values + i], value.getType()));
    }
    status = here.propagate(inner, operations);
    Value gradient = here.get(wanted);
    if (!gradient)
      gradient = createZeroLike(inner, loc, wanted);
    for (Operation *each : llvm::reverse(operations))
      if (isOpTriviallyDead(each))
        each->erase();
    return convert(inner, loc, gradient,
                   isa<ComplexType>(elementType)
                       ? elementType
                       : Type(getComputeType(elementType)));
  };
  Value sum =
      createSum(builder, loc, *sizes, factors, *kept, elementType, body);
  if (failed(status))
    return failure();
  if (!isa<RankedTensorType>(operand.get().getType()))
    sum = tensor::ExtractOp::create(builder, loc, sum, ValueRange());
  gradients.add(builder, operand.get(), sum);
  return success();
}

LogicalResult StructuredRule::run() {
  for (unsigned result = 0; result < results.size(); ++result) {
    FailureOr<Output> output = classify(result);
    if (failed(output))
      return failure();
    outputs.push_back(*output);
  }
  for (OpOperand &operand : op->getOpOperands()) {
    if (!gradients.wants(operand.get()))
      continue;
    unsigned inputs = op.getNumDpsInputs();
    unsigned number = operand.getOperandNumber();
    if (number >= inputs && !outputs[number - inputs].isInput) {
      if (outputs[number - inputs].addition && results[number - inputs])
        gradients.add(builder, operand.get(), results[number - inputs]);
      continue;
    }
    if (failed(addGradient(operand)))
      return failure();
  }
  return success();
}

template <typename OpTy>
struct StructuredModel
    : DifferentiableOpInterface::ExternalModel<StructuredModel<OpTy>, OpTy> {
  LogicalResult differentiate(Operation *op, OpBuilder &builder,
                              ArrayRef<Value> results,
                              Gradients &gradients) const {
    return StructuredRule(cast<linalg::LinalgOp>(op), builder, results,
                          gradients)
        .run();
  }
};

/// y (g - sum y g) along the dimension.
LogicalResult softmaxRule(linalg::SoftmaxOp op, OpBuilder &builder, Value g,
                          Gradients &gradients) {
  Location loc = op.getLoc();
  Value y = op.getResult()[0];
  auto type = cast<RankedTensorType>(y.getType());
  Type elementType = type.getElementType();
  SmallVector<int64_t> all =
      llvm::to_vector(llvm::seq<int64_t>(0, type.getRank()));
  SmallVector<int64_t> others(all);
  others.erase(others.begin() + op.getDimension());
  Value sum = createSum(builder, loc, {}, {{y, all}, {g, all}}, others,
                        getComputeType(elementType),
                        [&](OpBuilder &inner, ValueRange numbers) -> Value {
                          return arith::MulFOp::create(inner, loc, numbers[0],
                                                       numbers[1]);
                        });
  gradients.add(
      builder, op.getInput(),
      createSum(builder, loc, {}, {{y, all}, {g, all}, {sum, others}}, all,
                elementType,
                [&](OpBuilder &inner, ValueRange numbers) -> Value {
                  Value rest =
                      arith::SubFOp::create(inner, loc, numbers[1], numbers[2]);
                  return arith::MulFOp::create(inner, loc, numbers[0], rest);
                }));
  return success();
}

template <typename... OpTys> void attachAll(MLIRContext *context) {
  (OpTys::template attachInterface<StructuredModel<OpTys>>(*context), ...);
}

} // namespace

void mlir::bfly::registerStructuredRules(DialectRegistry &registry) {
  registry.addExtension(+[](MLIRContext *context, linalg::LinalgDialect *) {
    linalg::SoftmaxOp::attachInterface<
        DerivativeModel<linalg::SoftmaxOp, softmaxRule>>(*context);
    attachAll<linalg::GenericOp, linalg::MapOp, linalg::ReduceOp,
              linalg::FillOp, linalg::CopyOp, linalg::ElementwiseOp,
              linalg::ContractOp>(context);
    attachAll<linalg::AbsOp, linalg::AddOp, linalg::CeilOp, linalg::DivOp,
              linalg::ErfOp, linalg::ExpOp, linalg::FloorOp, linalg::LogOp,
              linalg::MaxOp, linalg::MinOp, linalg::MulOp, linalg::NegFOp,
              linalg::PowFOp, linalg::ReciprocalOp, linalg::RoundOp,
              linalg::RsqrtOp, linalg::SelectOp, linalg::SqrtOp,
              linalg::SquareOp, linalg::SubOp, linalg::TanhOp>(context);
    attachAll<linalg::BatchMatmulOp, linalg::BatchMatvecOp,
              linalg::BatchReduceMatmulOp, linalg::BatchVecmatOp, linalg::DotOp,
              linalg::MatmulOp, linalg::MatvecOp, linalg::VecmatOp>(context);
  });
}
