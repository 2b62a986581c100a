// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Before: any operations of linalg and tensor.
// After: of linalg none but structured ones, which become loops; one that is
// not and is not made of such was an error. A tensor.reshape whose new shape is
// spelled out is a view, by way of one dimension: a shape in an array would be
// in memory, and a GPU's is not the host's.

#include "bfly/Transforms/Passes.h"

#include "bfly/Analysis/Sizes.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Linalg/Transforms/Transforms.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/PatternMatch.h"
#include "llvm/ADT/TypeSwitch.h"

namespace mlir::bfly {
#define GEN_PASS_DEF_DECOMPOSELINALGPASS
#include "bfly/Transforms/Passes.h.inc"
} // namespace mlir::bfly

using namespace mlir;
using namespace mlir::bfly;

namespace {

struct DecomposeLinalgPass
    : public bfly::impl::DecomposeLinalgPassBase<DecomposeLinalgPass> {
  void runOnOperation() override {
    SmallVector<Operation *> found;
    getOperation()->walk([&](Operation *op) {
      if (isa_and_nonnull<linalg::LinalgDialect>(op->getDialect()) &&
          !isa<linalg::LinalgOp, linalg::YieldOp, linalg::IndexOp>(op))
        found.push_back(op);
    });
    IRRewriter rewriter(&getContext());
    SmallVector<tensor::ReshapeOp> reshapes;
    getOperation()->walk([&](tensor::ReshapeOp op) { reshapes.push_back(op); });
    for (tensor::ReshapeOp op : reshapes)
      reshape(rewriter, op);
    for (Operation *op : found) {
      rewriter.setInsertionPoint(op);
      if (failed(decompose(rewriter, op))) {
        op->emitOpError("has no form in compiled code: write it with "
                        "linalg.generic");
        return signalPassFailure();
      }
    }
  }

  /// That the new shape has as many elements was checked for the sizes.
  static void reshape(RewriterBase &rewriter, tensor::ReshapeOp op) {
    auto from = dyn_cast<RankedTensorType>(op.getSource().getType());
    auto to = dyn_cast<RankedTensorType>(op.getResult().getType());
    std::optional<SmallVector<OpFoldResult>> sizes = getNewShape(op);
    if (!from || !to || !sizes)
      return;
    Location loc = op.getLoc();
    rewriter.setInsertionPoint(op);
    auto one = [](RankedTensorType type) {
      int64_t count =
          type.hasStaticShape() ? type.getNumElements() : ShapedType::kDynamic;
      return RankedTensorType::get({count}, type.getElementType());
    };
    auto group = [](RankedTensorType type) {
      return SmallVector<ReassociationIndices>{
          llvm::to_vector(llvm::seq<int64_t>(0, type.getRank()))};
    };
    Value flat = op.getSource();
    if (from.getRank() == 0)
      flat = tensor::ExpandShapeOp::create(
          rewriter, loc, one(from), flat, ArrayRef<ReassociationIndices>(),
          ArrayRef<OpFoldResult>(rewriter.getIndexAttr(1)));
    else if (from.getRank() > 1)
      flat = tensor::CollapseShapeOp::create(rewriter, loc, one(from), flat,
                                             group(from));
    if (flat.getType() != one(to))
      flat = tensor::CastOp::create(rewriter, loc, one(to), flat);
    if (to.getRank() == 0)
      flat = tensor::CollapseShapeOp::create(rewriter, loc, to, flat,
                                             ArrayRef<ReassociationIndices>());
    else if (to.getRank() > 1) {
      // What the type leaves open is an operand, of type index.
      for (auto [size, known] : llvm::zip(*sizes, to.getShape()))
        if (!ShapedType::isDynamic(known))
          size = rewriter.getIndexAttr(known);
        else if (auto value = dyn_cast<Value>(size))
          size = getValueOrCreateCastToIndexLike(
              rewriter, loc, rewriter.getIndexType(), value);
        else
          size = arith::ConstantIndexOp::create(rewriter, loc,
                                                *getConstantIntValue(size))
                     .getResult();
      flat = tensor::ExpandShapeOp::create(rewriter, loc, to, flat, group(to),
                                           *sizes);
    }
    rewriter.replaceOp(op, flat);
  }

  static LogicalResult decompose(RewriterBase &rewriter, Operation *op) {
    // Those on buffers have no results to replace.
    if (!op->getNumResults())
      return failure();
    return TypeSwitch<Operation *, LogicalResult>(op)
        .Case([&](linalg::AggregatedOpInterface whole) -> LogicalResult {
          FailureOr<SmallVector<Value>> parts =
              whole.decomposeOperation(rewriter);
          if (failed(parts))
            return failure();
          rewriter.replaceOp(op, *parts);
          return success();
        })
        .Case([&](linalg::PackOp pack) -> LogicalResult {
          return linalg::lowerPack(rewriter, pack);
        })
        .Case([&](linalg::UnPackOp unpack) -> LogicalResult {
          return linalg::lowerUnPack(rewriter, unpack);
        })
        .Default(failure());
  }
};

} // namespace
