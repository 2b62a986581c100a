// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Before: any operations of the math dialect, f16 to f64.
// After: none of 16 bits, and none that upstream's conversions to LLVM and to
// NVVM do not both know: integer powers, clamps, tests of a number's class,
// sine and cosine together.

#include "bfly/Transforms/Passes.h"

#include "RegisterArith.h"
#include "mlir/IR/Matchers.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"
#include "llvm/ADT/TypeSwitch.h"

namespace mlir::bfly {
#define GEN_PASS_DEF_EXPANDMATHPASS
#include "bfly/Transforms/Passes.h.inc"
} // namespace mlir::bfly

using namespace mlir;
using namespace mlir::bfly;
using Predicate = arith::CmpFPredicate;

namespace {

/// Products and sums of integers, as `power` needs them.
struct IntegerArith {
  ImplicitLocOpBuilder builder;
  Type type;

  Value constant(int64_t value) {
    TypedAttr attribute;
    Type element = getElementTypeOrSelf(type);
    if (auto shaped = dyn_cast<ShapedType>(type))
      attribute = DenseElementsAttr::get(
          shaped, cast<Attribute>(builder.getIntegerAttr(element, value)));
    else
      attribute = builder.getIntegerAttr(type, value);
    return arith::ConstantOp::create(builder, attribute);
  }
  Value mul(Value a, Value b) { return arith::MulIOp::create(builder, a, b); }
  Value isEqual(Value a, Value b) {
    return arith::CmpIOp::create(builder, arith::CmpIPredicate::eq, a, b);
  }
  Value select(Value condition, Value a, Value b) {
    return arith::SelectOp::create(builder, condition, a, b);
  }
};

/// base^exponent by squaring, of what has `mul`.
template <typename Arith>
Value powerBySquaring(Arith &arith, Value base, uint64_t exponent, Value one) {
  Value result;
  for (; exponent; exponent >>= 1) {
    if (exponent & 1)
      result = result ? arith.mul(result, base) : base;
    if (exponent > 1)
      base = arith.mul(base, base);
  }
  return result ? result : one;
}

/// Small constant powers are products; else pow of the magnitude, with the sign
/// of an odd power.
struct ExpandFPowI : OpRewritePattern<math::FPowIOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(math::FPowIOp op,
                                PatternRewriter &rewriter) const override {
    Type type = op.getType();
    RegisterArith arith(rewriter, op.getLoc(), type, op.getFastmath());
    ImplicitLocOpBuilder &builder = arith.getBuilder();
    Value base = op.getLhs(), exponent = op.getRhs(), one = arith.constant(1);
    APInt constant;
    if (matchPattern(exponent, m_ConstantInt(&constant)) &&
        constant.abs().ule(8)) {
      Value power =
          powerBySquaring(arith, base, constant.abs().getZExtValue(), one);
      rewriter.replaceOp(op,
                         constant.isNegative() ? arith.div(one, power) : power);
      return success();
    }
    if (getElementTypeOrSelf(exponent).isIndex()) {
      Type wide = builder.getI64Type();
      if (auto shaped = dyn_cast<ShapedType>(exponent.getType()))
        wide = shaped.clone(wide);
      exponent = arith::IndexCastOp::create(builder, wide, exponent);
    }
    IntegerArith integers{builder, exponent.getType()};
    Value isOdd = integers.isEqual(
        arith::AndIOp::create(builder, exponent, integers.constant(1)),
        integers.constant(1));
    Value real = arith::SIToFPOp::create(builder, type, exponent);
    Value power = arith.call<math::PowFOp>(arith.abs(base), real);
    Value sign =
        arith.select(isOdd, arith.call<math::CopySignOp>(one, base), one);
    rewriter.replaceOp(op, arith.mul(power, sign));
    return success();
  }
};

/// By squaring, a step for each bit of the exponent. A negative power is 0,
/// but of 1 and -1.
struct ExpandIPowI : OpRewritePattern<math::IPowIOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(math::IPowIOp op,
                                PatternRewriter &rewriter) const override {
    Type type = op.getType();
    IntegerArith arith{ImplicitLocOpBuilder(op.getLoc(), rewriter), type};
    ImplicitLocOpBuilder &builder = arith.builder;
    Value base = op.getLhs(), exponent = op.getRhs();
    Value zero = arith.constant(0), one = arith.constant(1);
    APInt constant;
    if (matchPattern(exponent, m_ConstantInt(&constant)) &&
        !constant.isNegative()) {
      rewriter.replaceOp(
          op, powerBySquaring(arith, base, constant.getZExtValue(), one));
      return success();
    }
    Type element = getElementTypeOrSelf(type);
    unsigned width = element.isIndex() ? 64 : element.getIntOrFloatBitWidth();
    auto bit = [&](Value value) {
      return arith.isEqual(arith::AndIOp::create(builder, value, one), one);
    };
    Value result = one, square = base, rest = exponent;
    // The last bit is the sign.
    for (unsigned i = 0; i + 1 < width; ++i) {
      result = arith.select(bit(rest), arith.mul(result, square), result);
      square = arith.mul(square, square);
      rest = arith::ShRUIOp::create(builder, rest, one);
    }
    Value minusOne = arith.constant(-1);
    Value ofMinusOne = arith.select(bit(exponent), minusOne, one);
    Value negative = arith.select(
        arith.isEqual(base, one), one,
        arith.select(arith.isEqual(base, minusOne), ofMinusOne, zero));
    Value isNegative = arith::CmpIOp::create(builder, arith::CmpIPredicate::slt,
                                             exponent, zero);
    rewriter.replaceOp(op, arith.select(isNegative, negative, result));
    return success();
  }
};

