// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "SpectralMaps.h"

#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/TypeUtilities.h"

using namespace mlir;
using namespace mlir::bfly;

/// The transforms that maps of a chain read beside its own, where they are not
/// in memory already.
static void findSeconds(KernelEmitter &emitter, SpectralChain &chain) {
  for (SpectrumMapOp map : chain.maps)
    for (FftOp second : map.getSecondSpectra())
      if (!emitter.findBuffer(second.getResult()) &&
          !llvm::is_contained(chain.seconds, second))
        chain.seconds.push_back(second);
}

SpectralChain mlir::bfly::getSpectralChain(KernelEmitter &emitter,
                                           Operation *sink) {
  SpectralChain chain;
  chain.result = sink->getResult(0);
  auto take = [&](Operation *op, int64_t tokens) {
    chain.tokens = tokens;
    chain.source = op->getOperand(0);
  };
  if ((chain.fft = dyn_cast<FftOp>(sink)))
    return take(sink, chain.fft.getTokens()), chain;
  if ((chain.ifft = dyn_cast<IfftOp>(sink)))
    take(sink, chain.ifft.getTokens());
  else
    take(sink, chain.maps.emplace_back(sink).getTokens());
  OpOperand *use = &sink->getOpOperand(0);
  // A spectrum that has a buffer already, or one that is read as that of other
  // tokens, is where the chain begins.
  while (continuesSpectrum(*use) && !emitter.findBuffer(use->get())) {
    Operation *op = use->get().getDefiningOp();
    if ((chain.fft = dyn_cast_if_present<FftOp>(op))) {
      take(op, chain.tokens);
      findSeconds(emitter, chain);
      return chain;
    }
    auto map = dyn_cast_if_present<SpectrumMapOp>(op);
    if (!map)
      break;
    chain.maps.insert(chain.maps.begin(), map);
    take(op, chain.tokens);
    use = &op->getOpOperand(0);
  }
  return chain;
}

/// Whether a parameter is computed in this kernel from the very tensor that is
/// transformed: then a value that is no number reaches every channel anyway.
static bool dependsOn(Value param, Value source) {
  SmallVector<Value> stack{param};
  while (!stack.empty()) {
    Operation *op = stack.pop_back_val().getDefiningOp();
    if (!op)
      continue;
    for (Value operand : op->getOperands()) {
      if (operand == source)
        return true;
      stack.push_back(operand);
    }
  }
  return false;
}

/// What becomes of a bin that is no number.
enum class Spread {
  /// The result does not depend on the bin.
  None,
  Unknown,
  /// It makes one of what a map yields, be it at some bins alone: then a
  /// channel
  /// that has one is none all over, and its neighbour in a packed transform
  /// need
  /// not see it.
  Always,
};

/// Of arguments of a map's region.
static Spread getSpread(SpectrumMapOp map, ArrayRef<Value> bins) {
  Block &body = map.getBody().front();
  // What depends on them; what is no number if they are none; what depends on
  // the index alone.
  llvm::SmallDenseSet<Value> depending(bins.begin(), bins.end()),
      carrying(bins.begin(), bins.end()), known{body.getArgument(1)};
  auto carries = [&](Value value) { return carrying.contains(value); };
  for (Operation &op : body.without_terminator()) {
    if (llvm::any_of(op.getOperands(),
                     [&](Value value) { return depending.contains(value); }))
      depending.insert(op.result_begin(), op.result_end());
    if (llvm::all_of(op.getOperands(),
                     [&](Value value) { return known.contains(value); }))
      known.insert(op.result_begin(), op.result_end());
    bool result = false;
    if (auto select = dyn_cast<arith::SelectOp>(op)) {
      bool first = carries(select.getTrueValue()),
           second = carries(select.getFalseValue());
      result = known.contains(select.getCondition()) ? first || second
                                                     : first && second;
    } else if (isa<complex::AddOp, complex::SubOp, complex::MulOp,
                   complex::DivOp, complex::NegOp, complex::ConjOp,
                   complex::AbsOp, complex::ReOp, complex::ImOp,
                   complex::CreateOp, complex::ExpOp, complex::LogOp,
                   complex::SqrtOp, complex::AngleOp, complex::SignOp,
                   arith::AddFOp, arith::SubFOp, arith::MulFOp, arith::DivFOp,
                   arith::NegFOp, arith::MaximumFOp, arith::MinimumFOp,
                   math::AbsFOp, math::ExpOp, math::LogOp, math::SqrtOp,
                   math::RsqrtOp, math::TanhOp, math::SinOp, math::CosOp>(op)) {
      result = llvm::any_of(op.getOperands(), carries);
    }
    if (result)
      carrying.insert(op.result_begin(), op.result_end());
  }
  Value result = body.getTerminator()->getOperand(0);
  return carries(result)              ? Spread::Always
         : depending.contains(result) ? Spread::Unknown
                                      : Spread::None;
}

