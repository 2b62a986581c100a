// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The exact rewrites of transforms and spectra.
//
// Before: network level.
// After: network level, the same function in real arithmetic. A real sequence
// that is filtered and becomes real again has half a spectrum, unless others
// read the whole; a context that only its filter reads comes from bin 0; a
// filter that is the same for all bins has no transform.

#include "bfly/IR/Conjugation.h"
#include "bfly/IR/Network.h"
#include "bfly/Transforms/Passes.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/Matchers.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

namespace mlir::bfly {
#define GEN_PASS_DEF_REWRITESPECTRAPASS
#include "bfly/Transforms/Passes.h.inc"
} // namespace mlir::bfly

using namespace mlir;
using namespace mlir::bfly;

namespace {

bool isReal(RankedTensorType type) {
  return !isa<ComplexType>(type.getElementType());
}

/// The transform whose spectrum reaches `spectrum` through maps alone; the maps
/// are put in `maps`, the last one first.
FftOp getTransform(Value spectrum, SmallVectorImpl<SpectrumMapOp> &maps) {
  while (auto map = spectrum.getDefiningOp<SpectrumMapOp>()) {
    maps.push_back(map);
    spectrum = map.getInput();
  }
  return spectrum.getDefiningOp<FftOp>();
}

/// What an inverse with a real result sees of the spectrum of a real sequence
/// is its Hermitian half.
struct HalveSpectrum : OpRewritePattern<IfftOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(IfftOp inverse,
                                PatternRewriter &rewriter) const override {
    int64_t tokens = inverse.getTokens();
    // One and two tokens have no other half.
    if (!isReal(inverse.getResult().getType()) || inverse.isHalf() ||
        tokens < 3)
      return failure();
    SmallVector<SpectrumMapOp> maps;
    FftOp fft = getTransform(inverse.getInput(), maps);
    if (!fft || !isReal(fft.getInput().getType()) || fft.isHalf() ||
        !isReadOnlyBy(fft.getResult(), maps.empty() ? inverse : maps.back()))
      return failure();
    for (auto [i, map] : llvm::enumerate(maps)) {
      // Sums are over all bins, and a second spectrum has all of them.
      if (map.getTokens() != static_cast<uint64_t>(tokens) ||
          map.getHermitian() || !map.getSums().empty() ||
          !map.getSecondSpectra().empty() ||
          !isReadOnlyBy(map.getResult(), i ? maps[i - 1] : inverse))
        return failure();
      // The Hermitian part of the last map's result is all that the inverse
      // sees; one in between has to keep the symmetry. Bins of a result that
      // does not have it are not those of its Hermitian part.
      if (!commutesWithConjugation(map) && (i || !map.getResult().hasOneUse()))
        return failure();
    }

    halve(rewriter, fft.getResult(), tokens);
    for (SpectrumMapOp map : maps)
      halve(rewriter, map.getResult(), tokens);
    if (!maps.empty() && !commutesWithConjugation(maps.front()))
      rewriter.modifyOpInPlace(maps.front(),
                               [&] { maps.front().setHermitian(true); });
    return success();
  }

private:
  /// Whether single bins and `next`, as its first operand, are all that read
  /// `spectrum`.
  static bool isReadOnlyBy(Value spectrum, Operation *next) {
    return llvm::all_of(spectrum.getUses(), [&](OpOperand &use) {
      return use.getOperandNumber() == 0 &&
             (use.getOwner() == next || isa<SpectrumBinOp>(use.getOwner()));
    });
  }

  static void halve(PatternRewriter &rewriter, Value spectrum, int64_t tokens) {
    auto type = cast<RankedTensorType>(spectrum.getType());
    SmallVector<int64_t> shape(type.getShape());
    shape[1] = tokens / 2 + 1;
    rewriter.modifyOpInPlace(spectrum.getDefiningOp(),
                             [&] { spectrum.setType(type.clone(shape)); });
    // The real part of a bin is that of its mirror image.
    for (Operation *user : spectrum.getUsers())
      if (auto bin = dyn_cast<SpectrumBinOp>(user))
        if (static_cast<int64_t>(bin.getIndex()) > tokens / 2)
          rewriter.modifyOpInPlace(
              bin, [&] { bin.setIndex(tokens - bin.getIndex()); });
  }
};

