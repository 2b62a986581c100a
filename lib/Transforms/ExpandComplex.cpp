// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Before: any operations of the complex dialect on scalars, f32 or f64.
// After: none but `complex.create` where a value leaves for memory, a call or a
// loop's results, and `complex.re` and `complex.im` where one comes from there;
// where complex values flow through operations of the dialect and selects
// alone, no complex type is left. The code is straight-line arith and math, so
// that a loop around it vectorises.
//
// Sums, products, quotients and absolute values are ours, everything else
// (exponentials, roots, powers) upstream's, which is built of these. Products
// are the textbook's: no branch recovers infinities from NaNs, and none leaves
// out the zero of a real factor, which has a say in the sign of a zero and so
// in the side of a branch cut.

#include "bfly/Transforms/Passes.h"

#include "RegisterArith.h"
#include "bfly/IR/Bfly.h"
#include "mlir/Conversion/ComplexToStandard/ComplexToStandard.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/Matchers.h"
#include "mlir/Transforms/DialectConversion.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

namespace mlir::bfly {
#define GEN_PASS_DEF_EXPANDCOMPLEXPASS
#include "bfly/Transforms/Passes.h.inc"
} // namespace mlir::bfly

using namespace mlir;
using namespace mlir::bfly;

namespace {

/// A complex value as two real ones.
struct Parts {
  Value re, im;
};

/// The real type under complex<f32> or complex<f64>.
FloatType getPartType(Type type) {
  return cast<FloatType>(cast<ComplexType>(type).getElementType());
}

bool isSupported(Type type) {
  auto complexType = dyn_cast<ComplexType>(type);
  return complexType &&
         isa<Float32Type, Float64Type>(complexType.getElementType());
}

Parts getConstantParts(OpBuilder &builder, complex::ConstantOp op) {
  auto part = [&](Attribute attribute) {
    return arith::ConstantOp::create(builder, op.getLoc(),
                                     cast<TypedAttr>(attribute));
  };
  return {part(op.getValue()[0]), part(op.getValue()[1])};
}

Parts getParts(ImplicitLocOpBuilder &builder, Value value) {
  if (auto constant = value.getDefiningOp<complex::ConstantOp>())
    return getConstantParts(builder, constant);
  if (auto create = value.getDefiningOp<complex::CreateOp>())
    return {create.getReal(), create.getImaginary()};
  return {complex::ReOp::create(builder, value),
          complex::ImOp::create(builder, value)};
}

/// A pattern that gets its operands as parts and returns the result's.
template <typename OpTy, typename Derived>
struct PartsPattern : OpRewritePattern<OpTy> {
  // Ahead of upstream's, of benefit 1.
  explicit PartsPattern(MLIRContext *context)
      : OpRewritePattern<OpTy>(context, /*benefit=*/2) {}

