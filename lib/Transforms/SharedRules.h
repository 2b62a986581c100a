// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The derivatives that real and complex numbers have alike: of a gradient
// dL/dRe + i dL/dIm a holomorphic function's is the product with the conjugate
// of its slope, and a real number is its own conjugate.

#ifndef BFLY_LIB_TRANSFORMS_SHAREDRULES_H
#define BFLY_LIB_TRANSFORMS_SHAREDRULES_H

#include "DerivativeRules.h"
#include "RuleBuilder.h"

namespace mlir::bfly {

template <typename OpTy>
LogicalResult addRule(OpTy op, OpBuilder &builder, Value g,
                      Gradients &gradients) {
  gradients.add(builder, op->getOperand(0), g);
  gradients.add(builder, op->getOperand(1), g);
  return success();
}

template <typename OpTy>
LogicalResult subRule(OpTy op, OpBuilder &builder, Value g,
                      Gradients &gradients) {
  gradients.add(builder, op->getOperand(0), g);
  if (gradients.wants(op->getOperand(1)))
    gradients.add(builder, op->getOperand(1), RuleBuilder(builder, op).neg(g));
  return success();
}

template <typename OpTy>
LogicalResult negRule(OpTy op, OpBuilder &builder, Value g,
                      Gradients &gradients) {
  gradients.add(builder, op->getOperand(0), RuleBuilder(builder, op).neg(g));
  return success();
}

template <typename OpTy>
LogicalResult mulRule(OpTy op, OpBuilder &builder, Value g,
                      Gradients &gradients) {
  RuleBuilder rule(builder, op);
  Value a = op->getOperand(0), b = op->getOperand(1);
  if (gradients.wants(a))
    gradients.add(builder, a, rule.mul(g, rule.conj(b)));
  if (gradients.wants(b))
    gradients.add(builder, b, rule.mul(g, rule.conj(a)));
  return success();
}

template <typename OpTy>
LogicalResult divRule(OpTy op, OpBuilder &builder, Value g,
                      Gradients &gradients) {
  RuleBuilder rule(builder, op);
  Value a = op->getOperand(0), b = op->getOperand(1);
  if (gradients.wants(a))
    gradients.add(builder, a, rule.div(g, rule.conj(b)));
  if (gradients.wants(b)) {
    Value slope = rule.conj(rule.div(op->getResult(0), b));
    gradients.add(builder, b, rule.neg(rule.mul(g, slope)));
  }
  return success();
}

/// A function of one number by its derivative, of its value and the number.
template <typename OpTy, Value (*derivative)(RuleBuilder &, Value, Value)>
LogicalResult functionRule(OpTy op, OpBuilder &builder, Value g,
                           Gradients &gradients) {
  RuleBuilder rule(builder, op);
  Value slope = derivative(rule, op->getResult(0), op->getOperand(0));
  gradients.add(builder, op->getOperand(0), rule.mul(g, rule.conj(slope)));
  return success();
}

template <typename OpTy, Value (*derivative)(RuleBuilder &, Value, Value)>
void attachFunction(MLIRContext *context) {
  attach<OpTy, functionRule<OpTy, derivative>>(context);
}

} // namespace mlir::bfly

#endif // BFLY_LIB_TRANSFORMS_SHAREDRULES_H
