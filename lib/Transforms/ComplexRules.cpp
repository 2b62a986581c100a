// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The derivatives of complex, as docs/derivatives.md has them: the gradient is
// dL/dRe + i dL/dIm, that of a holomorphic f is g conj(f'(z)).

#include "SharedRules.h"

using namespace mlir;
using namespace mlir::bfly;

namespace {

/// z / |z|, 0 at 0, by parts.
Value getPhase(RuleBuilder &rule, Value z, Value size) {
  return rule.complexOf(rule.over(rule.re(z), size),
                        rule.over(rule.im(z), size));
}

/// A complex number times a real one.
Value scale(RuleBuilder &rule, Value z, Value factor) {
  return rule.complexOf(rule.mul(rule.re(z), factor),
                        rule.mul(rule.im(z), factor));
}

LogicalResult absRule(complex::AbsOp op, OpBuilder &builder, Value g,
                      Gradients &gradients) {
  RuleBuilder rule(builder, op);
  Value phase = getPhase(rule, op.getComplex(), op.getResult());
  gradients.add(builder, op.getComplex(), scale(rule, phase, g));
  return success();
}

LogicalResult angleRule(complex::AngleOp op, OpBuilder &builder, Value g,
                        Gradients &gradients) {
  RuleBuilder rule(builder, op);
  Value z = op.getComplex();
  Value size = rule.make<complex::AbsOp>(z);
  Value phase = getPhase(rule, z, size);
  Value turn = rule.over(g, size);
  // i u g / |z|.
  gradients.add(builder, z,
                rule.complexOf(rule.neg(rule.mul(rule.im(phase), turn)),
                               rule.mul(rule.re(phase), turn)));
  return success();
}

LogicalResult reRule(complex::ReOp op, OpBuilder &builder, Value g,
                     Gradients &gradients) {
  RuleBuilder rule(builder, op);
  gradients.add(builder, op.getComplex(), rule.complexOf(g, rule.number(g, 0)));
  return success();
}

LogicalResult imRule(complex::ImOp op, OpBuilder &builder, Value g,
                     Gradients &gradients) {
  RuleBuilder rule(builder, op);
  gradients.add(builder, op.getComplex(), rule.complexOf(rule.number(g, 0), g));
  return success();
}

LogicalResult createRule(complex::CreateOp op, OpBuilder &builder, Value g,
                         Gradients &gradients) {
  RuleBuilder rule(builder, op);
  gradients.add(builder, op.getReal(), rule.re(g));
  gradients.add(builder, op.getImaginary(), rule.im(g));
  return success();
}

LogicalResult conjRule(complex::ConjOp op, OpBuilder &builder, Value g,
                       Gradients &gradients) {
  gradients.add(builder, op.getComplex(), RuleBuilder(builder, op).conj(g));
  return success();
}

/// The part of g that turns z, over |z|.
LogicalResult signRule(complex::SignOp op, OpBuilder &builder, Value g,
                       Gradients &gradients) {
  RuleBuilder rule(builder, op);
  Value z = op.getComplex(), u = op.getResult();
  Value along = rule.re(rule.mul(rule.conj(u), g));
  Value turning = rule.sub(g, scale(rule, u, along));
  Value size = rule.make<complex::AbsOp>(z);
  gradients.add(builder, z, getPhase(rule, turning, size));
  return success();
}

LogicalResult atan2Rule(complex::Atan2Op op, OpBuilder &builder, Value g,
                        Gradients &gradients) {
  RuleBuilder rule(builder, op);
  Value a = op.getLhs(), b = op.getRhs();
  Value size = rule.add(rule.mul(a, a), rule.mul(b, b));
  gradients.add(builder, a, rule.mul(g, rule.conj(rule.over(b, size))));
  gradients.add(builder, b,
                rule.neg(rule.mul(g, rule.conj(rule.over(a, size)))));
  return success();
}

/// z^0 is 1 everywhere; 0^w is 0 for every w > 0 and does not change with it.
LogicalResult powRule(complex::PowOp op, OpBuilder &builder, Value g,
                      Gradients &gradients) {
  RuleBuilder rule(builder, op);
  Value a = op.getLhs(), b = op.getRhs();
  Value zero = rule.number(g, 0);
  if (gradients.wants(a)) {
    Value less = rule.make<complex::PowOp>(a, rule.plus(b, -1));
    Value slope = rule.mul(g, rule.conj(rule.mul(b, less)));
    gradients.add(builder, a, rule.select(rule.isZero(b), zero, slope));
  }
  if (gradients.wants(b)) {
    Value none = rule.isZero(a), re = rule.re(b);
    Value real = rule.isZero(rule.im(b));
    Value positive =
        rule.compare(arith::CmpFPredicate::OGE, re, rule.number(re, 0));
    Value still = rule.make<arith::AndIOp>(
        none, rule.make<arith::AndIOp>(real, positive));
    Value log =
        rule.make<complex::LogOp>(rule.select(none, rule.number(a, 1), a));
    Value slope = rule.mul(g, rule.conj(rule.mul(op.getResult(), log)));
    gradients.add(builder, b, rule.select(still, zero, slope));
  }
  return success();
}

LogicalResult powiRule(complex::PowiOp op, OpBuilder &builder, Value g,
                       Gradients &gradients) {
  RuleBuilder rule(builder, op);
  Value z = op.getLhs(), n = op.getRhs();
  Value none = arith::CmpIOp::create(
      builder, op.getLoc(), arith::CmpIPredicate::eq, n, rule.number(n, 0));
  Value less =
      arith::SubIOp::create(builder, op.getLoc(), n, rule.number(n, 1));
  Value power = complex::PowiOp::create(builder, op.getLoc(), z, less,
                                        op.getFastmathAttr());
  Value factor = arith::SIToFPOp::create(
      builder, op.getLoc(), cast<ComplexType>(z.getType()).getElementType(), n);
  Value slope = rule.mul(g, rule.conj(scale(rule, power, factor)));
  gradients.add(builder, z, rule.select(none, rule.number(g, 0), slope));
  return success();
}

Value cosOf(RuleBuilder &r, Value, Value z) {
  return r.neg(r.make<complex::SinOp>(z));
}
Value expOf(RuleBuilder &, Value y, Value) { return y; }
Value expm1Of(RuleBuilder &r, Value y, Value) { return r.plus(y, 1); }
Value logOf(RuleBuilder &r, Value, Value z) { return r.inverse(z); }
Value log1pOf(RuleBuilder &r, Value, Value z) {
  return r.inverse(r.plus(z, 1));
}
Value rsqrtOf(RuleBuilder &r, Value y, Value z) {
  return r.neg(r.div(y, r.scaled(2, z)));
}
Value sinOf(RuleBuilder &r, Value, Value z) {
  return r.make<complex::CosOp>(z);
}
Value sqrtOf(RuleBuilder &r, Value y, Value) {
  return r.inverse(r.scaled(2, y));
}
Value tanOf(RuleBuilder &r, Value y, Value) { return r.plus(r.mul(y, y), 1); }
Value tanhOf(RuleBuilder &r, Value y, Value) {
  return r.complement(r.mul(y, y));
}

} // namespace

