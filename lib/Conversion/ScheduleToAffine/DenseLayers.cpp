// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "DenseLayers.h"

using namespace mlir;
using namespace mlir::bfly;

Value mlir::bfly::emitEpilogue(NestBuilder &nest, LinearOp op, Value bias,
                               Value value, AffineExpr column) {
  if (bias)
    value = nest.add(value, nest.load(bias, {column}));
  if (op.getRelu())
    value = arith::MaximumFOp::create(nest.builder, nest.loc, value,
                                      nest.constant(0));
  return value;
}