/// Of the bins that maps read, one after the other: their own where `second` is
/// null.
static Spread getSpread(ArrayRef<SpectrumMapOp> maps, FftOp second) {
  Spread spread = second ? Spread::None : Spread::Always;
  for (SpectrumMapOp map : maps) {
    Block &body = map.getBody().front();
    SmallVector<Value> bins;
    if (spread == Spread::Always)
      bins.push_back(body.getArgument(0));
    for (auto [index, param] : llvm::enumerate(map.getParams()))
      if (second && param == second.getResult())
        bins.push_back(body.getArgument(index + 2));
    Spread own = getSpread(map, bins);
    if (spread == Spread::Unknown && own != Spread::Always)
      own = getSpread(map, {body.getArgument(0)}) == Spread::None
                ? own
                : Spread::Unknown;
    spread = own;
  }
  return spread;
}

SpectralMaps::SpectralMaps(KernelEmitter &emitter, NestBuilder &nest,
                           SpectralChain given)
    : emitter(emitter), nest(nest), chain(std::move(given)) {
  auto addSource = [&](Value source, FftOp fft) {
    inputs.push_back(emitter.getBuffer(source));
    realTokens.push_back(
        fft && !isa<ComplexType>(fft.getInput().getType().getElementType()));
  };
  addSource(chain.source, chain.fft);
  for (FftOp second : chain.seconds)
    addSource(second.getInput(), second);
  if (chain.ifft || storesSpectrum())
    output = emitter.getBuffer(chain.result);
  channels = cast<MemRefType>(inputs[0].getType()).getDimSize(2);
  for (SpectrumMapOp map : chain.maps)
    for (Value sum : map.getSums())
      if (!sum.use_empty()) {
        auto buffer = cast<MemRefType>(emitter.getBuffer(sum).getType());
        numTerms += isa<ComplexType>(buffer.getElementType()) ? 2 : 1;
      }
  // One or two tokens have as many bins as half of them: any reading is right.
  half = chain.fft    ? chain.fft.isHalf()
         : chain.ifft ? chain.ifft.isHalf()
                      : chain.maps.front().isHalf();
  findIsolated();
}

void SpectralMaps::findIsolated() {
  packed = half && (chain.fft || chain.ifft);
  for (unsigned source = 0; source < getNumSources(); ++source) {
    FftOp second = source ? chain.seconds[source - 1] : FftOp();
    Spread spread = getSpread(chain.maps, second);
    reaching.push_back(!chain.fft || spread != Spread::None);
    packed &= !chain.fft || spread != Spread::Unknown;
  }
  for (unsigned source = 0; source < getNumSources(); ++source) {
    Value tensor =
        source ? Value(chain.seconds[source - 1].getInput()) : chain.source;
    isolatedSources.push_back(
        packed && llvm::none_of(chain.maps, [&](SpectrumMapOp map) {
          return llvm::any_of(map.getParams(), [&](Value param) {
            return !param.getDefiningOp<FftOp>() && dependsOn(param, tensor);
          });
        }));
  }
  isolated = llvm::is_contained(isolatedSources, true);
}

Value SpectralMaps::selectFinite(Value x, Value flag) {
  Value zero = nest.constant(0);
  Value finite = arith::CmpFOp::create(nest.builder, nest.loc,
                                       arith::CmpFPredicate::OEQ, flag, zero);
  return arith::SelectOp::create(nest.builder, nest.loc, finite, x, zero);
}

Value SpectralMaps::getFlagTerm(unsigned source, AffineExpr row,
                                AffineExpr channel) {
  Value zero = nest.constant(0);
  if (chain.fft)
    return nest.mul(nest.load(inputs[source], {batch, row, channel}), zero);
  ComplexPair bin = loadBin(row, isOwnMirror(row), channel).bin;
  return nest.add(nest.mul(bin.re, zero), nest.mul(bin.im, zero));
}