  LogicalResult matchAndRewrite(OpTy op,
                                PatternRewriter &rewriter) const override {
    if (!isSupported(op->getOperand(0).getType()))
      return failure();
    // What the operation allows already, it still does.
    arith::FastMathFlags flags =
        op.getFastmath() | arith::FastMathFlags::contract;
    RegisterArith arith(rewriter, op.getLoc(),
                        getPartType(op->getOperand(0).getType()), flags);
    SmallVector<Parts> operands;
    for (Value operand : op->getOperands())
      operands.push_back(getParts(arith.getBuilder(), operand));
    replace(rewriter, op, Derived::expand(arith, operands));
    return success();
  }

private:
  static void replace(PatternRewriter &rewriter, OpTy op, Parts result) {
    rewriter.replaceOpWithNewOp<complex::CreateOp>(op, op.getType(), result.re,
                                                   result.im);
  }
  static void replace(PatternRewriter &rewriter, OpTy op, Value result) {
    rewriter.replaceOp(op, result);
  }
};

struct ExpandAdd : PartsPattern<complex::AddOp, ExpandAdd> {
  using PartsPattern::PartsPattern;
  static Parts expand(RegisterArith &arith, ArrayRef<Parts> x) {
    return {arith.add(x[0].re, x[1].re), arith.add(x[0].im, x[1].im)};
  }
};

struct ExpandSub : PartsPattern<complex::SubOp, ExpandSub> {
  using PartsPattern::PartsPattern;
  static Parts expand(RegisterArith &arith, ArrayRef<Parts> x) {
    return {arith.sub(x[0].re, x[1].re), arith.sub(x[0].im, x[1].im)};
  }
};

struct ExpandNeg : PartsPattern<complex::NegOp, ExpandNeg> {
  using PartsPattern::PartsPattern;
  static Parts expand(RegisterArith &arith, ArrayRef<Parts> x) {
    return {arith.neg(x[0].re), arith.neg(x[0].im)};
  }
};

struct ExpandConj : PartsPattern<complex::ConjOp, ExpandConj> {
  using PartsPattern::PartsPattern;
  static Parts expand(RegisterArith &arith, ArrayRef<Parts> x) {
    return {x[0].re, arith.neg(x[0].im)};
  }
};

/// Whether a real value is the constant 0 (or -0).
bool isZero(Value value) { return matchPattern(value, m_AnyZeroFloat()); }

struct ExpandMul : PartsPattern<complex::MulOp, ExpandMul> {
  using PartsPattern::PartsPattern;
  static Parts expand(RegisterArith &arith, ArrayRef<Parts> x) {
    Parts a = x[0], b = x[1];
    return {arith.sub(arith.mul(a.re, b.re), arith.mul(a.im, b.im)),
            arith.add(arith.mul(a.re, b.im), arith.mul(a.im, b.re))};
  }
};

/// Smith's division (Algorithm 116, CACM 1962), both of its cases chosen by
/// selects: with the divisor's parts as `larger` and `smaller` in magnitude and
/// r = smaller / larger, nothing is squared, so nothing overflows that need
/// not, but for values within a factor of two of the largest.
struct ExpandDiv : PartsPattern<complex::DivOp, ExpandDiv> {
  using PartsPattern::PartsPattern;
  static Parts expand(RegisterArith &arith, ArrayRef<Parts> x) {
    Parts a = x[0], b = x[1];
    if (isZero(b.im))
      return {arith.div(a.re, b.re), arith.div(a.im, b.re)};
    Value isImagLarger = arith.compare(arith::CmpFPredicate::OLT,
                                       arith.abs(b.re), arith.abs(b.im));
    Value larger = arith.select(isImagLarger, b.im, b.re);
    Value smaller = arith.select(isImagLarger, b.re, b.im);
    // 0 / 0 is no ratio; a division by zero then gives infinities.
    Value zero = arith.constant(0);
    Value ratio =
        arith.select(arith.compare(arith::CmpFPredicate::OEQ, larger, zero),
                     zero, arith.div(smaller, larger));
    Value divisor = arith.add(larger, arith.mul(smaller, ratio));
    // re: b.re larger: a.re + a.im r, else a.re r + a.im;
    // im: b.re larger: a.im - a.re r, else a.im r - a.re.
    Value re =
        arith.add(arith.select(isImagLarger, a.im, a.re),
                  arith.mul(arith.select(isImagLarger, a.re, a.im), ratio));
    Value im =
        arith.select(isImagLarger, arith.sub(arith.mul(a.im, ratio), a.re),
                     arith.sub(a.im, arith.mul(a.re, ratio)));
    return {arith.div(re, divisor), arith.div(im, divisor)};
  }
};

/// Powers of two: a value whose larger part is above `high` is scaled by
/// `down`, one below `low` by `up`, before its parts are squared. They are such
/// that no square overflows, the square of the larger part keeps its precision,
/// a subnormal part is brought back to full range, and the factors' reciprocals
/// are normal.
struct AbsScales {
  int high, low, down, up;
};
constexpr AbsScales kScalesF32 = {60, -50, -66, 100};
constexpr AbsScales kScalesF64 = {500, -450, -600, 700};

/// sqrt(re^2 + im^2), scaled. Infinity for an infinite part, NaN for a NaN one.
struct ExpandAbs : PartsPattern<complex::AbsOp, ExpandAbs> {
  using PartsPattern::PartsPattern;
  static Value expand(RegisterArith &arith, ArrayRef<Parts> x) {
    AbsScales scales = arith.getElementType().isF32() ? kScalesF32 : kScalesF64;
    auto power = [&](int exponent) {
      return arith.constant(std::ldexp(1.0L, exponent));
    };
    // A comparison and a select is what x86 has as one instruction; a NaN gets
    // through the squares, whichever scale it meets.
    Value re = arith.abs(x[0].re), im = arith.abs(x[0].im);
    Value larger =
        arith.select(arith.compare(arith::CmpFPredicate::OGT, re, im), re, im);
    Value isHigh =
        arith.compare(arith::CmpFPredicate::OGT, larger, power(scales.high));
    Value isLow =
        arith.compare(arith::CmpFPredicate::OLT, larger, power(scales.low));
    Value one = arith.constant(1);
    Value scale = arith.select(isHigh, power(scales.down),
                               arith.select(isLow, power(scales.up), one));
    Value unscale = arith.select(isHigh, power(-scales.down),
                                 arith.select(isLow, power(-scales.up), one));
    re = arith.mul(re, scale);
    im = arith.mul(im, scale);
    Value norm = arith.add(arith.mul(re, re), arith.mul(im, im));
    return arith.mul(arith.sqrt(norm), unscale);
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
    if (!isSupported(op.getType()))
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
    RewritePatternSet patterns(context);
    populateComplexToStandardConversionPatterns(patterns);
    patterns.add<ExpandAdd, ExpandSub, ExpandNeg, ExpandConj, ExpandMul,
                 ExpandDiv, ExpandAbs, ExpandConstant, ExpandSelect>(context);
    ConversionTarget target(*context);
    target.addLegalDialect<arith::ArithDialect, math::MathDialect>();
    target.addIllegalDialect<complex::ComplexDialect>();
    target.addLegalOp<complex::CreateOp, complex::ReOp, complex::ImOp>();
    target.addDynamicallyLegalOp<arith::SelectOp>(
        [](arith::SelectOp op) { return !isSupported(op.getType()); });
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
