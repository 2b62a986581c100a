// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Reverse mode: the gradients of a function's values, and of a region's.

#ifndef BFLY_IR_GRADIENTS_H
#define BFLY_IR_GRADIENTS_H

#include "bfly/IR/Bfly.h"

namespace mlir::bfly {

/// Gradients of a loss with respect to the values of straight-line code, where
/// they depend on what a gradient is wanted of. That of a complex number is
/// dL/dRe + i dL/dIm, and a gradient has the type of its value.
class Gradients {
public:
  /// `savesStates`: a forward function will return what rules need, so that
  /// they had better make it as the forward's own.
  explicit Gradients(bool savesStates = false) : saves(savesStates) {}
  bool savesStates() const { return saves; }

  /// Says that a gradient is wanted of `value`, if it has one.
  void want(Value value);
  /// Wants a gradient of all that is computed from what one is wanted of.
  void follow(ArrayRef<Operation *> operations);
  bool wants(Value value) const { return wanted.contains(value); }
  /// The sum of what was added, null where nothing was.
  Value get(Value value) const { return sums.lookup(value); }
  /// Adds to the gradient of `value`, if it is wanted.
  void add(OpBuilder &builder, Value value, Value gradient);
  /// From the gradients of results those of what they are computed from, the
  /// last operation first. An operation that has none is an error at its place.
  LogicalResult propagate(OpBuilder &builder, ArrayRef<Operation *> operations);

private:
  bool saves;
  llvm::DenseSet<Value> wanted;
  llvm::DenseMap<Value, Value> sums;
};

/// Whether values of a type have gradients: numbers that are not integers, and
/// tensors of such.
bool hasGradient(Type type);

/// A tensor of zeros, of the type and the sizes of `like`; a scalar's zero.
Value createZeroLike(OpBuilder &builder, Location loc, Value like);

/// An operand of a sum: its dimension i is dimension dims[i] of the loops.
struct Factor {
  Value tensor;
  SmallVector<int64_t> dims;
};

/// result[kept] = sum over all other dimensions of body(factors...), in loops
/// of `sizes`. The body takes and makes numbers of the compute type; sums are
/// of it, and the result, of `elementType`, is rounded once.
Value createSum(OpBuilder &builder, Location loc, ArrayRef<OpFoldResult> sizes,
                ArrayRef<Factor> factors, ArrayRef<int64_t> kept,
                Type elementType,
                function_ref<Value(OpBuilder &, ValueRange)> body);

/// The same with the one factor's own dimensions: its sum over all but `kept`.
Value createSumOf(OpBuilder &builder, Location loc, Value tensor,
                  ArrayRef<int64_t> kept, Type elementType);

/// The transpose of the last two dimensions.
Value createTransposed(OpBuilder &builder, Location loc, Value matrix);

/// out (O, I) = sum over all rows of a (..., O) and b (..., I), which agree in
/// everything but the last dimension: the gradient of a matrix.
Value createRowProduct(OpBuilder &builder, Location loc, Value a, Value b,
                       Type elementType);

} // namespace mlir::bfly

#endif // BFLY_IR_GRADIENTS_H
