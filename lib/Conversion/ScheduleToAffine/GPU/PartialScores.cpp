// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "GPU/PartialScores.h"

using namespace mlir;
using namespace mlir::bfly;

/// Scores of neighbouring quarters lie so many pairs further apart than there
/// are: no two threads of a warp in one bank.
static constexpr int64_t kPadding = 8;

PartialScores::PartialScores(NestBuilder &nest, ArrayRef<int64_t> leading,
                             int64_t pairs)
    : nest(nest), pairs(pairs) {
  SmallVector<int64_t> shape(leading);
  shape.append({4, pairs + kPadding});
  buffer = nest.allocateShared(shape, nest.compute);
}

SmallVector<AffineExpr> PartialScores::indices(ArrayRef<AffineExpr> leading,
                                               AffineExpr quarter,
                                               AffineExpr pair) {
  SmallVector<AffineExpr> result(leading);
  result.append({quarter, pair});
  return result;
}

void PartialScores::clear() {
  auto type = cast<MemRefType>(buffer.getType());
  int64_t rank = type.getRank(), tokens = type.getDimSize(rank - 3);
  nest.threads(tokens * 4 * pairs, [&](AffineExpr i) {
    SmallVector<AffineExpr> leading(rank - 3, nest.constantExpr(0));
    leading.push_back(i.floorDiv(4 * pairs));
    nest.store(nest.constant(0), buffer,
               indices(leading, i.floorDiv(pairs) % 4, i % pairs));
  });
}

void PartialScores::store(ArrayRef<AffineExpr> leading, AffineExpr thread,
                          AffineExpr firstPair, int64_t firstColumn,
                          int64_t columns,
                          function_ref<Value(int64_t, int64_t)> query,
                          function_ref<Value(int64_t)> kappa, bool accumulate) {
  // A thread has a quarter of the columns of this row, and of the one 8 below;
  // of 8 columns two registers a row.
  AffineExpr row =
      firstPair + thread.floorDiv(32) * 16 + (thread % 32).floorDiv(4);
  for (int64_t half = 0; half < 2; ++half) {
    Value sums[2];
    for (int64_t block = 0; block < columns / 8; ++block)
      for (int64_t odd = 0; odd < 2; ++odd) {
        int64_t i = 4 * (firstColumn / 8 + block) + 2 * half + odd;
        Value difference = kappa(i);
        for (int64_t which = 0; which < 2; ++which) {
          Value term = nest.mul(query(which, i), difference);
          sums[which] = sums[which] ? nest.add(sums[which], term) : term;
        }
      }
    for (int64_t which = 0; which < 2; ++which) {
      SmallVector<AffineExpr> of(leading);
      of.push_back(nest.constantExpr(which));
      SmallVector<AffineExpr> at = indices(of, thread % 4, row + 8 * half);
      Value sum = sums[which];
      if (accumulate)
        sum = nest.add(nest.load(buffer, at), sum);
      nest.store(sum, buffer, at);
    }
  }
}

Value PartialScores::sum(ArrayRef<AffineExpr> leading, AffineExpr pair) {
  Value sum;
  for (int64_t quarter = 0; quarter < 4; ++quarter) {
    Value term =
        nest.load(buffer, indices(leading, nest.constantExpr(quarter), pair));
    sum = sum ? nest.add(sum, term) : term;
  }
  return sum;
}
