// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The derivative of a stage of attention, which that of all of them is made of.

#ifndef BFLY_LIB_DIALECT_STAGEGRADIENTS_H
#define BFLY_LIB_DIALECT_STAGEGRADIENTS_H

#include "bfly/IR/Gradients.h"

namespace mlir::bfly {

/// Of a stage's state, and of its own matrices, (1, ...) each.
struct StageGradients {
  Value state, query, key;
};

/// From `g`, the gradient of the result of a stage over `state`. The weights
/// are of all stages, or (1, ...). The gradient of the state is of element type
/// `stateType`, those of the weights, which are dead where nobody wants them,
/// of `weightType`: the state's own or what it is computed in.
StageGradients differentiateStage(OpBuilder &builder, Location loc, Value state,
                                  Value g, Value query, Value key,
                                  int64_t stage, int64_t heads, double scale,
                                  Type stateType, Type weightType);

/// (1, ...), the matrices of a stage, of the weights of all.
Value takeStage(OpBuilder &builder, Location loc, Value weights, int64_t stage);

/// (B, N, D) as (B, N, H, D / H).
Value splitHeads(OpBuilder &builder, Location loc, Value tokens, int64_t heads);

} // namespace mlir::bfly

#endif // BFLY_LIB_DIALECT_STAGEGRADIENTS_H
