// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Before: any operations of the complex dialect on scalars, f16 to f64.
// After: none but `complex.create` where a value leaves for memory, a call or a
// loop's results, and `complex.re` and `complex.im` where one comes from there;
// where complex values flow through operations of the dialect and selects
// alone, no complex type is left. The code is straight-line arith and math, so
// that a loop around it vectorises.
//
// Sums and products are here, exponentials, roots and powers in
// ComplexFunctions.cpp; comparisons are upstream's. Products are the
// textbook's: no branch recovers infinities from NaNs. The zero of a real
// factor has a say in the sign of a zero and so in the side of a branch cut; it
// is left out where nothing is read that could tell.

#include "bfly/Transforms/Passes.h"

#include "ComplexParts.h"
#include "ZeroSigns.h"
#include "bfly/IR/Bfly.h"
#include "mlir/Conversion/ComplexToStandard/ComplexToStandard.h"
#include "mlir/IR/Matchers.h"
#include "mlir/Transforms/DialectConversion.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

namespace mlir::bfly {
#define GEN_PASS_DEF_EXPANDCOMPLEXPASS
#include "bfly/Transforms/Passes.h.inc"
} // namespace mlir::bfly

using namespace mlir;
using namespace mlir::bfly;

static Parts getConstantParts(OpBuilder &builder, complex::ConstantOp op) {
  auto part = [&](Attribute attribute) {
    return arith::ConstantOp::create(builder, op.getLoc(),
                                     cast<TypedAttr>(attribute));
  };
  return {part(op.getValue()[0]), part(op.getValue()[1])};
}

Parts mlir::bfly::getParts(ImplicitLocOpBuilder &builder, Value value) {
  if (auto constant = value.getDefiningOp<complex::ConstantOp>())
    return getConstantParts(builder, constant);
  if (auto create = value.getDefiningOp<complex::CreateOp>())
    return {create.getReal(), create.getImaginary()};
  return {complex::ReOp::create(builder, value),
          complex::ImOp::create(builder, value)};
}

/// Whether a real value is the constant 0 (or -0).
static bool isZero(Value value) {
  return matchPattern(value, m_AnyZeroFloat());
}

/// Smith's division (Algorithm 116, CACM 1962), both of its cases chosen by
/// selects: with the divisor's parts as `larger` and `smaller` in magnitude and
/// r = smaller / larger, nothing is squared, so nothing overflows that need
/// not, but for values within a factor of two of the largest.
Parts mlir::bfly::divideParts(RegisterArith &arith, Parts a, Parts b) {
  if (isZero(b.im))
    return {arith.div(a.re, b.re), arith.div(a.im, b.re)};
  Value isImagLarger = arith.compare(arith::CmpFPredicate::OLT, arith.abs(b.re),
                                     arith.abs(b.im));
  Value larger = arith.select(isImagLarger, b.im, b.re);
  Value smaller = arith.select(isImagLarger, b.re, b.im);
  // 0 / 0 is no ratio; a division by zero then gives infinities.
  Value zero = arith.constant(0);
  Value ratio =
      arith.select(arith.compare(arith::CmpFPredicate::OEQ, larger, zero), zero,
                   arith.div(smaller, larger));
  Value divisor = arith.add(larger, arith.mul(smaller, ratio));
  // re: b.re larger: a.re + a.im r, else a.re r + a.im;
  // im: b.re larger: a.im - a.re r, else a.im r - a.re.
  Value re =
      arith.add(arith.select(isImagLarger, a.im, a.re),
                arith.mul(arith.select(isImagLarger, a.re, a.im), ratio));
  Value im = arith.select(isImagLarger, arith.sub(arith.mul(a.im, ratio), a.re),
                          arith.sub(a.im, arith.mul(a.re, ratio)));
  return {arith.div(re, divisor), arith.div(im, divisor)};
}

namespace {

struct ExpandAdd : PartsPattern<complex::AddOp, ExpandAdd> {
  using PartsPattern::PartsPattern;
  static Parts expand(RegisterArith &arith, Operation *, ArrayRef<Parts> x) {
    return {arith.add(x[0].re, x[1].re), arith.add(x[0].im, x[1].im)};
  }
};

struct ExpandSub : PartsPattern<complex::SubOp, ExpandSub> {
  using PartsPattern::PartsPattern;
  static Parts expand(RegisterArith &arith, Operation *, ArrayRef<Parts> x) {
    return {arith.sub(x[0].re, x[1].re), arith.sub(x[0].im, x[1].im)};
  }
};

struct ExpandNeg : PartsPattern<complex::NegOp, ExpandNeg> {
  using PartsPattern::PartsPattern;
  static Parts expand(RegisterArith &arith, Operation *, ArrayRef<Parts> x) {
    return {arith.neg(x[0].re), arith.neg(x[0].im)};
  }
};

struct ExpandConj : PartsPattern<complex::ConjOp, ExpandConj> {
  using PartsPattern::PartsPattern;
  static Parts expand(RegisterArith &arith, Operation *, ArrayRef<Parts> x) {
    return {x[0].re, arith.neg(x[0].im)};
  }
};

/// On a product by a real number, of which the sign of a zero does not matter.
constexpr StringLiteral kRealFactor = "bfly.real_factor";

struct ExpandMul : PartsPattern<complex::MulOp, ExpandMul> {
  using PartsPattern::PartsPattern;
  static Parts expand(RegisterArith &arith, Operation *op, ArrayRef<Parts> x) {
    Parts a = x[0], b = x[1];
    if (op->hasAttr(kRealFactor)) {
      if (isZero(a.im))
        std::swap(a, b);
      if (isZero(b.im))
        return {arith.mul(a.re, b.re), arith.mul(a.im, b.re)};
    }
    return {arith.sub(arith.mul(a.re, b.re), arith.mul(a.im, b.im)),
            arith.add(arith.mul(a.re, b.im), arith.mul(a.im, b.re))};
  }
};

struct ExpandDiv : PartsPattern<complex::DivOp, ExpandDiv> {
  using PartsPattern::PartsPattern;
  static Parts expand(RegisterArith &arith, Operation *, ArrayRef<Parts> x) {
    return divideParts(arith, x[0], x[1]);
  }
};

/// To and from an integer or a real number of the same width: the real part is
/// in the lower half, as it is in memory.
struct ExpandBitcast : OpRewritePattern<complex::BitcastOp> {
  explicit ExpandBitcast(MLIRContext *context)
      : OpRewritePattern(context, /*benefit=*/2) {}