/// The mean of what is transformed is bin 0 over N.
struct ReadMeanFromSpectrum : OpRewritePattern<MeanOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(MeanOp mean,
                                PatternRewriter &rewriter) const override {
    for (Operation *user : mean.getInput().getUsers()) {
      auto fft = dyn_cast<FftOp>(user);
      if (!fft || fft->getBlock() != mean->getBlock() ||
          !feedsOnlyFilterOf(mean, fft))
        continue;
      if (mean->isBeforeInBlock(fft))
        rewriter.moveOpBefore(fft, mean);
      APFloat factor(1.0 / fft.getTokens());
      rewriter.replaceOpWithNewOp<SpectrumBinOp>(
          mean, mean.getResult().getType(), fft.getResult(), /*index=*/0,
          factor);
      return success();
    }
    return failure();
  }

private:
  /// Whether `mean` is context of the filter around `fft` and nothing else: a
  /// bin that is read elsewhere would keep that filter from being one kernel.
  static bool feedsOnlyFilterOf(MeanOp mean, FftOp fft) {
    SetVector<Operation *> context;
    context.insert(mean);
    for (size_t i = 0; i < context.size(); ++i)
      for (Operation *user : context[i]->getUsers()) {
        SmallVector<SpectrumMapOp> maps;
        if (auto map = dyn_cast<SpectrumMapOp>(user)) {
          if (getTransform(map.getInput(), maps) != fft)
            return false;
        } else if (isContextOp(user)) {
          context.insert(user);
        } else {
          return false;
        }
      }
    return true;
  }
};

/// A map that returns its bin is nothing; nor is a transform and its inverse.
struct EraseIdentityMap : OpRewritePattern<SpectrumMapOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(SpectrumMapOp map,
                                PatternRewriter &rewriter) const override {
    Block &body = map.getBody().front();
    if (body.getTerminator()->getOperand(0) != body.getArgument(0) ||
        !map.getSums().empty())
      return failure();
    rewriter.replaceOp(map, map.getInput());
    return success();
  }
};

struct EraseTransformAndInverse : OpRewritePattern<IfftOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(IfftOp inverse,
                                PatternRewriter &rewriter) const override {
    auto fft = inverse.getInput().getDefiningOp<FftOp>();
    if (!fft || fft.getInput().getType() != inverse.getResult().getType())
      return failure();
    rewriter.replaceOp(inverse, fft.getInput());
    return success();
  }
};

/// A factor that is the same for all bins commutes with the transform: with
/// real data on both sides y = Re(factor) x. Of half a spectrum it has to be
/// real, or the map hermitian: else the other half, which is the conjugate, has
/// another.
struct MultiplyInstead : OpRewritePattern<IfftOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(IfftOp inverse,
                                PatternRewriter &rewriter) const override;

private:
  /// The factor of `map`, or none; the operations and arguments of its region
  /// that the factor depends on are put in `slice`.
  static Value getFactor(SpectrumMapOp map, SetVector<Value> &slice);
  /// Whether a complex number is plainly a real one.
  static bool isPlainlyReal(Value value) {
    if (auto create = value.getDefiningOp<complex::CreateOp>())
      return matchPattern(create.getImaginary(), m_AnyZeroFloat());
    auto constant = value.getDefiningOp<complex::ConstantOp>();
    return constant &&
           cast<FloatAttr>(constant.getValue()[1]).getValue().isZero();
  }
};

Value MultiplyInstead::getFactor(SpectrumMapOp map, SetVector<Value> &slice) {
  Block &body = map.getBody().front();
  auto product =
      body.getTerminator()->getOperand(0).getDefiningOp<complex::MulOp>();
  if (!product)
    return {};
  Value bin = body.getArgument(0);
  Value factor;
  if (product.getLhs() == bin)
    factor = product.getRhs();
  else if (product.getRhs() == bin)
    factor = product.getLhs();
  else
    return {};
  slice.insert(factor);
  for (size_t i = 0; i < slice.size(); ++i) {
    Operation *def = slice[i].getDefiningOp();
    if (def) {
      slice.insert(def->operand_begin(), def->operand_end());
      continue;
    }
    unsigned number = cast<BlockArgument>(slice[i]).getArgNumber();
    if (number < 2 || llvm::is_contained(cast<DenseI64ArrayAttr>(
                                             map.getParamDims()[number - 2])
                                             .asArrayRef(),
                                         int64_t(kBin)))
      return {};
  }
  return factor;
}