Value SpectralMaps::getResultFlag(
    function_ref<Value(unsigned source)> getFlag) {
  Value flag;
  for (unsigned source = 0; source < getNumSources(); ++source)
    if (reaching[source] && isolatedSources[source]) {
      Value own = getFlag(source);
      flag = flag ? nest.add(flag, own) : own;
    }
  return flag ? flag : nest.constant(0);
}

ComplexPair SpectralMaps::addFlag(ComplexPair bin, Value flag) {
  return {nest.add(bin.re, flag), nest.add(bin.im, flag)};
}

Value SpectralMaps::isOwnMirror(AffineExpr k) {
  return arith::CmpIOp::create(nest.builder, nest.loc, arith::CmpIPredicate::eq,
                               nest.apply(k), nest.apply(mirrorOf(k)));
}

MappedBin SpectralMaps::loadBin(AffineExpr k, Value own, AffineExpr channel) {
  return mapTransformed(nest.loadComplex(inputs[0], {batch, k, channel}), own,
                        k, channel);
}

MappedBin SpectralMaps::mapTransformed(ArrayRef<ComplexPair> bins, Value own,
                                       AffineExpr k, AffineExpr channel) {
  SmallVector<ComplexPair> given(bins);
  for (auto [bin, isReal] : llvm::zip_equal(given, realTokens))
    if (own && isReal)
      dropImaginary(bin, own);
  MappedBin mapped = applyMaps(given, k, channel);
  if (half && !mapped.terms.empty()) {
    // Of half a spectrum most bins stand for two.
    Value share = nest.constant(2);
    if (own)
      share = arith::SelectOp::create(nest.builder, nest.loc, own,
                                      nest.constant(1), share);
    for (Value &term : mapped.terms)
      term = nest.mul(term, share);
  }
  if (own && half && chain.ifft)
    dropImaginary(mapped.bin, own);
  return mapped;
}

ComplexPair SpectralMaps::applyMap(SpectrumMapOp map,
                                   ArrayRef<ComplexPair> bins, AffineExpr k,
                                   AffineExpr channel,
                                   SmallVectorImpl<Value> *terms) {
  OpBuilder &builder = nest.builder;
  Block &block = map.getBody().front();
  Type complexType = ComplexType::get(nest.compute);
  auto create = [&](ComplexPair value) -> Value {
    return complex::CreateOp::create(builder, nest.loc, complexType, value.re,
                                     value.im);
  };
  IRMapping mapping;
  mapping.map(block.getArgument(0), create(bins[0]));
  if (!block.getArgument(1).use_empty())
    mapping.map(block.getArgument(1), nest.apply(k));
  for (auto [index, param] : llvm::enumerate(map.getParams())) {
    BlockArgument argument = block.getArgument(2 + index);
    if (argument.use_empty())
      continue;
    auto *second = llvm::find(chain.seconds, param.getDefiningOp<FftOp>());
    if (second != chain.seconds.end()) {
      mapping.map(argument, create(bins[1 + (second - chain.seconds.begin())]));
      continue;
    }
    SmallVector<AffineExpr> indices;
    for (int64_t dim :
         cast<DenseI64ArrayAttr>(map.getParamDims()[index]).asArrayRef())
      indices.push_back(dim == kBatch ? batch : dim == kBin ? k : channel);
    ComplexPair value = nest.loadComplex(emitter.getBuffer(param), indices);
    mapping.map(argument, isa<ComplexType>(argument.getType()) ? create(value)
                                                               : value.re);
  }
  for (Operation &op : block.without_terminator())
    builder.clone(op, mapping);
  auto getYielded = [&](unsigned number) -> ComplexPair {
    Value yielded =
        mapping.lookupOrDefault(block.getTerminator()->getOperand(number));
    if (!isa<ComplexType>(yielded.getType()))
      return {yielded, nest.constant(0)};
    return {complex::ReOp::create(builder, nest.loc, yielded),
            complex::ImOp::create(builder, nest.loc, yielded)};
  };
  for (auto [index, sum] : llvm::enumerate(map.getSums()))
    if (terms && !sum.use_empty()) {
      ComplexPair term = getYielded(index + 1);
      terms->push_back(term.re);
      if (isa<ComplexType>(getElementTypeOrSelf(sum.getType())))
        terms->push_back(term.im);
    }
  return getYielded(0);
}

