// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The derivatives of transforms, maps of spectra and filters.

#include "MapGradients.h"
#include "bfly/IR/Conjugation.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/TypeUtilities.h"

using namespace mlir;
using namespace mlir::bfly;

static bool isComplex(Value value) {
  return isa<ComplexType>(getElementTypeOrSelf(value.getType()));
}

/// `value` times a real constant.
static Value scale(OpBuilder &builder, Location loc, Value value,
                   Value factor) {
  if (!isa<ComplexType>(value.getType()))
    return arith::MulFOp::create(builder, loc, value, factor);
  Value re = complex::ReOp::create(builder, loc, value);
  Value im = complex::ImOp::create(builder, loc, value);
  return complex::CreateOp::create(
      builder, loc, value.getType(),
      arith::MulFOp::create(builder, loc, re, factor),
      arith::MulFOp::create(builder, loc, im, factor));
}

static Value createNumber(OpBuilder &builder, Location loc, Type type,
                          double value) {
  return arith::ConstantOp::create(builder, loc,
                                   builder.getFloatAttr(type, value));
}

/// `own` for the bins that are their own mirror, 0 and for an even N also N/2,
/// `pair` for those of half a spectrum that stand for two.
static Value createShare(OpBuilder &builder, Location loc, Value k,
                         int64_t tokens, Type type, double own, double pair) {
  auto is = [&](int64_t index) -> Value {
    Value other = arith::ConstantIndexOp::create(builder, loc, index);
    return arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::eq, k,
                                 other);
  };
  Value alone = is(0);
  if (tokens % 2 == 0 && tokens > 0)
    alone = arith::OrIOp::create(builder, loc, alone, is(tokens / 2));
  return arith::SelectOp::create(builder, loc, alone,
                                 createNumber(builder, loc, type, own),
                                 createNumber(builder, loc, type, pair));
}

/// A spectrum scaled bin by bin: `own` and `pair` of half of one, `pair` of a
/// whole.
static Value scaleBins(OpBuilder &builder, Location loc, Value spectrum,
                       int64_t tokens, bool half, double own, double pair) {
  auto type = cast<RankedTensorType>(spectrum.getType());
  Type bin = type.getElementType();
  Type real = cast<ComplexType>(bin).getElementType();
  auto map = SpectrumMapOp::create(builder, loc, type, spectrum, ValueRange(),
                                   builder.getArrayAttr({}), tokens,
                                   /*hermitian=*/false);
  OpBuilder::InsertionGuard guard(builder);
  Block *body = builder.createBlock(&map.getBody(), {},
                                    {bin, builder.getIndexType()}, {loc, loc});
  Value factor = half ? createShare(builder, loc, body->getArgument(1), tokens,
                                    real, own, pair)
                      : createNumber(builder, loc, real, pair);
  YieldOp::create(builder, loc,
                  scale(builder, loc, body->getArgument(0), factor));
  return map.getResult();
}

FailureOr<Value> mlir::bfly::createGradientMap(OpBuilder &builder,
                                               const Map &map, Value g,
                                               unsigned number, bool half) {
  Location loc = map.loc;
  Type argument = map.body.getArgument(number).getType();
  auto bins = cast<RankedTensorType>(map.bins.getType());
  SmallVector<Value> params(map.params);
  params.push_back(g);
  SmallVector<Attribute> dims(map.dims.begin(), map.dims.end());
  dims.push_back(builder.getDenseI64ArrayAttr({kBatch, kBin, kChannel}));
  auto gradient = SpectrumMapOp::create(
      builder, loc, bins.clone(argument), map.bins, params,
      builder.getArrayAttr(dims), map.tokens, /*hermitian=*/false);
  OpBuilder::InsertionGuard guard(builder);
  SmallVector<Type> types(map.body.getArgumentTypes());
  types.push_back(getElementTypeOrSelf(g.getType()));
  Block *body = builder.createBlock(&gradient.getBody(), {}, types,
                                    SmallVector<Location>(types.size(), loc));
  IRMapping mapping;
  mapping.map(map.body.getArguments(), body->getArguments().drop_back());
  if (map.mirrored) {
    Value zero = arith::ConstantIndexOp::create(builder, loc, 0);
    Value all = arith::ConstantIndexOp::create(builder, loc, map.tokens);
    Value k = body->getArgument(1);
    Value first =
        arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::eq, k, zero);
    Value other = arith::SubIOp::create(builder, loc, all, k);
    mapping.map(map.body.getArgument(1),
                arith::SelectOp::create(builder, loc, first, zero, other));
  }
  SmallVector<Operation *> operations;
  for (Operation &op : map.body.without_terminator())
    operations.push_back(builder.clone(op, mapping));
  Value yielded = mapping.lookup(map.body.getTerminator()->getOperand(0));

  Gradients gradients;
  Value wanted = body->getArgument(number);
  gradients.want(wanted);
  gradients.follow(operations);
  gradients.add(builder, yielded, body->getArguments().back());
  if (failed(gradients.propagate(builder, operations))) {
    gradient.erase();
    return failure();
  }
  Value result = gradients.get(wanted);
  if (!result)
    result = createZeroLike(builder, loc, wanted);
  if (number > 1 && half)
    result = scale(builder, loc, result,
                   createShare(builder, loc, body->getArgument(1), map.tokens,
                               getComputeType(argument), 1, 2));
  YieldOp::create(builder, loc, result);
  for (Operation *op : llvm::reverse(operations))
    if (isOpTriviallyDead(op))
      op->erase();
  return gradient.getResult();
}

