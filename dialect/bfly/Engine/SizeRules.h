// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// What a function's attributes say of sizes (bfly/Analysis/Sizes.h), in a form
// that can be evaluated at each call and that needs no MLIR context.

#ifndef BFLY_ENGINE_SIZERULES_H
#define BFLY_ENGINE_SIZERULES_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace mlir {
class AffineExpr;
class AffineMap;
namespace func {
class FuncOp;
} // namespace func
} // namespace mlir

namespace mlir::bfly {

/// An affine or semi-affine expression of the symbols s0, s1, …
class SizeExpression {
public:
  /// None if there is a dimension in it, or a symbol from `symbols` on.
  static std::optional<SizeExpression> create(AffineExpr expr,
                                              unsigned symbols);

  /// The value; none where it does not fit in 63 bits, or a division by zero or
  /// less is on the way.
  std::optional<int64_t> evaluate(llvm::ArrayRef<int64_t> symbols) const;

  /// The symbol that this is and nothing else.
  std::optional<unsigned> getSymbol() const;

  enum class Code : uint8_t { Constant, Symbol, Add, Mul, Mod, Floor, Ceil };
  struct Step {
    Code code;
    int64_t value; ///< of a constant; the number of a symbol
  };
  /// How `evaluate` goes: operands before what is done with them.
  llvm::ArrayRef<Step> getSteps() const { return steps; }
  /// The expression of these steps; none if they are those of no expression of
  /// `symbols` symbols.
  static std::optional<SizeExpression> fromSteps(std::vector<Step> steps,
                                                 unsigned symbols);

private:
  static bool append(AffineExpr expr, unsigned symbols,
                     std::vector<Step> &steps);

  std::vector<Step> steps;
};

/// What the sizes of a function's arguments determine.
struct SizeRules {
  struct Check {
    bool isEqual; ///< else at most
    SizeExpression left, right;
    std::string what; ///< the operation that asks
  };
  std::vector<Check> checks;
  /// For each result its dynamic sizes, in order.
  std::vector<std::vector<SizeExpression>> results;
};

/// Reads the attributes of a function with `symbols` dynamic sizes in its
/// arguments, whose results have `dynamicSizes`. None, with the reason in
/// `problem`, where one is missing or malformed.
std::optional<SizeRules> readSizeRules(func::FuncOp function, unsigned symbols,
                                       llvm::ArrayRef<unsigned> dynamicSizes,
                                       std::string &problem);

} // namespace mlir::bfly

#endif // BFLY_ENGINE_SIZERULES_H
