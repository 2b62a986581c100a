// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The derivatives of linear, layer norm and mean.

#include "bfly/IR/Gradients.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/TypeUtilities.h"

using namespace mlir;
using namespace mlir::bfly;

static SmallVector<int64_t> getDims(int64_t rank) {
  return llvm::to_vector(llvm::seq<int64_t>(0, rank));
}

/// gp = g [y > 0], gx = gp W, gW = gp^T x, gb = sum gp.
LogicalResult LinearOp::differentiate(OpBuilder &builder,
                                      ArrayRef<Value> results,
                                      Gradients &gradients) {
  Location loc = getLoc();
  Value g = results[0];
  RankedTensorType type = getResult().getType();
  Type elementType = type.getElementType();
  int64_t last = type.getRank() - 1;
  if (getRelu()) {
    // y <= 0 and not y > 0: a NaN of the forward is one of the gradient.
    SmallVector<int64_t> dims = getDims(type.getRank());
    g = createSum(builder, loc, {}, {{getResult(), dims}, {g, dims}}, dims,
                  elementType, [&](OpBuilder &inner, ValueRange numbers) {
                    Value zero = createZeroLike(inner, loc, numbers[0]);
                    Value off = arith::CmpFOp::create(inner, loc,
                                                      arith::CmpFPredicate::OLE,
                                                      numbers[0], zero);
                    return Value(arith::SelectOp::create(inner, loc, off, zero,
                                                         numbers[1]));
                  });
  }
  if (gradients.wants(getInput()))
    gradients.add(builder, getInput(),
                  LinearOp::create(builder, loc, getInput().getType(), g,
                                   createTransposed(builder, loc, getWeight()),
                                   /*bias=*/Value(), /*relu=*/false));
  if (gradients.wants(getWeight()))
    gradients.add(builder, getWeight(),
                  createRowProduct(builder, loc, g, getInput(), elementType));
  if (getBias() && gradients.wants(getBias()))
    gradients.add(builder, getBias(),
                  createSumOf(builder, loc, g, {last}, elementType));
  return success();
}

/// rho = 1/sqrt(var + epsilon), n = (x - mean) rho, gn = g weight;
/// gx = rho (gn - mean(gn) - n mean(gn n)), gweight = sum g n, gbias = sum g.
LogicalResult LayerNormOp::differentiate(OpBuilder &builder,
                                         ArrayRef<Value> results,
                                         Gradients &gradients) {
  Location loc = getLoc();
  Value g = results[0];
  RankedTensorType type = getInput().getType();
  Type elementType = type.getElementType();
  FloatType compute = getComputeType(type);
  int64_t last = type.getRank() - 1;
  SmallVector<int64_t> all = getDims(type.getRank()), rows = getDims(last);
  auto number = [&](OpBuilder &inner, double value) -> Value {
    return arith::ConstantOp::create(inner, loc,
                                     inner.getFloatAttr(compute, value));
  };
  auto scale = [&](OpBuilder &inner, Value sum) -> Value {
    // Not a product with 1/D, which is rounded.
    return arith::DivFOp::create(inner, loc, sum,
                                 number(inner, double(type.getDimSize(last))));
  };
  Value sum = createSumOf(builder, loc, getInput(), rows, compute);
  auto deviate = [&](OpBuilder &inner, ValueRange numbers) -> Value {
    return arith::SubFOp::create(inner, loc, numbers[0],
                                 scale(inner, numbers[1]));
  };
  Value squares =
      createSum(builder, loc, {}, {{getInput(), all}, {sum, rows}}, rows,
                compute, [&](OpBuilder &inner, ValueRange numbers) -> Value {
                  Value d = deviate(inner, numbers);
                  return arith::MulFOp::create(inner, loc, d, d);
                });
  // In each body: x, sum, squares, g and weight.
  SmallVector<Factor> factors{
      {getInput(), all}, {sum, rows}, {squares, rows}, {g, all}};
  if (getWeight())
    factors.push_back({getWeight(), {last}});
  auto getRho = [&](OpBuilder &inner, ValueRange numbers) -> Value {
    Value variance =
        arith::AddFOp::create(inner, loc, scale(inner, numbers[2]),
                              number(inner, getEpsilon().convertToDouble()));
    Value root = math::SqrtOp::create(inner, loc, variance);
    return arith::DivFOp::create(inner, loc, number(inner, 1), root);
  };
  auto getNorm = [&](OpBuilder &inner, ValueRange numbers) -> Value {
    return arith::MulFOp::create(inner, loc, deviate(inner, numbers),
                                 getRho(inner, numbers));
  };
  auto getGradient = [&](OpBuilder &inner, ValueRange numbers) -> Value {
    if (!getWeight())
      return numbers[3];
    return arith::MulFOp::create(inner, loc, numbers[3], numbers[4]);
  };
  if (gradients.wants(getInput())) {
    Value along = createSum(builder, loc, {}, factors, rows, compute,
                            [&](OpBuilder &inner, ValueRange numbers) {
                              return getGradient(inner, numbers);
                            });
    Value across = createSum(
        builder, loc, {}, factors, rows, compute,
        [&](OpBuilder &inner, ValueRange numbers) -> Value {
          return arith::MulFOp::create(inner, loc, getGradient(inner, numbers),
                                       getNorm(inner, numbers));
        });
    SmallVector<Factor> with(factors);
    with.push_back({along, rows});
    with.push_back({across, rows});
    gradients.add(
        builder, getInput(),
        createSum(builder, loc, {}, with, all, elementType,
                  [&](OpBuilder &inner, ValueRange numbers) -> Value {
                    Value mean = scale(inner, numbers.drop_back().back());
                    Value turned = arith::MulFOp::create(
                        inner, loc, getNorm(inner, numbers),
                        scale(inner, numbers.back()));
                    Value rest = arith::SubFOp::create(
                        inner, loc, getGradient(inner, numbers), mean);
                    rest = arith::SubFOp::create(inner, loc, rest, turned);
                    return arith::MulFOp::create(inner, loc, rest,
                                                 getRho(inner, numbers));
                  }));
  }
  if (getWeight() && gradients.wants(getWeight()))
    gradients.add(builder, getWeight(),
                  createSum(builder, loc, {}, factors, {last}, elementType,
                            [&](OpBuilder &inner, ValueRange numbers) -> Value {
                              return arith::MulFOp::create(
                                  inner, loc, numbers[3],
                                  getNorm(inner, numbers));
                            }));
  if (getBias() && gradients.wants(getBias()))
    gradients.add(builder, getBias(),
                  createSumOf(builder, loc, g, {last}, elementType));
  return success();
}

/// g / N for every token.
LogicalResult MeanOp::differentiate(OpBuilder &builder, ArrayRef<Value> results,
                                    Gradients &gradients) {
  Location loc = getLoc();
  RankedTensorType type = getInput().getType();
  SmallVector<OpFoldResult> sizes =
      tensor::getMixedSizes(builder, loc, getInput());
  gradients.add(builder, getInput(),
                createSum(builder, loc, sizes, {{results[0], {0, 2}}},
                          {0, 1, 2}, type.getElementType(),
                          [&](OpBuilder &inner, ValueRange numbers) -> Value {
                            Value tokens = arith::ConstantOp::create(
                                inner, loc,
                                inner.getFloatAttr(getComputeType(type),
                                                   double(type.getDimSize(1))));
                            return arith::DivFOp::create(inner, loc, numbers[0],
                                                         tokens);
                          }));
  return success();
}
