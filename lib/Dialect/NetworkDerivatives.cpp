// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The derivatives of small operations of the network level.

#include "StageGradients.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace mlir::bfly;

/// g factor in the bin that was read, 0 in the others.
LogicalResult SpectrumBinOp::differentiate(OpBuilder &builder,
                                           ArrayRef<Value> results,
                                           Gradients &gradients) {
  Location loc = getLoc();
  RankedTensorType type = getInput().getType();
  FloatType compute = getComputeType(type);
  SmallVector<OpFoldResult> sizes =
      tensor::getMixedSizes(builder, loc, getInput());
  gradients.add(
      builder, getInput(),
      createSum(
          builder, loc, sizes, {{results[0], {0, 2}}}, {0, 1, 2},
          type.getElementType(),
          [&](OpBuilder &inner, ValueRange numbers) -> Value {
            Value k = linalg::IndexOp::create(inner, loc, 1);
            Value index =
                arith::ConstantIndexOp::create(inner, loc, getIndex());
            Value here = arith::CmpIOp::create(
                inner, loc, arith::CmpIPredicate::eq, k, index);
            Value factor = arith::ConstantOp::create(
                inner, loc,
                inner.getFloatAttr(compute, getFactor().convertToDouble()));
            Value zero = arith::ConstantOp::create(inner, loc,
                                                   inner.getZeroAttr(compute));
            Value scaled =
                arith::MulFOp::create(inner, loc, numbers[0], factor);
            Value re = arith::SelectOp::create(inner, loc, here, scaled, zero);
            return complex::CreateOp::create(inner, loc, type.getElementType(),
                                             re, zero);
          }));
  return success();
}

/// gWq = Wk g^T, gWk = Wq g, matrix by matrix.
LogicalResult FoldWeightsOp::differentiate(OpBuilder &builder,
                                           ArrayRef<Value> results,
                                           Gradients &gradients) {
  Location loc = getLoc();
  auto type = cast<RankedTensorType>(getQuery().getType());
  // Loops over the leading dimensions, then (out, in, summed).
  int64_t lead = type.getRank() - 2;
  SmallVector<OpFoldResult> sizes =
      tensor::getMixedSizes(builder, loc, getQuery());
  sizes.push_back(sizes.back());
  auto dims = [&](int64_t row, int64_t column) {
    SmallVector<int64_t> all = llvm::to_vector(llvm::seq<int64_t>(0, lead));
    all.push_back(lead + row);
    all.push_back(lead + column);
    return all;
  };
  auto add = [&](Value to, Value other, SmallVector<int64_t> ofG) {
    if (gradients.wants(to))
      gradients.add(builder, to,
                    createSum(builder, loc, sizes,
                              {{other, dims(0, 2)}, {results[0], ofG}},
                              dims(0, 1), type.getElementType(),
                              [&](OpBuilder &inner, ValueRange numbers) {
                                return arith::MulFOp::create(
                                           inner, loc, numbers[0], numbers[1])
                                    .getResult();
                              }));
  };
  add(getQuery(), getKey(), dims(1, 2));
  add(getKey(), getQuery(), dims(2, 1));
  return success();
}

/// gx = M^T g, gM = sum over tokens of g (outer product) x, for every head.
LogicalResult ProjectOp::differentiate(OpBuilder &builder,
                                       ArrayRef<Value> results,
                                       Gradients &gradients) {
  Location loc = getLoc();
  int64_t heads = getHeads();
  if (gradients.wants(getInput()))
    gradients.add(builder, getInput(),
                  ProjectOp::create(builder, loc, results[0],
                                    createTransposed(builder, loc, getMatrix()),
                                    heads));
  if (!gradients.wants(getMatrix()))
    return success();
  auto type = cast<RankedTensorType>(getMatrix().getType());
  Type element = type.getElementType();
  Value g = splitHeads(builder, loc, results[0], heads);
  Value x = splitHeads(builder, loc, getInput(), heads);
  // Loops over (batch, token, head, out, in); one matrix for all heads is
  // summed over these.
  SmallVector<OpFoldResult> sizes = tensor::getMixedSizes(builder, loc, g);
  sizes.push_back(sizes.back());
  SmallVector<int64_t> kept{3, 4};
  if (type.getRank() == 4)
    kept.insert(kept.begin(), 2);
  Value sum = createSum(
      builder, loc, sizes, {{g, {0, 1, 2, 3}}, {x, {0, 1, 2, 4}}}, kept,
      element, [&](OpBuilder &inner, ValueRange numbers) {
        return arith::MulFOp::create(inner, loc, numbers[0], numbers[1])
            .getResult();
      });
  SmallVector<ReassociationIndices> groups{{0, 1}};
  for (int64_t dim = 2; dim < type.getRank(); ++dim)
    groups.push_back({dim});
  gradients.add(builder, getMatrix(),
                tensor::ExpandShapeOp::create(builder, loc, type, sum, groups));
  return success();
}
