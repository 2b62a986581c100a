// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Sizes that are only known at run time, as expressions of the sizes of a
// program's arguments: what a caller has to allocate for results, and what the
// arguments' sizes have to fulfil.

#ifndef BFLY_ANALYSIS_SIZES_H
#define BFLY_ANALYSIS_SIZES_H

#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/AffineExpr.h"
#include "mlir/IR/AffineMap.h"
#include "mlir/IR/OpDefinition.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/DenseSet.h"
#include "llvm/ADT/SmallVector.h"

namespace mlir::bfly {

/// The attribute of a result, or of an argument that a result became, for its
/// dynamic sizes: `bfly.sizes = affine_map<()[s0, s1] -> (s0 * 2)>`. The
/// symbols are the dynamic sizes of the function's arguments in their order,
/// results left out.
inline constexpr llvm::StringLiteral kSizesAttr = "bfly.sizes";
/// The attribute of a function for its `SizeCheck`s: a list of dictionaries
/// with `map` (left and right side), `kind` ("equal" or "at_most") and `what`.
inline constexpr llvm::StringLiteral kSizeChecksAttr = "bfly.size_checks";

/// What has to hold of sizes for an operation to be defined.
struct SizeCheck {
  enum class Kind { Equal, AtMost };
  Kind kind;
  AffineExpr left, right;
  Operation *op;
};

/// Sizes of tensors in terms of those of a block's arguments. Nothing in the
/// block may change while one is in use.
class SizeInference {
public:
  /// The arguments of `block` that are tensors or buffers are what sizes are
  /// expressed by.
  explicit SizeInference(Block &block);

  /// An argument and its dimension for each symbol.
  ArrayRef<std::pair<BlockArgument, int64_t>> getSymbols() const {
    return symbols;
  }

  /// The size of a tensor's dimension. Failure, with an error at the operation,
  /// if the arguments' sizes do not determine it.
  FailureOr<AffineExpr> getSize(Value tensor, int64_t dim);

  /// What has to hold for every operation in the block and its siblings, what
  /// is in their regions included. Failure, with an error at the operation, if
  /// something cannot be said in terms of the arguments' sizes, or never holds.
  LogicalResult findChecks(SmallVectorImpl<SizeCheck> &checks);

private:
  AffineExpr constant(int64_t value) {
    return getAffineConstantExpr(value, context);
  }
  AffineExpr simplify(AffineExpr expr);
  AffineExpr find(Value tensor, int64_t dim);
  AffineExpr findInArgument(BlockArgument argument, int64_t dim);
  AffineExpr findInResult(OpResult result, int64_t dim);
  AffineExpr getIndex(Value index);
  AffineExpr getIndex(OpFoldResult index);
  AffineExpr fail(Operation *op);
  LogicalResult reportUnknown();

  void require(SizeCheck::Kind kind, AffineExpr left, AffineExpr right,
               Operation *op);
  void requireSize(Value tensor, int64_t dim, AffineExpr size, Operation *op);
  void requireSameShape(Operation *op, ValueRange tensors);
  LogicalResult check(Operation *op);
  LogicalResult checkCarried(Operation *op);
  void requireMemory(Operation *op);
  void checkBfly(Operation *op);
  void checkLinalg(Operation *op);
  void checkTensor(Operation *op);

  MLIRContext *context;
  Block &block;
  SmallVector<std::pair<BlockArgument, int64_t>> symbols;
  DenseMap<std::pair<Value, int64_t>, AffineExpr> known;
  SmallVector<SizeCheck> found;
  DenseSet<std::pair<std::pair<AffineExpr, AffineExpr>, int>> asked;
  /// The operation whose sizes are being read.
  Operation *reader = nullptr;
  /// The first operation at which something could not be said.
  Operation *unknown = nullptr;
};

/// The dynamic sizes of a tensor, from those of the tensors or buffers that
/// stand for the block's arguments.
FailureOr<SmallVector<Value>>
makeDynamicSizes(OpBuilder &builder, Value tensor, SizeInference &inference,
                 function_ref<Value(BlockArgument)> getTensorOrBuffer);

/// The shape that a tensor is given; none where it is no constant and not
/// spelled out.
std::optional<SmallVector<OpFoldResult>> getNewShape(tensor::ReshapeOp reshape);

/// Whether one dimension becomes several dynamic ones of `result`, which
/// upstream's lowering of expand_shape cannot.
bool hasSeveralDynamic(ShapedType result,
                       ArrayRef<ReassociationIndices> groups);

} // namespace mlir::bfly

#endif // BFLY_ANALYSIS_SIZES_H
