// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The derivatives of arith and math, as docs/derivatives.md has them.

#include "SharedRules.h"

#include "mlir/IR/Matchers.h"

#include <cmath>

using namespace mlir;
using namespace mlir::bfly;

namespace {

using arith::CmpFPredicate;

LogicalResult remRule(arith::RemFOp op, OpBuilder &builder, Value g,
                      Gradients &gradients) {
  RuleBuilder rule(builder, op);
  Value a = op.getLhs(), b = op.getRhs();
  gradients.add(builder, a, g);
  if (gradients.wants(b)) {
    Value times = rule.make<math::TruncOp>(rule.div(a, b));
    gradients.add(builder, b, rule.neg(rule.mul(g, times)));
  }
  return success();
}

/// Of a maximum, `before` is less-than: half to each of equal numbers, and
/// nothing to one that equals a constant (relu, clamp).
template <typename OpTy, CmpFPredicate before, CmpFPredicate beforeOrEqual>
LogicalResult extremumRule(OpTy op, OpBuilder &builder, Value g,
                           Gradients &gradients) {
  RuleBuilder rule(builder, op);
  Value a = op.getLhs(), b = op.getRhs();
  bool constant =
      matchPattern(a, m_Constant()) || matchPattern(b, m_Constant());
  Value zero = rule.number(g, 0);
  auto give = [&](Value to, Value other) {
    if (!gradients.wants(to))
      return;
    Value share = g;
    if (!constant) {
      Value equal = rule.compare(CmpFPredicate::OEQ, to, other);
      share = rule.select(equal, rule.scaled(0.5, g), g);
    }
    Value lost = rule.compare(constant ? beforeOrEqual : before, to, other);
    gradients.add(builder, to, rule.select(lost, zero, share));
  };
  give(a, b);
  give(b, a);
  return success();
}

/// Of maxnumf and minnumf: of equal numbers the first, a NaN never.
template <typename OpTy, CmpFPredicate takes>
LogicalResult numberRule(OpTy op, OpBuilder &builder, Value g,
                         Gradients &gradients) {
  RuleBuilder rule(builder, op);
  Value a = op.getLhs(), b = op.getRhs();
  Value zero = rule.number(g, 0);
  Value first = rule.compare(takes, a, b);
  Value none = rule.compare(CmpFPredicate::UNO, b, b);
  first = rule.make<arith::OrIOp>(first, none);
  gradients.add(builder, a, rule.select(first, g, zero));
  gradients.add(builder, b, rule.select(first, zero, g));
  return success();
}

LogicalResult selectRule(arith::SelectOp op, OpBuilder &builder, Value g,
                         Gradients &gradients) {
  Value condition = op.getCondition();
  Location loc = op.getLoc();
  // A zero of any type, complex numbers' tensors too.
  Value zero = createZeroLike(builder, loc, g);
  gradients.add(builder, op.getTrueValue(),
                arith::SelectOp::create(builder, loc, condition, g, zero));
  gradients.add(builder, op.getFalseValue(),
                arith::SelectOp::create(builder, loc, condition, zero, g));
  return success();
}

/// A wider or narrower type hands the gradient on.
template <typename OpTy>
LogicalResult convertRule(OpTy op, OpBuilder &builder, Value g,
                          Gradients &gradients) {
  Type type = op.getIn().getType();
  bool widens = isa<arith::TruncFOp>(op.getOperation());
  Value converted =
      widens ? Value(arith::ExtFOp::create(builder, op.getLoc(), type, g))
             : Value(arith::TruncFOp::create(builder, op.getLoc(), type, g));
  gradients.add(builder, op.getIn(), converted);
  return success();
}

LogicalResult fmaRule(math::FmaOp op, OpBuilder &builder, Value g,
                      Gradients &gradients) {
  RuleBuilder rule(builder, op);
  gradients.add(builder, op.getA(), rule.mul(g, op.getB()));
  gradients.add(builder, op.getB(), rule.mul(g, op.getA()));
  gradients.add(builder, op.getC(), g);
  return success();
}

/// A number on a bound counts as beyond it.
LogicalResult clampRule(math::ClampFOp op, OpBuilder &builder, Value g,
                        Gradients &gradients) {
  RuleBuilder rule(builder, op);
  Value x = op.getValue(), low = op.getMin(), high = op.getMax();
  Value zero = rule.number(g, 0);
  Value inner = rule.make<arith::MaximumFOp>(x, low);
  Value beyond = rule.compare(CmpFPredicate::OGE, inner, high);
  Value above = rule.compare(CmpFPredicate::OGT, x, low);
  Value within = rule.select(beyond, zero, g);
  gradients.add(builder, x, rule.select(above, within, zero));
  gradients.add(builder, low, rule.select(above, zero, within));
  gradients.add(builder, high, rule.select(beyond, g, zero));
  return success();
}

LogicalResult copySignRule(math::CopySignOp op, OpBuilder &builder, Value g,
                           Gradients &gradients) {
  RuleBuilder rule(builder, op);
  gradients.add(builder, op.getLhs(),
                rule.mul(g, rule.over(op.getResult(), op.getLhs())));
  return success();
}

/// What is rounded to an integer has derivative 0.
template <typename OpTy>
LogicalResult flatRule(OpTy, OpBuilder &, Value, Gradients &) {
  return success();
}

LogicalResult atan2Rule(math::Atan2Op op, OpBuilder &builder, Value g,
                        Gradients &gradients) {
  RuleBuilder rule(builder, op);
  Value a = op.getLhs(), b = op.getRhs();
  Value size = rule.add(rule.mul(a, a), rule.mul(b, b));
  gradients.add(builder, a, rule.mul(g, rule.over(b, size)));
  gradients.add(builder, b, rule.neg(rule.mul(g, rule.over(a, size))));
  return success();
}

/// z^0 is 1 everywhere; 0^w is 0 for every w > 0 and does not change with it.
LogicalResult powRule(math::PowFOp op, OpBuilder &builder, Value g,
                      Gradients &gradients) {
  RuleBuilder rule(builder, op);
  Value a = op.getLhs(), b = op.getRhs();
  Value zero = rule.number(g, 0);
  if (gradients.wants(a)) {
    Value less = rule.make<math::PowFOp>(a, rule.plus(b, -1));
    Value slope = rule.mul(g, rule.mul(b, less));
    gradients.add(builder, a, rule.select(rule.isZero(b), zero, slope));
  }
  if (gradients.wants(b)) {
    Value none = rule.isZero(a);
    Value still = rule.make<arith::AndIOp>(
        none, rule.compare(CmpFPredicate::OGE, b, rule.number(b, 0)));
    Value log = rule.make<math::LogOp>(rule.select(none, rule.number(a, 1), a));
    Value slope = rule.mul(g, rule.mul(op.getResult(), log));
    gradients.add(builder, b, rule.select(still, zero, slope));
  }
  return success();
}

LogicalResult powiRule(math::FPowIOp op, OpBuilder &builder, Value g,
                       Gradients &gradients) {
  RuleBuilder rule(builder, op);
  Value a = op.getLhs(), n = op.getRhs();
  Value less = rule.make<arith::SubIOp>(n, rule.number(n, 1));
  Value power = rule.make<math::FPowIOp>(a, less);
  Value factor = arith::SIToFPOp::create(builder, op.getLoc(), a.getType(), n);
  Value none = arith::CmpIOp::create(
      builder, op.getLoc(), arith::CmpIPredicate::eq, n, rule.number(n, 0));
  Value slope = rule.mul(g, rule.mul(factor, power));
  gradients.add(builder, a, rule.select(none, rule.number(g, 0), slope));
  return success();
}

Value sign(RuleBuilder &r, Value, Value a) {
  Value one = r.make<math::CopySignOp>(r.number(a, 1), a);
  return r.select(r.isZero(a), r.number(a, 0), one);
}
Value root(RuleBuilder &r, Value a) { return r.make<math::SqrtOp>(a); }
Value square(RuleBuilder &r, Value a) { return r.mul(a, a); }
Value asinOf(RuleBuilder &r, Value, Value a) {
  return r.inverse(root(r, r.complement(square(r, a))));
}
Value acosOf(RuleBuilder &r, Value y, Value a) {
  return r.neg(asinOf(r, y, a));
}
Value acoshOf(RuleBuilder &r, Value, Value a) {
  return r.inverse(root(r, r.plus(square(r, a), -1)));
}
Value asinhOf(RuleBuilder &r, Value, Value a) {
  return r.inverse(root(r, r.plus(square(r, a), 1)));
}
Value atanOf(RuleBuilder &r, Value, Value a) {
  return r.inverse(r.plus(square(r, a), 1));
}
Value atanhOf(RuleBuilder &r, Value, Value a) {
  return r.inverse(r.complement(square(r, a)));
}
Value cbrtOf(RuleBuilder &r, Value y, Value) {
  return r.inverse(r.scaled(3, square(r, y)));
}
Value cosOf(RuleBuilder &r, Value, Value a) {
  return r.neg(r.make<math::SinOp>(a));
}
Value coshOf(RuleBuilder &r, Value, Value a) { return r.make<math::SinhOp>(a); }
Value erfOf(RuleBuilder &r, Value, Value a) {
  Value bell = r.make<math::ExpOp>(r.neg(square(r, a)));
  return r.scaled(2 / std::sqrt(M_PI), bell);
}
Value erfcOf(RuleBuilder &r, Value y, Value a) { return r.neg(erfOf(r, y, a)); }
Value expOf(RuleBuilder &, Value y, Value) { return y; }
Value exp2Of(RuleBuilder &r, Value y, Value) { return r.scaled(M_LN2, y); }
Value expm1Of(RuleBuilder &r, Value y, Value) { return r.plus(y, 1); }
Value logOf(RuleBuilder &r, Value, Value a) { return r.inverse(a); }
Value log10Of(RuleBuilder &r, Value, Value a) {
  return r.inverse(r.scaled(M_LN10, a));
}
Value log1pOf(RuleBuilder &r, Value, Value a) {
  return r.inverse(r.plus(a, 1));
}
Value log2Of(RuleBuilder &r, Value, Value a) {
  return r.inverse(r.scaled(M_LN2, a));
}
Value rsqrtOf(RuleBuilder &r, Value y, Value a) {
  return r.neg(r.div(y, r.scaled(2, a)));
}
Value sinOf(RuleBuilder &r, Value, Value a) { return r.make<math::CosOp>(a); }
Value sinhOf(RuleBuilder &r, Value, Value a) { return r.make<math::CoshOp>(a); }
Value sqrtOf(RuleBuilder &r, Value y, Value) {
  return r.inverse(r.scaled(2, y));
}
Value tanOf(RuleBuilder &r, Value y, Value) { return r.plus(square(r, y), 1); }
Value tanhOf(RuleBuilder &r, Value y, Value) {
  return r.complement(square(r, y));
}

struct SincosModel
    : DifferentiableOpInterface::ExternalModel<SincosModel, math::SincosOp> {
  LogicalResult differentiate(Operation *op, OpBuilder &builder,
                              ArrayRef<Value> results,
                              Gradients &gradients) const {
    auto both = cast<math::SincosOp>(op);
    RuleBuilder rule(builder, op);
    Value a = both.getOperand();
    if (results[0])
      gradients.add(builder, a, rule.mul(results[0], both.getCos()));
    if (results[1])
      gradients.add(builder, a, rule.neg(rule.mul(results[1], both.getSin())));
    return success();
  }
};

} // namespace

