// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The derivatives of what moves tensors: the gradient goes back the same way.

#include "DerivativeRules.h"

#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/IR/TypeUtilities.h"

using namespace mlir;
using namespace mlir::bfly;

namespace {

LogicalResult expandRule(tensor::ExpandShapeOp op, OpBuilder &builder, Value g,
                         Gradients &gradients) {
  gradients.add(builder, op.getSrc(),
                tensor::CollapseShapeOp::create(builder, op.getLoc(),
                                                op.getSrcType(), g,
                                                op.getReassociationIndices()));
  return success();
}

LogicalResult collapseRule(tensor::CollapseShapeOp op, OpBuilder &builder,
                           Value g, Gradients &gradients) {
  SmallVector<OpFoldResult> sizes =
      tensor::getMixedSizes(builder, op.getLoc(), op.getSrc());
  gradients.add(
      builder, op.getSrc(),
      tensor::ExpandShapeOp::create(builder, op.getLoc(), op.getSrcType(), g,
                                    op.getReassociationIndices(), sizes));
  return success();
}

LogicalResult castRule(tensor::CastOp op, OpBuilder &builder, Value g,
                       Gradients &gradients) {
  gradients.add(builder, op.getSource(),
                tensor::CastOp::create(builder, op.getLoc(),
                                       op.getSource().getType(), g));
  return success();
}

/// Into zeros, where it was taken from.
LogicalResult extractRule(tensor::ExtractSliceOp op, OpBuilder &builder,
                          Value g, Gradients &gradients) {
  Value zeros = createZeroLike(builder, op.getLoc(), op.getSource());
  gradients.add(builder, op.getSource(),
                tensor::InsertSliceOp::create(
                    builder, op.getLoc(), g, zeros, op.getMixedOffsets(),
                    op.getMixedSizes(), op.getMixedStrides()));
  return success();
}

/// The source gets what is there, the destination the rest.
LogicalResult insertRule(tensor::InsertSliceOp op, OpBuilder &builder, Value g,
                         Gradients &gradients) {
  if (gradients.wants(op.getSource()))
    gradients.add(builder, op.getSource(),
                  tensor::ExtractSliceOp::create(
                      builder, op.getLoc(), op.getSourceType(), g,
                      op.getMixedOffsets(), op.getMixedSizes(),
                      op.getMixedStrides()));
  if (gradients.wants(op.getDest())) {
    Value zeros = createZeroLike(builder, op.getLoc(), op.getSource());
    gradients.add(builder, op.getDest(),
                  tensor::InsertSliceOp::create(
                      builder, op.getLoc(), zeros, g, op.getMixedOffsets(),
                      op.getMixedSizes(), op.getMixedStrides()));
  }
  return success();
}

LogicalResult concatRule(tensor::ConcatOp op, OpBuilder &builder, Value g,
                         Gradients &gradients) {
  Location loc = op.getLoc();
  int64_t rank = op.getResultType().getRank();
  int64_t dim = op.getDim();
  SmallVector<OpFoldResult> offsets(rank, builder.getIndexAttr(0));
  SmallVector<OpFoldResult> strides(rank, builder.getIndexAttr(1));
  for (Value input : op.getInputs()) {
    SmallVector<OpFoldResult> sizes =
        tensor::getMixedSizes(builder, loc, input);
    auto type = cast<RankedTensorType>(input.getType());
    if (gradients.wants(input))
      gradients.add(builder, input,
                    tensor::ExtractSliceOp::create(builder, loc, type, g,
                                                   offsets, sizes, strides));
    std::optional<int64_t> before = getConstantIntValue(offsets[dim]);
    if (before && !type.isDynamicDim(dim)) {
      offsets[dim] = builder.getIndexAttr(*before + type.getDimSize(dim));
      continue;
    }
    Value sum = arith::AddIOp::create(
        builder, loc,
        getValueOrCreateConstantIndexOp(builder, loc, offsets[dim]),
        getValueOrCreateConstantIndexOp(builder, loc, sizes[dim]));
    offsets[dim] = sum;
  }
  return success();
}

/// What was added is cut off; what it holds is a constant or has no derivative.
LogicalResult padRule(tensor::PadOp op, OpBuilder &builder, Value g,
                      Gradients &gradients) {
  if (Value value = op.getConstantPaddingValue();
      !value || gradients.wants(value))
    return op.emitOpError("has no derivative but with a constant for its "
                          "padding");
  Location loc = op.getLoc();
  SmallVector<OpFoldResult> strides(op.getSourceType().getRank(),
                                    builder.getIndexAttr(1));
  gradients.add(builder, op.getSource(),
                tensor::ExtractSliceOp::create(
                    builder, loc, op.getSourceType(), g, op.getMixedLowPad(),
                    tensor::getMixedSizes(builder, loc, op.getSource()),
                    strides));
  return success();
}

/// The sum of all elements.
LogicalResult splatRule(tensor::SplatOp op, OpBuilder &builder, Value g,
                        Gradients &gradients) {
  Value sum = createSumOf(builder, op.getLoc(), g, {}, op.getInput().getType());
  gradients.add(
      builder, op.getInput(),
      tensor::ExtractOp::create(builder, op.getLoc(), sum, ValueRange()));
  return success();
}

/// Into zeros, where it was taken from.
LogicalResult elementRule(tensor::ExtractOp op, OpBuilder &builder, Value g,
                          Gradients &gradients) {
  Value zeros = createZeroLike(builder, op.getLoc(), op.getTensor());
  gradients.add(builder, op.getTensor(),
                tensor::InsertOp::create(builder, op.getLoc(), g, zeros,
                                         op.getIndices()));
  return success();
}

/// The scalar gets its element, the destination the rest.
LogicalResult putRule(tensor::InsertOp op, OpBuilder &builder, Value g,
                      Gradients &gradients) {
  Location loc = op.getLoc();
  if (gradients.wants(op.getScalar()))
    gradients.add(builder, op.getScalar(),
                  tensor::ExtractOp::create(builder, loc, g, op.getIndices()));
  if (gradients.wants(op.getDest())) {
    Value zero = createZeroLike(builder, loc, op.getScalar());
    gradients.add(
        builder, op.getDest(),
        tensor::InsertOp::create(builder, loc, zero, g, op.getIndices()));
  }
  return success();
}

LogicalResult transposeRule(linalg::TransposeOp op, OpBuilder &builder, Value g,
                            Gradients &gradients) {
  Location loc = op.getLoc();
  SmallVector<int64_t> back(op.getPermutation().size());
  for (auto [to, from] : llvm::enumerate(op.getPermutation()))
    back[from] = static_cast<int64_t>(to);
  Value empty = tensor::EmptyOp::create(
      builder, loc, tensor::getMixedSizes(builder, loc, op.getInput()),
      getElementTypeOrSelf(g.getType()));
  gradients.add(
      builder, op.getInput(),
      linalg::TransposeOp::create(builder, loc, g, empty, back)->getResult(0));
  return success();
}

/// Summed over what it was broadcast over.
LogicalResult broadcastRule(linalg::BroadcastOp op, OpBuilder &builder, Value g,
                            Gradients &gradients) {
  SmallVector<int64_t> kept;
  int64_t rank = cast<RankedTensorType>(g.getType()).getRank();
  for (int64_t dim = 0; dim < rank; ++dim)
    if (!llvm::is_contained(op.getDimensions(), dim))
      kept.push_back(dim);
  gradients.add(builder, op.getInput(),
                createSumOf(builder, op.getLoc(), g, kept,
                            getElementTypeOrSelf(g.getType())));
  return success();
}

} // namespace

void mlir::bfly::registerTensorRules(DialectRegistry &registry) {
  registry.addExtension(+[](MLIRContext *context, tensor::TensorDialect *) {
    attach<tensor::ExpandShapeOp, expandRule>(context);
    attach<tensor::CollapseShapeOp, collapseRule>(context);
    attach<tensor::CastOp, castRule>(context);
    attach<tensor::ExtractSliceOp, extractRule>(context);
    attach<tensor::InsertSliceOp, insertRule>(context);
    attach<tensor::ConcatOp, concatRule>(context);
    attach<tensor::PadOp, padRule>(context);
    attach<tensor::SplatOp, splatRule>(context);
    attach<tensor::ExtractOp, elementRule>(context);
    attach<tensor::InsertOp, putRule>(context);
  });
  registry.addExtension(+[](MLIRContext *context, linalg::LinalgDialect *) {
    attach<linalg::TransposeOp, transposeRule>(context);
    attach<linalg::BroadcastOp, broadcastRule>(context);
  });
}