void SpectralMaps::storeSums(AffineExpr channel, ArrayRef<Value> totals) {
  Value factor = nest.constant(1.0 / chain.tokens);
  for (SpectrumMapOp map : chain.maps)
    for (Value sum : map.getSums()) {
      if (sum.use_empty())
        continue;
      bool isReal = !isa<ComplexType>(getElementTypeOrSelf(sum.getType()));
      ComplexPair total{nest.mul(totals[0], factor),
                        isReal ? nest.constant(0)
                               : nest.mul(totals[1], factor)};
      nest.storeComplex(total, emitter.getBuffer(sum), {batch, channel});
      totals = totals.drop_front(isReal ? 1 : 2);
    }
}

MappedBin SpectralMaps::applyMaps(ArrayRef<ComplexPair> given, AffineExpr k,
                                  AffineExpr channel) {
  // 0 - x and x + 0, for a real bin and its conjugate to have the same zero:
  // a region may have a branch cut there.
  auto positiveZero = [&](ComplexPair value) -> ComplexPair {
    return {value.re, nest.add(value.im, nest.constant(0))};
  };
  MappedBin mapped;
  SmallVector<ComplexPair> bins(given);
  for (SpectrumMapOp map : chain.maps) {
    if (!map.getHermitian()) {
      bins[0] = applyMap(map, bins, k, channel, &mapped.terms);
      continue;
    }
    // (f(F, k) + conj f(conj F, N-k)) / 2.
    auto apply = [&](ComplexPair bin, AffineExpr index) {
      return applyMap(map, bin, index, channel, /*terms=*/nullptr);
    };
    ComplexPair here = apply(positiveZero(bins[0]), k);
    ComplexPair there = conjugate(apply(conjugate(bins[0]), mirrorOf(k)));
    Value half = nest.constant(0.5);
    bins[0] = {nest.mul(half, nest.add(here.re, there.re)),
               nest.mul(half, nest.add(here.im, there.im))};
  }
  mapped.bin = bins[0];
  return mapped;
}

std::pair<MappedBin, MappedBin>
SpectralMaps::mapPacked(ArrayRef<ComplexPair> z, ArrayRef<ComplexPair> zMirror,
                        Value own, AffineExpr k, AffineExpr first,
                        AffineExpr second, ArrayRef<ComplexPair> flags) {
  Value half = nest.constant(0.5);
  SmallVector<ComplexPair> a, b;
  for (auto [here, there] : llvm::zip_equal(z, zMirror)) {
    a.push_back({nest.mul(half, nest.add(here.re, there.re)),
                 nest.mul(half, nest.sub(here.im, there.im))});
    b.push_back({nest.mul(half, nest.add(here.im, there.im)),
                 nest.mul(half, nest.sub(there.re, here.re))});
  }
  for (auto [source, flag] : llvm::enumerate(flags))
    if (isolatedSources[source]) {
      a[source] = addFlag(a[source], flag.re);
      b[source] = addFlag(b[source], flag.im);
    }
  auto map = [&](ArrayRef<ComplexPair> bins, AffineExpr channel, bool isFirst) {
    MappedBin mapped = mapTransformed(bins, own, k, channel);
    if (flags.empty() || !chain.ifft)
      return mapped;
    // The flag shows in the terms, and once more where tokens are written.
    Value flag = getResultFlag([&](unsigned source) {
      return isFirst ? flags[source].re : flags[source].im;
    });
    mapped.bin = {selectFinite(mapped.bin.re, flag),
                  selectFinite(mapped.bin.im, flag)};
    return mapped;
  };
  MappedBin mapped = map(a, first, /*isFirst=*/true);
  return {mapped, map(b, second, /*isFirst=*/false)};
}

void SpectralMaps::dropImaginary(ComplexPair &bin, Value own) {
  bin.im = arith::SelectOp::create(nest.builder, nest.loc, own,
                                   nest.constant(0), bin.im);
}

ComplexPair SpectralMaps::pack(ComplexPair a, ComplexPair b) {
  return {nest.sub(a.re, b.im), nest.add(a.im, b.re)};
}

ComplexPair SpectralMaps::packMirror(ComplexPair a, ComplexPair b) {
  return {nest.add(a.re, b.im), nest.sub(b.re, a.im)};
}
