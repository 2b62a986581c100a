// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The derivatives of upstream's operations.

#ifndef BFLY_LIB_TRANSFORMS_DERIVATIVERULES_H
#define BFLY_LIB_TRANSFORMS_DERIVATIVERULES_H

#include "bfly/IR/Gradients.h"

namespace mlir::bfly {

/// A derivative by a function `differentiate(Operation, builder, gradient of
/// its one result, gradients)`, found by the operation's type.
template <typename OpTy, auto rule>
struct DerivativeModel
    : DifferentiableOpInterface::ExternalModel<DerivativeModel<OpTy, rule>,
                                               OpTy> {
  LogicalResult differentiate(Operation *op, OpBuilder &builder,
                              ArrayRef<Value> results,
                              Gradients &gradients) const {
    return rule(cast<OpTy>(op), builder, results[0], gradients);
  }
};

template <typename OpTy, auto rule> void attach(MLIRContext *context) {
  OpTy::template attachInterface<DerivativeModel<OpTy, rule>>(*context);
}

/// arith and math, on numbers and tensors of them.
void registerArithmeticRules(DialectRegistry &registry);
/// complex, on numbers.
void registerComplexRules(DialectRegistry &registry);
/// What moves tensors: of tensor and linalg.
void registerTensorRules(DialectRegistry &registry);
/// linalg's operations with a body, and softmax.
void registerStructuredRules(DialectRegistry &registry);

} // namespace mlir::bfly

#endif // BFLY_LIB_TRANSFORMS_DERIVATIVERULES_H