LogicalResult
MultiplyInstead::matchAndRewrite(IfftOp inverse,
                                 PatternRewriter &rewriter) const {
  auto map = inverse.getInput().getDefiningOp<SpectrumMapOp>();
  auto fft = map ? map.getInput().getDefiningOp<FftOp>() : FftOp();
  if (!fft || !isReal(fft.getInput().getType()) ||
      !isReal(inverse.getResult().getType()) ||
      fft.getTokens() != inverse.getTokens() || !map.getSums().empty())
    return failure();
  SetVector<Value> slice;
  Value factor = getFactor(map, slice);
  if (!factor ||
      (fft.isHalf() && !map.getHermitian() && !isPlainlyReal(factor)))
    return failure();

  Location loc = inverse.getLoc();
  MLIRContext *context = rewriter.getContext();
  RankedTensorType type = inverse.getResult().getType();
  FloatType compute = getComputeType(type);
  Block &body = map.getBody().front();
  SmallVector<Value> inputs{fft.getInput()};
  SmallVector<AffineMap> indexing{rewriter.getMultiDimIdentityMap(3)};
  SmallVector<BlockArgument> arguments;
  for (auto [argument, param, dims] :
       llvm::zip_equal(body.getArguments().drop_front(2), map.getParams(),
                       map.getParamDims())) {
    if (!slice.contains(argument))
      continue;
    SmallVector<unsigned> named(cast<DenseI64ArrayAttr>(dims).asArrayRef());
    inputs.push_back(param);
    indexing.push_back(AffineMap::getMultiDimMapWithTargets(3, named, context));
    arguments.push_back(argument);
  }
  indexing.push_back(rewriter.getMultiDimIdentityMap(3));
  Value empty = tensor::EmptyOp::create(
      rewriter, loc, tensor::getMixedSizes(rewriter, loc, fft.getInput()),
      type.getElementType());

  auto widen = [&](OpBuilder &builder, Value value) {
    if (isa<ComplexType>(value.getType()) || value.getType() == compute)
      return value;
    return Value(arith::ExtFOp::create(builder, loc, compute, value));
  };
  auto buildBody = [&](OpBuilder &builder, Location, ValueRange values) {
    IRMapping mapping;
    for (auto [argument, value] :
         llvm::zip(arguments, values.drop_front().drop_back()))
      mapping.map(argument, widen(builder, value));
    for (Operation &op : body.without_terminator())
      if (llvm::any_of(op.getResults(),
                       [&](Value result) { return slice.contains(result); }))
        builder.clone(op, mapping);
    Value real = complex::ReOp::create(builder, loc, mapping.lookup(factor));
    Value result = arith::MulFOp::create(builder, loc,
                                         widen(builder, values.front()), real);
    if (compute != type.getElementType())
      result =
          arith::TruncFOp::create(builder, loc, type.getElementType(), result);
    linalg::YieldOp::create(builder, loc, result);
  };
  SmallVector<utils::IteratorType> iterators(3, utils::IteratorType::parallel);
  rewriter.replaceOpWithNewOp<linalg::GenericOp>(
      inverse, type, inputs, empty, indexing, iterators, buildBody);
  return success();
}

struct RewriteSpectraPass
    : public bfly::impl::RewriteSpectraPassBase<RewriteSpectraPass> {
  using RewriteSpectraPassBase::RewriteSpectraPassBase;

  void runOnOperation() override {
    // Transforms that can go do so first: a mean that became a bin would keep
    // one alive.
    RewritePatternSet without(&getContext()), with(&getContext());
    without.add<EraseIdentityMap, EraseTransformAndInverse, MultiplyInstead>(
        &getContext());
    with.add<ReadMeanFromSpectrum, HalveSpectrum>(&getContext());
    if (failed(applyPatternsGreedily(getOperation(), std::move(without))) ||
        failed(applyPatternsGreedily(getOperation(), std::move(with))))
      signalPassFailure();
  }
};

} // namespace