void mlir::bfly::registerArithmeticRules(DialectRegistry &registry) {
  registry.addExtension(+[](MLIRContext *context, arith::ArithDialect *) {
    attach<arith::AddFOp, addRule<arith::AddFOp>>(context);
    attach<arith::SubFOp, subRule<arith::SubFOp>>(context);
    attach<arith::NegFOp, negRule<arith::NegFOp>>(context);
    attach<arith::MulFOp, mulRule<arith::MulFOp>>(context);
    attach<arith::DivFOp, divRule<arith::DivFOp>>(context);
    attach<arith::RemFOp, remRule>(context);
    attach<arith::SelectOp, selectRule>(context);
    attach<arith::ExtFOp, convertRule<arith::ExtFOp>>(context);
    attach<arith::TruncFOp, convertRule<arith::TruncFOp>>(context);
    attach<arith::MaximumFOp,
           extremumRule<arith::MaximumFOp, CmpFPredicate::OLT,
                        CmpFPredicate::OLE>>(context);
    attach<arith::MinimumFOp,
           extremumRule<arith::MinimumFOp, CmpFPredicate::OGT,
                        CmpFPredicate::OGE>>(context);
    attach<arith::MaxNumFOp, numberRule<arith::MaxNumFOp, CmpFPredicate::OGE>>(
        context);
    attach<arith::MinNumFOp, numberRule<arith::MinNumFOp, CmpFPredicate::OLE>>(
        context);
  });
  registry.addExtension(+[](MLIRContext *context, math::MathDialect *) {
    math::SincosOp::attachInterface<SincosModel>(*context);
    attach<math::FmaOp, fmaRule>(context);
    attach<math::ClampFOp, clampRule>(context);
    attach<math::CopySignOp, copySignRule>(context);
    attach<math::Atan2Op, atan2Rule>(context);
    attach<math::PowFOp, powRule>(context);
    attach<math::FPowIOp, powiRule>(context);
    attach<math::CeilOp, flatRule<math::CeilOp>>(context);
    attach<math::FloorOp, flatRule<math::FloorOp>>(context);
    attach<math::RoundOp, flatRule<math::RoundOp>>(context);
    attach<math::RoundEvenOp, flatRule<math::RoundEvenOp>>(context);
    attach<math::TruncOp, flatRule<math::TruncOp>>(context);
    attachFunction<math::AbsFOp, sign>(context);
    attachFunction<math::AcosOp, acosOf>(context);
    attachFunction<math::AcoshOp, acoshOf>(context);
    attachFunction<math::AsinOp, asinOf>(context);
    attachFunction<math::AsinhOp, asinhOf>(context);
    attachFunction<math::AtanOp, atanOf>(context);
    attachFunction<math::AtanhOp, atanhOf>(context);
    attachFunction<math::CbrtOp, cbrtOf>(context);
    attachFunction<math::CosOp, cosOf>(context);
    attachFunction<math::CoshOp, coshOf>(context);
    attachFunction<math::ErfOp, erfOf>(context);
    attachFunction<math::ErfcOp, erfcOf>(context);
    attachFunction<math::ExpOp, expOf>(context);
    attachFunction<math::Exp2Op, exp2Of>(context);
    attachFunction<math::ExpM1Op, expm1Of>(context);
    attachFunction<math::LogOp, logOf>(context);
    attachFunction<math::Log10Op, log10Of>(context);
    attachFunction<math::Log1pOp, log1pOf>(context);
    attachFunction<math::Log2Op, log2Of>(context);
    attachFunction<math::RsqrtOp, rsqrtOf>(context);
    attachFunction<math::SinOp, sinOf>(context);
    attachFunction<math::SinhOp, sinhOf>(context);
    attachFunction<math::SqrtOp, sqrtOf>(context);
    attachFunction<math::TanOp, tanOf>(context);
    attachFunction<math::TanhOp, tanhOf>(context);
  });
}
