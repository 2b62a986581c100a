// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Scores of a unit's pairs in shared memory, as threads find them in the
// fragments of products: four threads share a row, each sums up its columns.

#ifndef BFLY_LIB_CONVERSION_SCHEDULETOAFFINE_GPU_PARTIALSCORES_H
#define BFLY_LIB_CONVERSION_SCHEDULETOAFFINE_GPU_PARTIALSCORES_H

#include "NestBuilder.h"

namespace mlir::bfly {

class PartialScores {
public:
  /// Those of `pairs` pairs for each index of `leading`, whose last is which
  /// token's score it is.
  PartialScores(NestBuilder &nest, ArrayRef<int64_t> leading, int64_t pairs);

  /// A loop that makes all scores zero, where leading dimensions are 1 but for
  /// the last.
  void clear();
  /// What a thread of the products' warpgroups finds in its fragments of
  /// `columns` columns from `firstColumn` on, of both of its rows: the sums of
  /// q_j kappa and q_p kappa. Register i holds `query(0, i)`, `query(1, i)` and
  /// `kappa(i)`. Rows are pairs from `firstPair` on. Adds to what is there if
  /// asked.
  void store(ArrayRef<AffineExpr> leading, AffineExpr thread,
             AffineExpr firstPair, int64_t firstColumn, int64_t columns,
             function_ref<Value(int64_t, int64_t)> query,
             function_ref<Value(int64_t)> kappa, bool accumulate);
  /// A quarter of a sum, as `sum` adds them up.
  void storeQuarter(Value value, ArrayRef<AffineExpr> leading,
                    AffineExpr quarter, AffineExpr pair) {
    nest.store(value, buffer, indices(leading, quarter, pair));
  }
  /// The sum over the columns.
  Value sum(ArrayRef<AffineExpr> leading, AffineExpr pair);

private:
  SmallVector<AffineExpr> indices(ArrayRef<AffineExpr> leading,
                                  AffineExpr quarter, AffineExpr pair);

  NestBuilder &nest;
  int64_t pairs;
  /// (leading, quarter, pair)
  Value buffer;
};

} // namespace mlir::bfly

#endif // BFLY_LIB_CONVERSION_SCHEDULETOAFFINE_GPU_PARTIALSCORES_H
