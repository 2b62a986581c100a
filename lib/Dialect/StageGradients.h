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

/// From `g`, the gradient of the result of a stage over `state`, both of the
/// compute type as the weights are; these are of all stages, or (1, ...). The
/// gradients of weights are null if they are not wanted.
StageGradients differentiateStage(OpBuilder &builder, Location loc, Value state,
                                  Value g, Value query, Value key,
                                  int64_t stage, int64_t heads, double scale,
                                  bool wantsWeights);

/// (1, ...), the matrices of a stage, of the weights of all.
Value takeStage(OpBuilder &builder, Location loc, Value weights, int64_t stage);

/// (B, N, D) as (B, N, H, D / H).
Value splitHeads(OpBuilder &builder, Location loc, Value tokens, int64_t heads);

/// Whether one matrix of `weights`, (..., D / H, D / H) or (..., D, D), is for
/// all channels.
bool isDense(Value weights, int64_t channels);

} // namespace mlir::bfly

#endif // BFLY_LIB_DIALECT_STAGEGRADIENTS_H
