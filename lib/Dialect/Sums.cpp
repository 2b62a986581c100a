// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The sums of products that gradients are, as structured operations: sums over
// loops in one order, so that they are the same bits each time.

#include "bfly/IR/Gradients.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/TypeUtilities.h"

using namespace mlir;
using namespace mlir::bfly;

/// The type that sums of an element type are of.
static Type getSumType(Type type) {
  return isa<ComplexType>(type) ? type : Type(getComputeType(type));
}

static Value createZero(OpBuilder &builder, Location loc, Type type) {
  auto complex = dyn_cast<ComplexType>(type);
  if (!complex)
    return arith::ConstantOp::create(builder, loc, builder.getZeroAttr(type));
  Attribute zero = builder.getZeroAttr(complex.getElementType());
  return complex::ConstantOp::create(builder, loc, type,
                                     builder.getArrayAttr({zero, zero}));
}

static Value createFilled(OpBuilder &builder, Location loc,
                          ArrayRef<OpFoldResult> sizes, Type elementType) {
  Value empty = tensor::EmptyOp::create(builder, loc, sizes, elementType);
  Value zero = createZero(builder, loc, elementType);
  return linalg::FillOp::create(builder, loc, zero, empty).getResult(0);
}

static Value convert(OpBuilder &builder, Location loc, Value value, Type type) {
  Type from = getElementTypeOrSelf(value.getType());
  Type to = getElementTypeOrSelf(type);
  if (from == to)
    return value;
  if (from.getIntOrFloatBitWidth() < to.getIntOrFloatBitWidth())
    return arith::ExtFOp::create(builder, loc, type, value);
  return arith::TruncFOp::create(builder, loc, type, value);
}

Value mlir::bfly::createZeroLike(OpBuilder &builder, Location loc, Value like) {
  auto type = dyn_cast<RankedTensorType>(like.getType());
  if (!type)
    return createZero(builder, loc, like.getType());
  return createFilled(builder, loc, tensor::getMixedSizes(builder, loc, like),
                      type.getElementType());
}

Value mlir::bfly::createSum(OpBuilder &builder, Location loc,
                            ArrayRef<OpFoldResult> sizes,
                            ArrayRef<Factor> factors, ArrayRef<int64_t> kept,
                            Type elementType,
                            function_ref<Value(OpBuilder &, ValueRange)> body) {
  SmallVector<OpFoldResult> ownSizes;
  if (sizes.empty()) {
    ownSizes = tensor::getMixedSizes(builder, loc, factors[0].tensor);
    sizes = ownSizes;
  }
  unsigned loops = sizes.size();
  bool sums = kept.size() < loops;
  auto getMap = [&](ArrayRef<int64_t> dims) {
    SmallVector<unsigned> targets(dims);
    return AffineMap::getMultiDimMapWithTargets(loops, targets,
                                                builder.getContext());
  };
  SmallVector<Value> inputs;
  SmallVector<AffineMap> maps;
  for (const Factor &factor : factors) {
    inputs.push_back(factor.tensor);
    maps.push_back(getMap(factor.dims));
  }
  maps.push_back(getMap(kept));
  SmallVector<OpFoldResult> keptSizes;
  SmallVector<utils::IteratorType> iterators(loops,
                                             utils::IteratorType::reduction);
  for (int64_t dim : kept) {
    keptSizes.push_back(sizes[dim]);
    iterators[dim] = utils::IteratorType::parallel;
  }
  Type sumType = sums ? getSumType(elementType) : elementType;
  Value init =
      sums ? createFilled(builder, loc, keptSizes, sumType)
           : Value(tensor::EmptyOp::create(builder, loc, keptSizes, sumType));
  auto generic = linalg::GenericOp::create(
      builder, loc, TypeRange{init.getType()}, inputs, ValueRange{init}, maps,
      iterators, [&](OpBuilder &inner, Location, ValueRange numbers) {
        SmallVector<Value> wide;
        for (Value number : numbers.drop_back())
          wide.push_back(
              convert(inner, loc, number, getSumType(number.getType())));
        Value result = body(inner, wide);
        if (!sums)
          result = convert(inner, loc, result, sumType);
        else if (isa<ComplexType>(sumType))
          result = complex::AddOp::create(inner, loc, numbers.back(), result);
        else
          result = arith::AddFOp::create(inner, loc, numbers.back(), result);
        linalg::YieldOp::create(inner, loc, result);
      });
  Value result = generic.getResult(0);
  auto type = cast<RankedTensorType>(result.getType());
  return convert(builder, loc, result, type.clone(elementType));
}

Value mlir::bfly::createSumOf(OpBuilder &builder, Location loc, Value tensor,
                              ArrayRef<int64_t> kept, Type elementType) {
  int64_t rank = cast<RankedTensorType>(tensor.getType()).getRank();
  SmallVector<int64_t> dims = llvm::to_vector(llvm::seq<int64_t>(0, rank));
  if (static_cast<int64_t>(kept.size()) == rank &&
      getElementTypeOrSelf(tensor.getType()) == elementType)
    return tensor;
  return createSum(builder, loc, {}, {{tensor, dims}}, kept, elementType,
                   [](OpBuilder &, ValueRange numbers) { return numbers[0]; });
}

Value mlir::bfly::createTransposed(OpBuilder &builder, Location loc,
                                   Value matrix) {
  auto type = cast<RankedTensorType>(matrix.getType());
  SmallVector<OpFoldResult> sizes = tensor::getMixedSizes(builder, loc, matrix);
  SmallVector<int64_t> order =
      llvm::to_vector(llvm::seq<int64_t>(0, type.getRank()));
  std::swap(sizes.end()[-1], sizes.end()[-2]);
  std::swap(order.end()[-1], order.end()[-2]);
  Value empty =
      tensor::EmptyOp::create(builder, loc, sizes, type.getElementType());
  return linalg::TransposeOp::create(builder, loc, matrix, empty, order)
      ->getResult(0);
}

Value mlir::bfly::createRowProduct(OpBuilder &builder, Location loc, Value a,
                                   Value b, Type elementType) {
  auto type = cast<RankedTensorType>(a.getType());
  auto other = cast<RankedTensorType>(b.getType());
  auto result = RankedTensorType::get(
      {type.getShape().back(), other.getShape().back()}, elementType);
  return RowProductOp::create(builder, loc, result, a, b, /*heads=*/1);
}
