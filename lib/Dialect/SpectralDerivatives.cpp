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

/// Adds the gradient of a parameter: `g` is that of the region's result, the
/// sum over bins is scaled by `factor`.
static LogicalResult addParam(OpBuilder &builder, const Map &map,
                              unsigned index, Value g, bool half, double factor,
                              Gradients &gradients) {
  FailureOr<Value> each = createGradientMap(builder, map, g, index + 2, half);
  if (failed(each))
    return failure();
  SmallVector<int64_t> kept(
      cast<DenseI64ArrayAttr>(map.dims[index]).asArrayRef());
  SmallVector<int64_t> all{0, 1, 2};
  Value param = map.params[index];
  Value sum =
      createSum(builder, map.loc, {}, {{*each, all}}, kept,
                getElementTypeOrSelf(param.getType()),
                [&](OpBuilder &inner, ValueRange numbers) -> Value {
                  if (factor == 1)
                    return numbers[0];
                  Type real = getComputeType(numbers[0].getType());
                  return scale(inner, map.loc, numbers[0],
                               createNumber(inner, map.loc, real, factor));
                });
  gradients.add(builder, param, extendBins(builder, map.loc, sum, param, kept));
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
  if (!getSums().empty())
    return emitOpError("has no derivative where it has sums");
  Map map{getLoc(),    getBody().front(), getInput(),
          getParams(), getParamDims(),    int64_t(getTokens())};
  if (gradients.wants(getInput())) {
    FailureOr<Value> bins =
        createGradientMap(builder, map, results[0], 0, /*half=*/false);
    if (failed(bins))
      return failure();
    gradients.add(builder, getInput(), *bins);
  }
  for (auto [index, param] : llvm::enumerate(getParams()))
    if (gradients.wants(param) &&
        failed(addParam(builder, map, index, results[0], /*half=*/false, 1,
                        gradients)))
      return failure();
  return success();
}

namespace {

/// The map that a filter's derivative is, F = DFT(x), Y = DFT(g): of Y, with F
/// for a parameter, what the region's derivative makes of Y for the bins of the
/// gradient of x, and the terms of the gradients of parameters for its sums.
class FilterDerivative {
public:
  FilterDerivative(SpectralFilterOp filter, OpBuilder &builder, Value g,
                   Gradients &gradients)
      : filter(filter), builder(builder), g(g), gradients(gradients),
        loc(filter.getLoc()), forward(filter.getBody().front()),
        half(!isComplex(filter.getInput()) && !isComplex(filter.getResult()) &&
             commutesWithConjugation(forward, filter.getParamDims())) {}

  LogicalResult run();

private:
  Value createSpectrum(Value signal);
  bool dependsOnBin(unsigned param) {
    return llvm::is_contained(
        cast<DenseI64ArrayAttr>(filter.getParamDims()[param]).asArrayRef(),
        int64_t(kBin));
  }
  /// One map for the gradients of the bins, if asked, and of some parameters.
  LogicalResult createMap(bool ofBins, ArrayRef<unsigned> params);

  SpectralFilterOp filter;
  OpBuilder &builder;
  Value g;
  Gradients &gradients;
  Location loc;
  Block &forward;
  /// Half a spectrum where the region treats k and N - k alike and both sides
  /// are real: the sums of a map have what counts twice doubled.
  bool half;
};

} // namespace

Value FilterDerivative::createSpectrum(Value signal) {
  auto type = cast<RankedTensorType>(signal.getType());
  SmallVector<int64_t> shape(type.getShape());
  if (half)
    shape[1] = filter.getTokens() / 2 + 1;
  return FftOp::create(
      builder, loc,
      RankedTensorType::get(shape, ComplexType::get(getComputeType(type))),
      signal);
}