struct ExpandClampF : OpRewritePattern<math::ClampFOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(math::ClampFOp op,
                                PatternRewriter &rewriter) const override {
    Value atLeast = arith::MaximumFOp::create(
        rewriter, op.getLoc(), op.getValue(), op.getMin(), op.getFastmath());
    rewriter.replaceOpWithNewOp<arith::MinimumFOp>(op, atLeast, op.getMax(),
                                                   op.getFastmath());
    return success();
  }
};

struct ExpandSinCos : OpRewritePattern<math::SincosOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(math::SincosOp op,
                                PatternRewriter &rewriter) const override {
    Value x = op.getOperand();
    Value sin = math::SinOp::create(rewriter, op.getLoc(), x, op.getFastmath());
    Value cos = math::CosOp::create(rewriter, op.getLoc(), x, op.getFastmath());
    rewriter.replaceOp(op, {sin, cos});
    return success();
  }
};

/// isnan, isinf, isfinite and isnormal: comparisons, in whatever type it is.
template <typename OpTy> struct ExpandClass : OpRewritePattern<OpTy> {
  using OpRewritePattern<OpTy>::OpRewritePattern;

  LogicalResult matchAndRewrite(OpTy op,
                                PatternRewriter &rewriter) const override {
    Value x = op.getOperand();
    ImplicitLocOpBuilder builder(op.getLoc(), rewriter);
    auto element = cast<FloatType>(getElementTypeOrSelf(x));
    const llvm::fltSemantics &semantics = element.getFloatSemantics();
    auto constant = [&](const APFloat &value) -> Value {
      TypedAttr attribute = builder.getFloatAttr(element, value);
      if (auto shaped = dyn_cast<ShapedType>(x.getType()))
        attribute = DenseElementsAttr::get(shaped, cast<Attribute>(attribute));
      return arith::ConstantOp::create(builder, attribute);
    };
    auto compare = [&](Predicate predicate, Value a, Value b) -> Value {
      return arith::CmpFOp::create(builder, predicate, a, b);
    };
    if (isa<math::IsNaNOp>(op)) {
      rewriter.replaceOp(op, compare(Predicate::UNO, x, x));
      return success();
    }
    Value size = math::AbsFOp::create(builder, x);
    Value infinity = constant(APFloat::getInf(semantics));
    if (isa<math::IsInfOp>(op)) {
      rewriter.replaceOp(op, compare(Predicate::OEQ, size, infinity));
      return success();
    }
    Value isFinite = compare(Predicate::OLT, size, infinity);
    if (isa<math::IsNormalOp>(op)) {
      Value least = constant(APFloat::getSmallestNormalized(semantics));
      isFinite = arith::AndIOp::create(builder, isFinite,
                                       compare(Predicate::OGE, size, least));
    }
    rewriter.replaceOp(op, isFinite);
    return success();
  }
};

bool isHalf(Type type) {
  Type element = getElementTypeOrSelf(type);
  return isa<Float16Type, BFloat16Type>(element);
}

/// f16 and bf16 by way of f32.
LogicalResult widenHalf(Operation *op, PatternRewriter &rewriter) {
  bool returnsHalf = llvm::any_of(op->getResultTypes(), isHalf);
  if (op->getDialect()->getNamespace() !=
          math::MathDialect::getDialectNamespace() ||
      !returnsHalf || op->getNumRegions())
    return failure();
  auto widen = [&](Type type) -> Type {
    if (!isHalf(type))
      return type;
    if (auto shaped = dyn_cast<ShapedType>(type))
      return shaped.clone(rewriter.getF32Type());
    return rewriter.getF32Type();
  };
  Operation *copy = op->clone();
  for (OpOperand &operand : copy->getOpOperands())
    if (isHalf(operand.get().getType()))
      operand.set(arith::ExtFOp::create(rewriter, op->getLoc(),
                                        widen(operand.get().getType()),
                                        operand.get()));
  for (Value result : copy->getResults())
    result.setType(widen(result.getType()));
  rewriter.insert(copy);
  SmallVector<Value> results;
  for (auto [old, wide] : llvm::zip(op->getResults(), copy->getResults())) {
    Value result = wide;
    if (old.getType() != wide.getType())
      result =
          arith::TruncFOp::create(rewriter, op->getLoc(), old.getType(), wide);
    results.push_back(result);
  }
  rewriter.replaceOp(op, results);
  return success();
}

struct WidenHalf : RewritePattern {
  explicit WidenHalf(MLIRContext *context)
      : RewritePattern(MatchAnyOpTypeTag(), /*benefit=*/2, context) {}

  LogicalResult matchAndRewrite(Operation *op,
                                PatternRewriter &rewriter) const override {
    return widenHalf(op, rewriter);
  }
};

struct ExpandMathPass : public bfly::impl::ExpandMathPassBase<ExpandMathPass> {
  void runOnOperation() override {
    MLIRContext *context = &getContext();
    SmallVector<Operation *> found;
    getOperation()->walk([&](Operation *op) {
      if (isa_and_nonnull<math::MathDialect>(op->getDialect()))
        found.push_back(op);
    });
    RewritePatternSet patterns(context);
    patterns.add<ExpandFPowI, ExpandIPowI, ExpandClampF, ExpandSinCos,
                 ExpandClass<math::IsNaNOp>, ExpandClass<math::IsInfOp>,
                 ExpandClass<math::IsFiniteOp>, ExpandClass<math::IsNormalOp>,
                 WidenHalf>(context);
    GreedyRewriteConfig config;
    config.setStrictness(GreedyRewriteStrictness::ExistingAndNewOps);
    if (failed(applyOpPatternsGreedily(found, std::move(patterns), config)))
      signalPassFailure();
  }
};

} // namespace
