// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Before: any operations of linalg and tensor.
// After: of linalg none but structured ones, which become loops; one that is
// not and is not made of such was an error. No tensor.expand_shape makes
// several dynamic dimensions of one, which upstream's lowering of views cannot:
// that is a tensor.reshape.

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
    SmallVector<tensor::ExpandShapeOp> expansions;
    getOperation()->walk([&](tensor::ExpandShapeOp op) {
      if (hasSeveralDynamic(op.getResultType(), op.getReassociationIndices()))
        expansions.push_back(op);
    });
    for (tensor::ExpandShapeOp op : expansions)
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

  static void reshape(RewriterBase &rewriter, tensor::ExpandShapeOp op) {
    rewriter.setInsertionPoint(op);
    SmallVector<Value> sizes = getValueOrCreateConstantIndexOp(
        rewriter, op.getLoc(), op.getMixedOutputShape());
    Value shape = tensor::FromElementsOp::create(rewriter, op.getLoc(), sizes);
    rewriter.replaceOpWithNewOp<tensor::ReshapeOp>(op, op.getResultType(),
                                                   op.getSrc(), shape);
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
