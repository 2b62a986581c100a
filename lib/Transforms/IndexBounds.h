// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// What is known of an index where it is used: proofs that it lies within a
// size, and no guesses.

#ifndef BFLY_LIB_TRANSFORMS_INDEXBOUNDS_H
#define BFLY_LIB_TRANSFORMS_INDEXBOUNDS_H

#include "mlir/IR/AffineExpr.h"
#include "mlir/IR/AffineMap.h"
#include "mlir/IR/Operation.h"
#include "mlir/Interfaces/InferIntRangeInterface.h"

#include <map>
#include <optional>
#include <vector>

namespace mlir::bfly {

/// constant + sum of coefficients times variables, computed exactly; `low` and
/// `high` hold its value, within 64 bits.
struct Linear {
  std::map<unsigned, int64_t> terms;
  int64_t constant = 0;
  int64_t low = 0, high = 0;
};

/// The facts of one function. Values are linear in variables: those of loops,
/// sizes, and what else no more is known of than its range.
class IndexBounds {
public:
  explicit IndexBounds(Operation *function) : function(function) {}

  /// A value of index type; nothing if its arithmetic may leave 64 bits.
  std::optional<Linear> get(Value value);
  /// A result of a map.
  std::optional<Linear> get(AffineExpr expr, unsigned numDims,
                            ValueRange operands);
  static std::optional<Linear> get(int64_t constant);
  /// A size of a ranked tensor or memref.
  std::optional<Linear> getSize(Value shaped, unsigned dim);

  static std::optional<Linear> add(const Linear &a, const Linear &b);
  static std::optional<Linear> scale(const Linear &a, int64_t factor);

  /// Whether 0 <= index and index < size wherever `at` is run.
  bool isInside(Operation *at, const Linear &index, const Linear &size);
  /// The same by trying all values that the map's operands can have, where they
  /// are few: for quotients of remainders, of which fractions say too little.
  bool isInsideByTrial(AffineExpr expr, unsigned numDims, ValueRange operands,
                       int64_t size);
  static bool isEqual(const Linear &a, const Linear &b);
  /// Whether these are never all 0 or more wherever `at` is run.
  bool isNever(Operation *at, ArrayRef<std::optional<Linear>> facts);

  /// A size of an argument of the function.
  struct ArgumentSize {
    BlockArgument argument;
    unsigned dim;
  };
  /// Two sizes of arguments which make isInside true if they are equal.
  std::optional<std::pair<ArgumentSize, ArgumentSize>>
  whatMakesInside(Operation *at, const Linear &index, const Linear &size);

private:
  /// No array has a larger size: addresses have 47 bits.
  static constexpr int64_t kMaxSize = int64_t(1) << 47;
  /// A loop's variable up to here takes a step without an overflow.
  static constexpr int64_t kMaxBound = int64_t(1) << 62;

  using Facts = std::vector<Linear>; // each at least 0

  unsigned newVariable();
  Linear variable(unsigned id, int64_t low, int64_t high);
  std::optional<Linear> compute(Value value);
  std::optional<Linear> getArgument(BlockArgument argument);
  std::optional<Linear> between(Value iv, ArrayRef<std::optional<Linear>> lower,
                                ArrayRef<std::optional<Linear>> upper);
  Linear fromRange(Value value);
  ConstantIntRanges rangeOf(Value value, unsigned depth = 0);
  Facts conditionsAt(Operation *at);
  bool isImpossible(Facts facts);

  Operation *function;
  std::vector<Facts> factsOf; ///< of each variable
  DenseMap<Value, std::optional<Linear>> values;
  DenseMap<std::pair<Value, unsigned>, unsigned> sizes;
  DenseMap<unsigned, ArgumentSize> argumentSizes;
  DenseMap<Value, ConstantIntRanges> ranges;
};

} // namespace mlir::bfly

#endif // BFLY_LIB_TRANSFORMS_INDEXBOUNDS_H
