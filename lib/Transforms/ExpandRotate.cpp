// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Before: values turned by known angles (`bfly.rotate`).
// After: no `bfly.rotate`. A quarter of a turn is a swap and a negation, which
// the additions, subtractions and products by constants around it take in; an
// odd eighth two additions and two products; any other angle four products and
// two additions, of which two pairs may fuse.

#include "bfly/Transforms/Passes.h"

#include "RegisterArith.h"
#include "bfly/IR/Bfly.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/Matchers.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"
#include <numeric>

namespace mlir::bfly {
#define GEN_PASS_DEF_EXPANDROTATEPASS
#include "bfly/Transforms/Passes.h.inc"
} // namespace mlir::bfly

using namespace mlir;
using namespace mlir::bfly;

namespace {

struct ExpandRotate : OpRewritePattern<RotateOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(RotateOp op,
                                PatternRewriter &rewriter) const override {
    int64_t denominator = op.getDenominator();
    int64_t numerator = static_cast<int64_t>(op.getNumerator()) % denominator;
    if (numerator < 0)
      numerator += denominator;
    int64_t common = std::gcd(numerator, denominator);
    numerator /= common;
    denominator /= common;

    Value re = op.getReal(), im = op.getImag();
    RegisterArith arith(rewriter, op.getLoc(), re.getType());
    if (8 % denominator == 0) {
      auto [newRe, newIm] =
          rotateByEighths(arith, re, im, numerator * (8 / denominator));
      rewriter.replaceOp(op, {newRe, newIm});
      return success();
    }
    std::complex<long double> root = getRootOfUnity(numerator, denominator);
    Value cosine = arith.constant(root.real());
    Value sine = arith.constant(-root.imag());
    rewriter.replaceOp(op,
                       {arith.add(arith.mul(re, cosine), arith.mul(im, sine)),
                        arith.sub(arith.mul(im, cosine), arith.mul(re, sine))});
    return success();
  }

private:
  /// Times e^(-2 pi i eighths / 8). The four odd eighths share their sum and
  /// difference, and their signs sit in the constant.
  static std::pair<Value, Value> rotateByEighths(RegisterArith &arith, Value re,
                                                 Value im, unsigned eighths) {
    switch (eighths) {
    case 0:
      return {re, im};
    case 2:
      return {im, arith.neg(re)};
    case 4:
      return {arith.neg(re), arith.neg(im)};
    case 6:
      return {arith.neg(im), re};
    }
    long double half = std::sqrt(0.5L);
    Value sum = arith.add(re, im), difference = arith.sub(im, re);
    switch (eighths) {
    case 1:
      return {arith.mul(sum, half), arith.mul(difference, half)};
    case 3:
      return {arith.mul(difference, half), arith.mul(sum, -half)};
    case 5:
      return {arith.mul(sum, -half), arith.mul(difference, -half)};
    default:
      return {arith.mul(difference, -half), arith.mul(sum, half)};
    }
  }
};

/// The operand of a negation.
Value getNegated(Value value) {
  auto negation = value.getDefiningOp<arith::NegFOp>();
  return negation ? negation.getOperand() : Value();
}

/// a + -b = a - b, -a + b = b - a: exact in every case but the sign of a NaN.
struct AddOfNegation : OpRewritePattern<arith::AddFOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(arith::AddFOp op,
                                PatternRewriter &rewriter) const override {
    Value minuend = op.getLhs(), negated = getNegated(op.getRhs());
    if (!negated) {
      minuend = op.getRhs();
      negated = getNegated(op.getLhs());
    }
    if (!negated)
      return failure();
    rewriter.replaceOpWithNewOp<arith::SubFOp>(op, minuend, negated,
                                               op.getFastmath());
    return success();
  }
};

/// a - -b = a + b.
struct SubOfNegation : OpRewritePattern<arith::SubFOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(arith::SubFOp op,
                                PatternRewriter &rewriter) const override {
    Value negated = getNegated(op.getRhs());
    if (!negated)
      return failure();
    rewriter.replaceOpWithNewOp<arith::AddFOp>(op, op.getLhs(), negated,
                                               op.getFastmath());
    return success();
  }
};

/// -a * c = a * -c for a constant c, which canonicalisation keeps on the right.
struct MulOfNegation : OpRewritePattern<arith::MulFOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(arith::MulFOp op,
                                PatternRewriter &rewriter) const override {
    Value negated = getNegated(op.getLhs());
    TypedAttr factor;
    if (!negated || !matchPattern(op.getRhs(), m_Constant(&factor)))
      return failure();
    TypedAttr opposite;
    if (auto scalar = dyn_cast<FloatAttr>(factor))
      opposite = FloatAttr::get(scalar.getType(), -scalar.getValue());
    else if (auto splat = dyn_cast<SplatElementsAttr>(factor))
      opposite = DenseElementsAttr::get(splat.getType(),
                                        -splat.getSplatValue<APFloat>());
    else
      return failure();
    Value constant = arith::ConstantOp::create(rewriter, op.getLoc(), opposite);
    rewriter.replaceOpWithNewOp<arith::MulFOp>(op, negated, constant,
                                               op.getFastmath());
    return success();
  }
};

struct ExpandRotatePass
    : public bfly::impl::ExpandRotatePassBase<ExpandRotatePass> {
  using ExpandRotatePassBase::ExpandRotatePassBase;

  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    patterns.add<ExpandRotate, AddOfNegation, SubOfNegation, MulOfNegation>(
        &getContext());
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns))))
      signalPassFailure();
  }
};

} // namespace
