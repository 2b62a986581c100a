// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Exponentials of f32 vectors as polynomials.
//
// Before: math.exp on scalars and vectors.
// After: none on vectors of f32.

#include "bfly/Transforms/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Math/Transforms/Passes.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

namespace mlir::bfly {
#define GEN_PASS_DEF_APPROXIMATEMATHPASS
#include "bfly/Transforms/Passes.h.inc"
} // namespace mlir::bfly

using namespace mlir;
using namespace mlir::bfly;

namespace {

struct ApproximateMathPass
    : public bfly::impl::ApproximateMathPassBase<ApproximateMathPass> {
  void runOnOperation() override {
    // Only the exponential, which every sigmoid takes: what else a filter's
    // region computes keeps the library's accuracy.
    bool any = false;
    getOperation().walk([&](math::ExpOp op) {
      auto type = dyn_cast<VectorType>(op.getType());
      any |= type && type.getElementType().isF32();
    });
    if (!any)
      return;
    RewritePatternSet patterns(&getContext());
    populateMathPolynomialApproximationPatterns(patterns, [](StringRef name) {
      return name == math::ExpOp::getOperationName();
    });
    SmallVector<Operation *> exponentials;
    getOperation().walk([&](math::ExpOp op) {
      auto type = dyn_cast<VectorType>(op.getType());
      if (type && type.getElementType().isF32())
        exponentials.push_back(op);
    });
    GreedyRewriteConfig config;
    config.setStrictness(GreedyRewriteStrictness::ExistingAndNewOps);
    if (failed(
            applyOpPatternsGreedily(exponentials, std::move(patterns), config)))
      signalPassFailure();
  }
};

} // namespace
