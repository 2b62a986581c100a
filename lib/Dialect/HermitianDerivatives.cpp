// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The derivative of a hermitian map,
//
//   A[k] = (f(F[k], k, p[k]) + conj f(conj F[k], k', p[k'])) / 2, k' = -k mod
//   N:
//
// f's with g/2 at k, and with conj(g)/2 at k', whose gradient of the bin is
// conjugated.

#include "MapGradients.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/TypeUtilities.h"

using namespace mlir;
using namespace mlir::bfly;

/// A spectrum with the parts of each bin changed.
static Value mapParts(
    OpBuilder &builder, Location loc, Value spectrum, int64_t tokens,
    function_ref<std::pair<Value, Value>(OpBuilder &, Value, Value)> change) {
  auto type = cast<RankedTensorType>(spectrum.getType());
  Type bin = type.getElementType();
  auto map = SpectrumMapOp::create(builder, loc, type, spectrum, ValueRange(),
                                   builder.getArrayAttr({}), tokens,
                                   /*hermitian=*/false);
  OpBuilder::InsertionGuard guard(builder);
  Block *body = builder.createBlock(&map.getBody(), {},
                                    {bin, builder.getIndexType()}, {loc, loc});
  auto [re, im] =
      change(builder, complex::ReOp::create(builder, loc, body->getArgument(0)),
             complex::ImOp::create(builder, loc, body->getArgument(0)));
  Value changed = complex::CreateOp::create(builder, loc, bin, re, im);
  YieldOp::create(builder, loc, changed);
  return map.getResult();
}

/// A spectrum times a number, whose imaginary part is scaled by another.
static Value scaleParts(OpBuilder &builder, Location loc, Value spectrum,
                        int64_t tokens, double re, double im) {
  FloatType real = getComputeType(cast<RankedTensorType>(spectrum.getType()));
  return mapParts(
      builder, loc, spectrum, tokens,
      [&](OpBuilder &inner, Value a, Value b) -> std::pair<Value, Value> {
        auto times = [&](Value part, double factor) -> Value {
          Value number = arith::ConstantOp::create(
              inner, loc, inner.getFloatAttr(real, factor));
          return arith::MulFOp::create(inner, loc, part, number);
        };
        return {times(a, re), times(b, im)};
      });
}

/// result[k] = tensor[-k mod N] along one dimension, of N elements.
static Value mirror(OpBuilder &builder, Location loc, Value tensor,
                    int64_t dim) {
  auto type = cast<RankedTensorType>(tensor.getType());
  int64_t rank = type.getRank(), size = type.getDimSize(dim);
  SmallVector<AffineExpr> from;
  for (int64_t i = 0; i < rank; ++i)
    from.push_back(builder.getAffineDimExpr(i));
  from[dim] = (size - from[dim]) % size;
  Value empty = tensor::EmptyOp::create(
      builder, loc, tensor::getMixedSizes(builder, loc, tensor),
      type.getElementType());
  SmallVector<AffineMap> maps{
      AffineMap::get(rank, 0, from, builder.getContext()),
      builder.getMultiDimIdentityMap(rank)};
  SmallVector<utils::IteratorType> iterators(rank,
                                             utils::IteratorType::parallel);
  return linalg::GenericOp::create(
             builder, loc, TypeRange{type}, tensor, empty, maps, iterators,
             [](OpBuilder &inner, Location at, ValueRange numbers) {
               linalg::YieldOp::create(inner, at, numbers[0]);
             })
      .getResult(0);
}

/// The place of the bins in a parameter's dimensions, -1 if it has none.
static int64_t findBinDim(ArrayRef<int64_t> dims) {
  const int64_t *bin = llvm::find(dims, int64_t(kBin));
  return bin == dims.end() ? -1 : bin - dims.begin();
}

Value mlir::bfly::extendBins(OpBuilder &builder, Location loc, Value gradient,
                             Value param, ArrayRef<int64_t> dims) {
  int64_t dim = findBinDim(dims);
  auto type = cast<RankedTensorType>(gradient.getType());
  auto all = cast<RankedTensorType>(param.getType());
  if (dim < 0 || type.getDimSize(dim) == all.getDimSize(dim))
    return gradient;
  SmallVector<OpFoldResult> offsets(type.getRank(), builder.getIndexAttr(0));
  SmallVector<OpFoldResult> strides(type.getRank(), builder.getIndexAttr(1));
  return tensor::InsertSliceOp::create(
      builder, loc, gradient, createZeroLike(builder, loc, param), offsets,
      tensor::getMixedSizes(builder, loc, gradient), strides);
}

LogicalResult mlir::bfly::differentiateHermitian(SpectrumMapOp op,
                                                 OpBuilder &builder, Value g,
                                                 Gradients &gradients) {
  Location loc = op.getLoc();
  int64_t tokens = op.getTokens();
  FloatType real = getComputeType(op.getInput().getType());
  Block &body = op.getBody().front();
  auto getDims = [&](unsigned param) {
    return cast<DenseI64ArrayAttr>(op.getParamDims()[param]).asArrayRef();
  };
  // As the map takes them: Im F + 0, and 0 - Im F.
  auto addZero = [&](OpBuilder &inner, Value im, bool negative) -> Value {
    Value zero = arith::ConstantOp::create(inner, loc, inner.getZeroAttr(real));
    if (negative)
      return arith::SubFOp::create(inner, loc, zero, im);
    return arith::AddFOp::create(inner, loc, im, zero);
  };
  for (bool mirrored : {false, true}) {
    Value bins = mapParts(
        builder, loc, op.getInput(), tokens,
        [&](OpBuilder &inner, Value re, Value im) -> std::pair<Value, Value> {
          return {re, addZero(inner, im, mirrored)};
        });
    Value half =
        scaleParts(builder, loc, g, tokens, 0.5, mirrored ? -0.5 : 0.5);
    SmallVector<Value> params(op.getParams());
    if (mirrored)
      for (auto [index, param] : llvm::enumerate(params))
        if (int64_t dim = findBinDim(getDims(index)); dim >= 0)
          param = mirror(builder, loc, param, dim);
    Map map{loc, body, bins, params, op.getParamDims(), tokens, mirrored};
    if (gradients.wants(op.getInput())) {
      FailureOr<Value> each =
          createGradientMap(builder, map, half, 0, /*half=*/false);
      if (failed(each))
        return failure();
      gradients.add(builder, op.getInput(),
                    mirrored ? scaleParts(builder, loc, *each, tokens, 1, -1)
                             : *each);
    }
    for (auto [index, param] : llvm::enumerate(op.getParams())) {
      if (!gradients.wants(param))
        continue;
      FailureOr<Value> each =
          createGradientMap(builder, map, half, index + 2, /*half=*/false);
      if (failed(each))
        return failure();
      ArrayRef<int64_t> dims = getDims(index);
      Value sum = createSumOf(builder, loc, *each, dims,
                              getElementTypeOrSelf(param.getType()));
      sum = extendBins(builder, loc, sum, param, dims);
      if (int64_t dim = findBinDim(dims); mirrored && dim >= 0)
        sum = mirror(builder, loc, sum, dim);
      gradients.add(builder, param, sum);
    }
  }
  return success();
}
