// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// What every nest of butterfly attention does alike in a stage: where the
// tokens of a pair are, which matrix is whose, gates and mixing.

#ifndef BFLY_LIB_CONVERSION_SCHEDULETOAFFINE_ATTENTIONSTAGE_H
#define BFLY_LIB_CONVERSION_SCHEDULETOAFFINE_ATTENTIONSTAGE_H

#include "NestBuilder.h"

namespace mlir::bfly {

/// Tokens fall into sets of `size` that are `stride` apart: the first token of
/// the set of this number. A pair is a set of two. In constant geometry the
/// pair 2c and 2c+1 leave their tokens to the pairs that are this set, with a
/// quarter of the tokens for a stride.
AffineExpr getFirstOfSet(AffineExpr set, int64_t stride, int64_t size = 2);

/// Whether every head has matrices of its own, for its own channels, of
/// `channels`. With one head the forms coincide; dense is the simpler reading.
bool isPerHead(ShapedType weights, int64_t channels);

/// The leading indices of the matrix of a stage and a head: of weights
/// (stages or 1, [heads or 1,] …), whose last `rank` dimensions are a matrix.
SmallVector<AffineExpr> getMatrix(NestBuilder &nest, Value weights,
                                  AffineExpr stage, AffineExpr head,
                                  unsigned rank = 2);

/// What the softmax of a pair gives to the other token, from a score without
/// its scale: a_jp of s_j for the first token, and for its partner a_pj of s_p,
/// which is the first's score from the partner's side.
Value makeGate(NestBuilder &nest, Value score, double scale, bool ofPartner);

/// Both tokens of a pair, each moved towards the other by its gate: V_j +
/// a_jp (V_p - V_j) and V_p - a_pj (V_p - V_j).
std::pair<Value, Value> mixPair(NestBuilder &nest, Value first, Value partner,
                                function_ref<Value(int64_t)> gate);

} // namespace mlir::bfly

#endif // BFLY_LIB_CONVERSION_SCHEDULETOAFFINE_ATTENTIONSTAGE_H