LogicalResult FilterDerivative::createMap(bool ofBins,
                                          ArrayRef<unsigned> params) {
  Value spectrum = createSpectrum(g);
  auto bins = cast<RankedTensorType>(spectrum.getType());

  // The region's values anew, and its reverse mode, in a region of (Y, k,
  // parameters, F).
  Region region;
  Block *body = &region.emplaceBlock();
  IRMapping mapping;
  Value cotangent = body->addArgument(bins.getElementType(), loc);
  for (BlockArgument argument : forward.getArguments().drop_front())
    mapping.map(argument, body->addArgument(argument.getType(), loc));
  Value wantedBin = body->addArgument(bins.getElementType(), loc);
  mapping.map(forward.getArgument(0), wantedBin);
  OpBuilder::InsertionGuard guard(builder);
  OpBuilder::InsertPoint outside = builder.saveInsertionPoint();
  builder.setInsertionPointToEnd(body);
  SmallVector<Operation *> operations;
  for (Operation &op : forward.without_terminator())
    operations.push_back(builder.clone(op, mapping));
  Gradients inner;
  if (ofBins)
    inner.want(wantedBin);
  for (unsigned param : params)
    inner.want(body->getArgument(param + 2));
  inner.follow(operations);
  inner.add(builder, mapping.lookup(forward.getTerminator()->getOperand(0)),
            cotangent);
  if (failed(inner.propagate(builder, operations)))
    return failure();

  auto getGradient = [&](Value value) {
    Value gradient = inner.get(value);
    return gradient ? gradient : createZeroLike(builder, loc, value);
  };
  // Parameters that are added up have one gradient: its terms are one sum.
  SmallVector<Value> yielded{ofBins ? getGradient(wantedBin) : cotangent};
  SmallVector<size_t> positions;
  SmallVector<Type> sums;
  for (unsigned param : params) {
    Value term = getGradient(body->getArgument(param + 2));
    ArrayRef<Value> before = ArrayRef(yielded).drop_front();
    const Value *known = llvm::find(before, term);
    positions.push_back(known - before.begin());
    if (known != before.end())
      continue;
    yielded.push_back(term);
    sums.push_back(RankedTensorType::get(
        {bins.getDimSize(0), bins.getDimSize(2)}, term.getType()));
  }
  YieldOp::create(builder, loc, yielded);
  for (Operation &op : llvm::make_early_inc_range(llvm::reverse(*body)))
    if (isOpTriviallyDead(&op))
      op.erase();

  builder.restoreInsertionPoint(outside);
  SmallVector<Value> operands(filter.getParams());
  SmallVector<Attribute> dims(filter.getParamDims().begin(),
                              filter.getParamDims().end());
  if (wantedBin.use_empty()) {
    body->eraseArgument(body->getNumArguments() - 1);
  } else {
    operands.push_back(createSpectrum(filter.getInput()));
    dims.push_back(builder.getDenseI64ArrayAttr({kBatch, kBin, kChannel}));
  }
  auto map = SpectrumMapOp::create(builder, loc, bins, sums, spectrum, operands,
                                   builder.getArrayAttr(dims),
                                   filter.getTokens(), /*hermitian=*/false);
  map.getBody().takeBody(region);
  if (ofBins)
    gradients.add(builder, filter.getInput(),
                  IfftOp::create(builder, loc, filter.getInput().getType(),
                                 map.getResult()));
  for (auto [param, position] : llvm::zip_equal(params, positions)) {
    // (B, D), of what the parameter is broadcast over.
    SmallVector<int64_t> kept;
    for (int64_t dim :
         cast<DenseI64ArrayAttr>(filter.getParamDims()[param]).asArrayRef())
      kept.push_back(dim == kBatch ? 0 : 1);
    Value operand = filter.getParams()[param];
    gradients.add(builder, operand,
                  createSumOf(builder, loc, map.getSums()[position], kept,
                              getElementTypeOrSelf(operand.getType())));
  }
  return success();
}

LogicalResult FilterDerivative::run() {
  // So many sums of a bin stay in registers.
  constexpr size_t kMostSums = 8;
  SmallVector<unsigned> summed;
  for (auto [index, param] : llvm::enumerate(filter.getParams()))
    if (gradients.wants(param) && !dependsOnBin(index))
      summed.push_back(index);
  bool ofBins = gradients.wants(filter.getInput());
  for (size_t first = 0; ofBins || first < summed.size(); first += kMostSums) {
    ArrayRef<unsigned> some = ArrayRef(summed).drop_front(first);
    if (failed(createMap(ofBins, some.take_front(kMostSums))))
      return failure();
    ofBins = false;
  }
  // What differs from bin to bin is summed over the batch alone.
  for (auto [index, param] : llvm::enumerate(filter.getParams())) {
    if (!gradients.wants(param) || !dependsOnBin(index))
      continue;
    Map map{loc,
            forward,
            createSpectrum(filter.getInput()),
            filter.getParams(),
            filter.getParamDims(),
            filter.getTokens()};
    if (failed(addParam(builder, map, index, createSpectrum(g), half,
                        1.0 / double(filter.getTokens()), gradients)))
      return failure();
  }
  return success();
}

LogicalResult SpectralFilterOp::differentiate(OpBuilder &builder,
                                              ArrayRef<Value> results,
                                              Gradients &gradients) {
  return FilterDerivative(*this, builder, results[0], gradients).run();
}