  LogicalResult matchAndRewrite(complex::BitcastOp op,
                                PatternRewriter &rewriter) const override {
    ImplicitLocOpBuilder builder(op.getLoc(), rewriter);
    Type from = op.getOperand().getType(), to = op.getType();
    FloatType part = getPartType(isa<ComplexType>(from) ? from : to);
    if (!part || isa<ComplexType>(from) == isa<ComplexType>(to))
      return failure();
    Type half = builder.getIntegerType(part.getWidth());
    Type whole = builder.getIntegerType(2 * part.getWidth());
    Value width = arith::ConstantOp::create(
        builder, builder.getIntegerAttr(whole, part.getWidth()));
    auto cast = [&](Value value, Type type) -> Value {
      if (value.getType() == type)
        return value;
      return arith::BitcastOp::create(builder, type, value);
    };
    if (isa<ComplexType>(from)) {
      Parts parts = getParts(builder, op.getOperand());
      Value low = arith::ExtUIOp::create(builder, whole, cast(parts.re, half));
      Value high = arith::ExtUIOp::create(builder, whole, cast(parts.im, half));
      high = arith::ShLIOp::create(builder, high, width);
      Value bits = arith::OrIOp::create(builder, low, high);
      rewriter.replaceOp(op, cast(bits, to));
      return success();
    }
    Value bits = cast(op.getOperand(), whole);
    Value shifted = arith::ShRUIOp::create(builder, bits, width);
    Value re = arith::TruncIOp::create(builder, half, bits);
    Value im = arith::TruncIOp::create(builder, half, shifted);
    rewriter.replaceOpWithNewOp<complex::CreateOp>(op, to, cast(re, part),
                                                   cast(im, part));
    return success();
  }
};

struct ExpandConstant : OpRewritePattern<complex::ConstantOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(complex::ConstantOp op,
                                PatternRewriter &rewriter) const override {
    Parts parts = getConstantParts(rewriter, op);
    rewriter.replaceOpWithNewOp<complex::CreateOp>(op, op.getType(), parts.re,
                                                   parts.im);
    return success();
  }
};

/// Selects each part.
struct ExpandSelect : OpRewritePattern<arith::SelectOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(arith::SelectOp op,
                                PatternRewriter &rewriter) const override {
    if (!getPartType(op.getType()))
      return failure();
    ImplicitLocOpBuilder builder(op.getLoc(), rewriter);
    Parts a = getParts(builder, op.getTrueValue());
    Parts b = getParts(builder, op.getFalseValue());
    auto select = [&](Value x, Value y) {
      return arith::SelectOp::create(builder, op.getCondition(), x, y);
    };
    rewriter.replaceOpWithNewOp<complex::CreateOp>(
        op, op.getType(), select(a.re, b.re), select(a.im, b.im));
    return success();
  }
};

struct ExpandComplexPass
    : public bfly::impl::ExpandComplexPassBase<ExpandComplexPass> {
  using ExpandComplexPassBase::ExpandComplexPassBase;

  void runOnOperation() override {
    MLIRContext *context = &getContext();
    // Before anything is expanded: what reads a product shows then.
    getOperation()->walk([&](complex::MulOp op) {
      if (!signOfZeroMatters(op))
        op->setAttr(kRealFactor, UnitAttr::get(context));
    });
    RewritePatternSet patterns(context);
    populateComplexToStandardConversionPatterns(patterns);
    populateComplexFunctionPatterns(patterns);
    patterns.add<ExpandAdd, ExpandSub, ExpandNeg, ExpandConj, ExpandMul,
                 ExpandDiv, ExpandBitcast, ExpandConstant, ExpandSelect>(
        context);
    ConversionTarget target(*context);
    target.addLegalDialect<arith::ArithDialect, math::MathDialect>();
    target.addIllegalDialect<complex::ComplexDialect>();
    target.addLegalOp<complex::CreateOp, complex::ReOp, complex::ImOp>();
    target.addDynamicallyLegalOp<arith::SelectOp>(
        [](arith::SelectOp op) { return !getPartType(op.getType()); });
    // Says which operation it could not convert.
    if (failed(applyPartialConversion(getOperation(), target,
                                      std::move(patterns))))
      return signalPassFailure();

    // The folds of re and im meet the creates, and dead creates go.
    if (failed(
            applyPatternsGreedily(getOperation(), RewritePatternSet(context))))
      signalPassFailure();
  }
};

} // namespace