/// Adds the gradients of the parameters: `g` is that of the region's result,
/// the sum over bins is scaled by `factor`.
static LogicalResult addParams(OpBuilder &builder, const Map &map, Value g,
                               bool half, double factor, Gradients &gradients) {
  for (auto [index, param, dims] :
       llvm::enumerate(map.params, map.dims.getValue())) {
    if (!gradients.wants(param))
      continue;
    FailureOr<Value> each = createGradientMap(builder, map, g, index + 2, half);
    if (failed(each))
      return failure();
    SmallVector<int64_t> kept(cast<DenseI64ArrayAttr>(dims).asArrayRef());
    SmallVector<int64_t> all{0, 1, 2};
    Type type = getElementTypeOrSelf(param.getType());
    Value sum =
        createSum(builder, map.loc, {}, {{*each, all}}, kept, type,
                  [&](OpBuilder &inner, ValueRange numbers) -> Value {
                    if (factor == 1)
                      return numbers[0];
                    Type real = getComputeType(numbers[0].getType());
                    return scale(inner, map.loc, numbers[0],
                                 createNumber(inner, map.loc, real, factor));
                  });
    gradients.add(builder, param,
                  extendBins(builder, map.loc, sum, param, kept));
  }
  return success();
}

/// The adjoint of DFT(x): N IDFT(g), of a real x the real part. Half a spectrum
/// has each bin once, where its inverse takes them for two.
LogicalResult FftOp::differentiate(OpBuilder &builder, ArrayRef<Value> results,
                                   Gradients &gradients) {
  double tokens = double(getTokens());
  Value scaled = scaleBins(builder, getLoc(), results[0], getTokens(), isHalf(),
                           tokens, isHalf() ? tokens / 2 : tokens);
  gradients.add(
      builder, getInput(),
      IfftOp::create(builder, getLoc(), getInput().getType(), scaled));
  return success();
}

/// DFT(g) / N, of half a spectrum what counts twice doubled.
LogicalResult IfftOp::differentiate(OpBuilder &builder, ArrayRef<Value> results,
                                    Gradients &gradients) {
  double share = 1.0 / double(getTokens());
  Value spectrum =
      FftOp::create(builder, getLoc(), getInput().getType(), results[0]);
  gradients.add(builder, getInput(),
                scaleBins(builder, getLoc(), spectrum, getTokens(), isHalf(),
                          share, isHalf() ? 2 * share : share));
  return success();
}

LogicalResult SpectrumMapOp::differentiate(OpBuilder &builder,
                                           ArrayRef<Value> results,
                                           Gradients &gradients) {
  if (getHermitian())
    return differentiateHermitian(*this, builder, results[0], gradients);
  Map map{getLoc(),    getBody().front(), getInput(),
          getParams(), getParamDims(),    int64_t(getTokens())};
  if (gradients.wants(getInput())) {
    FailureOr<Value> bins =
        createGradientMap(builder, map, results[0], 0, /*half=*/false);
    if (failed(bins))
      return failure();
    gradients.add(builder, getInput(), *bins);
  }
  return addParams(builder, map, results[0], /*half=*/false, 1, gradients);
}

/// F = DFT(x), Y = DFT(g); the region's gradients P and p from Y; gx = IDFT(P),
/// gparam = 1/N sum p. Half a spectrum where the region treats k and N - k
/// alike and both sides are real, and what counts twice doubled in the sums.
LogicalResult SpectralFilterOp::differentiate(OpBuilder &builder,
                                              ArrayRef<Value> results,
                                              Gradients &gradients) {
  Location loc = getLoc();
  bool half = false;
  int64_t tokens = getTokens();
  auto getSpectrum = [&](Value signal) -> Value {
    auto type = cast<RankedTensorType>(signal.getType());
    SmallVector<int64_t> shape(type.getShape());
    if (half)
      shape[1] = tokens / 2 + 1;
    return FftOp::create(
        builder, loc,
        RankedTensorType::get(shape, ComplexType::get(getComputeType(type))),
        signal);
  };
  if (!isComplex(getInput()) && !isComplex(getResult())) {
    half = commutesWithConjugation(getBody().front(), getParamDims());
  }
  Value bins = getSpectrum(getInput());
  Value g = getSpectrum(results[0]);
  Map map{loc, getBody().front(), bins, getParams(), getParamDims(), tokens};
  if (gradients.wants(getInput())) {
    FailureOr<Value> gradient = createGradientMap(builder, map, g, 0, half);
    if (failed(gradient))
      return failure();
    gradients.add(
        builder, getInput(),
        IfftOp::create(builder, loc, getInput().getType(), *gradient));
  }
  return addParams(builder, map, g, half, 1.0 / double(tokens), gradients);
}
