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

  /// Which of its rows and columns a thread has of a product: a quarter of the
  /// columns of this row, and of the one 8 below.
  static AffineExpr getRow(AffineExpr thread) {
    return thread.floorDiv(32) * 16 + (thread % 32).floorDiv(4);
  }
  static AffineExpr getQuarter(AffineExpr thread) { return thread % 4; }

  /// A loop that makes all scores zero, where leading dimensions are 1 but for
  /// the last.
  void clear();
  /// What a thread has summed up of a pair; adds to what is there if asked.
  void store(Value sum, ArrayRef<AffineExpr> leading, AffineExpr quarter,
             AffineExpr pair, bool accumulate);
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
