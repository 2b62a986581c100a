// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// What -bfly-check-bounds asks of each kind of access.

#ifndef BFLY_LIB_TRANSFORMS_BOUNDSCHECKER_H
#define BFLY_LIB_TRANSFORMS_BOUNDSCHECKER_H

#include "IndexBounds.h"
#include "bfly/IR/Bfly.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/IR/Builders.h"
#include "mlir/Interfaces/ViewLikeInterface.h"

namespace mlir::bfly {

/// Proves of one function's operations that they stay within their arrays, or
/// has it checked where they run.
class BoundsChecker {
public:
  BoundsChecker(func::FuncOp function, bool onGPU)
      : function(function), onGPU(onGPU), bounds(function),
        entry(&function.getBody().front(), function.getBody().front().begin()) {
  }

  LogicalResult check(Operation *op);

private:
  /// What an operation is to do, and what it did if it is found not to.
  struct Claim {
    StringRef promise, failure;
  };
  static constexpr Claim kInside{"to stay within its array",
                                 "leaves its array"};
  static constexpr Claim kPositiveSteps{"to have steps that are positive",
                                        "has a step that is not positive"};
  static constexpr Claim kSizes{"to have sizes that are not negative",
                                "has a size that is negative"};

  LogicalResult checkAccess(Operation *op, Value array, AffineMap map,
                            ValueRange operands, VectorType vector = {});
  LogicalResult checkSlice(OffsetSizeAndStrideOpInterface op, Value array);
  LogicalResult checkSizes(Operation *op, Value a, Value b);
  LogicalResult checkEqual(Operation *op, Value a, unsigned dimA, Value b,
                           unsigned dimB);
  LogicalResult checkCast(Operation *op, Value source, Value result);
  LogicalResult checkAllocation(memref::AllocOp op);
  LogicalResult checkExpansion(memref::ExpandShapeOp op);
  LogicalResult checkDimension(Operation *op);
  LogicalResult checkProduct(TileProductOp op);
  /// Steps of a loop are positive: others never end, or divide by zero.
  LogicalResult checkSteps(Operation *op, ValueRange steps);
  /// Sizes of a scope are not negative: two that are would be many iterations.
  LogicalResult checkScope(Operation *op, ValueRange sizes);
  LogicalResult checkPosition(Operation *op, VectorType type,
                              ArrayRef<OpFoldResult> position);

  /// The condition, made before `op`, that has to hold for it.
  LogicalResult require(Operation *op, function_ref<Value(OpBuilder &)> make,
                        const Claim &claim = kInside);
  void assertThat(OpBuilder &builder, Operation *op, Value condition,
                  const Claim &claim = kInside);
  Value size(OpBuilder &builder, Location loc, Value array, unsigned dim);
  std::optional<Linear> get(OpFoldResult value);

  func::FuncOp function;
  bool onGPU;
  IndexBounds bounds;
  OpBuilder entry;
  DenseSet<std::pair<std::pair<Value, unsigned>, std::pair<Value, unsigned>>>
      asserted;
};

} // namespace mlir::bfly

#endif // BFLY_LIB_TRANSFORMS_BOUNDSCHECKER_H