void mlir::bfly::registerComplexRules(DialectRegistry &registry) {
  registry.addExtension(+[](MLIRContext *context, complex::ComplexDialect *) {
    attach<complex::AddOp, addRule<complex::AddOp>>(context);
    attach<complex::SubOp, subRule<complex::SubOp>>(context);
    attach<complex::NegOp, negRule<complex::NegOp>>(context);
    attach<complex::MulOp, mulRule<complex::MulOp>>(context);
    attach<complex::DivOp, divRule<complex::DivOp>>(context);
    attach<complex::AbsOp, absRule>(context);
    attach<complex::AngleOp, angleRule>(context);
    attach<complex::ReOp, reRule>(context);
    attach<complex::ImOp, imRule>(context);
    attach<complex::CreateOp, createRule>(context);
    attach<complex::ConjOp, conjRule>(context);
    attach<complex::SignOp, signRule>(context);
    attach<complex::Atan2Op, atan2Rule>(context);
    attach<complex::PowOp, powRule>(context);
    attach<complex::PowiOp, powiRule>(context);
    attachFunction<complex::CosOp, cosOf>(context);
    attachFunction<complex::ExpOp, expOf>(context);
    attachFunction<complex::Expm1Op, expm1Of>(context);
    attachFunction<complex::LogOp, logOf>(context);
    attachFunction<complex::Log1pOp, log1pOf>(context);
    attachFunction<complex::RsqrtOp, rsqrtOf>(context);
    attachFunction<complex::SinOp, sinOf>(context);
    attachFunction<complex::SqrtOp, sqrtOf>(context);
    attachFunction<complex::TanOp, tanOf>(context);
    attachFunction<complex::TanhOp, tanhOf>(context);
  });
}
