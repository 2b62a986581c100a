// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The spectral filter's nest: for every batch and slab of channels a transform,
// the maps of its bins, and the inverse, all in one slab on chip.

#include "KernelEmitter.h"
#include "TransformNest.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/IR/IRMapping.h"

using namespace mlir;
using namespace mlir::bfly;

namespace {

/// fft (or a spectrum from memory) → maps → ifft (or a spectrum to memory).
struct Chain {
  Value source;
  FftOp fft;
  SmallVector<SpectrumMapOp> maps;
  IfftOp ifft;
  Value result;
  int64_t tokens;
};

/// Emits one chain.
class SpectralNest {
public:
  SpectralNest(KernelEmitter &emitter, NestBuilder &nest, Chain chain);
  LogicalResult emit();

private:
  /// Whether two real channels share one complex transform.
  bool packed;
  /// Whether a value of one channel that is no number must be kept from the
  /// channel packed with it.
  bool isolated;

  ComplexPair read(AffineExpr row, AffineExpr lane);
  void write(AffineExpr row, AffineExpr lane, ComplexPair value);
  void mapBin(AffineExpr k, AffineExpr row);
  void mapPair(AffineExpr k, AffineExpr row, AffineExpr mirror,
               AffineExpr mirrorRow);
  /// All maps of the chain, on one bin of one channel.
  ComplexPair applyMaps(ComplexPair bin, AffineExpr k, AffineExpr mirror,
                        AffineExpr channel);
  ComplexPair applyMap(SpectrumMapOp map, ComplexPair bin, AffineExpr k,
                       AffineExpr channel);
  void loadSpectrum();
  void findNonFinite();

  bool storesSpectrum() const { return !chain.ifft; }
  AffineExpr firstChannel(AffineExpr lane) { return origin + lane; }
  /// Channel that the imaginary parts hold: the second half of the slab, moved
  /// back where an odd number of channels makes the halves overlap.
  AffineExpr secondChannel(AffineExpr lane) {
    return origin + (slabChannels - lanes) + lane;
  }

  KernelEmitter &emitter;
  NestBuilder &nest;
  Chain chain;
  Value input, output;
  int64_t channels, slabChannels, lanes;
  AffineExpr batch, origin;
  TransformNest *transform = nullptr;
  Value flags;
};

} // namespace

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

SpectralNest::SpectralNest(KernelEmitter &emitter, NestBuilder &nest,
                           Chain chain)
    : emitter(emitter), nest(nest), chain(chain) {
  input = emitter.getBuffer(chain.source);
  output = emitter.getBuffer(chain.result);
  auto inputType = cast<MemRefType>(input.getType());
  channels = inputType.getDimSize(2);
  bool halves = llvm::all_of(chain.maps, [](SpectrumMapOp map) {
    return map.isHalf() || map.getTokens() == 1;
  });
  packed =
      halves && (!chain.fft || chain.fft.isHalf() || chain.tokens == 1) &&
      !(chain.fft &&
        isa<ComplexType>(chain.fft.getInput().getType().getElementType())) &&
      !(chain.ifft &&
        isa<ComplexType>(chain.ifft.getResult().getType().getElementType()));
  // One or two tokens have as many bins as half of them: any reading is right.
  if (!chain.fft && chain.ifft)
    packed = chain.ifft.isHalf();
  if (!chain.fft && !chain.ifft)
    packed = chain.maps.front().isHalf();
  isolated =
      packed && chain.fft && llvm::none_of(chain.maps, [&](SpectrumMapOp map) {
        return llvm::any_of(map.getParams(), [&](Value param) {
          return dependsOn(param, chain.source);
        });
      });
  int64_t tile = emitter.getPlan().getTile();
  slabChannels = std::min(channels, tile);
  lanes = packed ? (slabChannels + 1) / 2 : slabChannels;
  isolated &= slabChannels > 1;
}

ComplexPair SpectralNest::read(AffineExpr row, AffineExpr lane) {
  if (!packed)
    return nest.loadComplex(input, {batch, row, firstChannel(lane)});
  ComplexPair value{nest.load(input, {batch, row, firstChannel(lane)}),
                    nest.load(input, {batch, row, secondChannel(lane)})};
  if (isolated) {
    auto keepFinite = [&](Value x, int64_t part) -> Value {
      Value flag = nest.load(flags, {nest.constantExpr(part), lane});
      Value zero = nest.constant(0);
      Value finite = arith::CmpFOp::create(
          nest.builder, nest.loc, arith::CmpFPredicate::OEQ, flag, zero);
      return arith::SelectOp::create(nest.builder, nest.loc, finite, x, zero);
    };
    value = {keepFinite(value.re, 0), keepFinite(value.im, 1)};
  }
  return value;
}

void SpectralNest::write(AffineExpr row, AffineExpr lane, ComplexPair value) {
  if (!packed)
    return nest.storeComplex(value, output, {batch, row, firstChannel(lane)});
  if (isolated)
    value = {
        nest.add(value.re, nest.load(flags, {nest.constantExpr(0), lane})),
        nest.add(value.im, nest.load(flags, {nest.constantExpr(1), lane}))};
  nest.store(value.re, output, {batch, row, firstChannel(lane)});
  nest.store(value.im, output, {batch, row, secondChannel(lane)});
}

/// flags = sum of 0 x over the tokens: 0 for a channel of numbers, else NaN. It
/// also brings the slab into cache for the transform that follows.
void SpectralNest::findNonFinite() {
  flags = nest.allocate({2, lanes});
  nest.lanes(lanes, [&](AffineExpr lane) {
    SmallVector<Value> totals =
        nest.sums(chain.tokens, 2, /*lanes=*/false, [&](AffineExpr row) {
          Value zero = nest.constant(0);
          Value first = nest.load(input, {batch, row, firstChannel(lane)});
          Value second = nest.load(input, {batch, row, secondChannel(lane)});
          return SmallVector<Value>{nest.mul(first, zero),
                                    nest.mul(second, zero)};
        });
    nest.store(totals[0], flags, {nest.constantExpr(0), lane});
    nest.store(totals[1], flags, {nest.constantExpr(1), lane});
  });
}

ComplexPair SpectralNest::applyMap(SpectrumMapOp map, ComplexPair bin,
                                   AffineExpr k, AffineExpr channel) {
  OpBuilder &builder = nest.builder;
  Block &block = map.getBody().front();
  Type complexType = ComplexType::get(nest.compute);
  auto create = [&](ComplexPair value) -> Value {
    return complex::CreateOp::create(builder, nest.loc, complexType, value.re,
                                     value.im);
  };
  IRMapping mapping;
  mapping.map(block.getArgument(0), create(bin));
  if (!block.getArgument(1).use_empty())
    mapping.map(block.getArgument(1), nest.apply(k));
  for (auto [index, param] : llvm::enumerate(map.getParams())) {
    BlockArgument argument = block.getArgument(2 + index);
    if (argument.use_empty())
      continue;
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
  Value yielded = mapping.lookupOrDefault(block.getTerminator()->getOperand(0));
  if (!isa<ComplexType>(yielded.getType()))
    return {yielded, nest.constant(0)};
  return {complex::ReOp::create(builder, nest.loc, yielded),
          complex::ImOp::create(builder, nest.loc, yielded)};
}

ComplexPair SpectralNest::applyMaps(ComplexPair bin, AffineExpr k,
                                    AffineExpr mirror, AffineExpr channel) {
  // 0 - x and x + 0, for a real bin and its conjugate to have the same zero:
  // a region may have a branch cut there.
  auto conjugate = [&](ComplexPair value) -> ComplexPair {
    return {value.re, nest.sub(nest.constant(0), value.im)};
  };
  auto positiveZero = [&](ComplexPair value) -> ComplexPair {
    return {value.re, nest.add(value.im, nest.constant(0))};
  };
  for (SpectrumMapOp map : chain.maps) {
    if (!map.getHermitian()) {
      bin = applyMap(map, bin, k, channel);
      continue;
    }
    // (f(F, k) + conj f(conj F, N-k)) / 2.
    ComplexPair here = applyMap(map, positiveZero(bin), k, channel);
    ComplexPair there =
        conjugate(applyMap(map, conjugate(bin), mirror, channel));
    Value half = nest.constant(0.5);
    bin = {nest.mul(half, nest.add(here.re, there.re)),
           nest.mul(half, nest.add(here.im, there.im))};
  }
  return bin;
}

void SpectralNest::mapBin(AffineExpr k, AffineExpr row) {
  if (chain.maps.empty() && !storesSpectrum())
    return;
  AffineExpr mirror = (-k + chain.tokens) % chain.tokens;
  nest.lanes(lanes, [&](AffineExpr lane) {
    ComplexPair value =
        applyMaps(transform->load(row, lane), k, mirror, firstChannel(lane));
    if (storesSpectrum())
      nest.storeComplex(value, output, {batch, k, firstChannel(lane)});
    else
      transform->store(value, row, lane);
  });
}

void SpectralNest::mapPair(AffineExpr k, AffineExpr row, AffineExpr mirror,
                           AffineExpr mirrorRow) {
  if (chain.maps.empty() && !storesSpectrum() && chain.fft)
    return;
  OpBuilder &builder = nest.builder;
  // Of a Hermitian spectrum the bins that are their own mirror are real.
  Value own = arith::CmpIOp::create(builder, nest.loc, arith::CmpIPredicate::eq,
                                    nest.apply(k), nest.apply(mirror));
  nest.lanes(lanes, [&](AffineExpr lane) {
    ComplexPair z = transform->load(row, lane);
    ComplexPair zMirror = transform->load(mirrorRow, lane);
    Value half = nest.constant(0.5), zero = nest.constant(0);
    // Two real channels a and b in one: Z = A + i B, with A and B Hermitian.
    ComplexPair a{nest.mul(half, nest.add(z.re, zMirror.re)),
                  nest.mul(half, nest.sub(z.im, zMirror.im))};
    ComplexPair b{nest.mul(half, nest.add(z.im, zMirror.im)),
                  nest.mul(half, nest.sub(zMirror.re, z.re))};
    a = applyMaps(a, k, mirror, firstChannel(lane));
    b = applyMaps(b, k, mirror, secondChannel(lane));
    if (storesSpectrum()) {
      if (isolated) {
        auto poison = [&](ComplexPair value, int64_t part) -> ComplexPair {
          Value flag = nest.load(flags, {nest.constantExpr(part), lane});
          return {nest.add(value.re, flag), nest.add(value.im, flag)};
        };
        a = poison(a, 0);
        b = poison(b, 1);
      }
      nest.storeComplex(a, output, {batch, k, firstChannel(lane)});
      nest.storeComplex(b, output, {batch, k, secondChannel(lane)});
      return;
    }
    a.im = arith::SelectOp::create(builder, nest.loc, own, zero, a.im);
    b.im = arith::SelectOp::create(builder, nest.loc, own, zero, b.im);
    transform->store({nest.add(a.re, b.im), nest.sub(b.re, a.im)}, mirrorRow,
                     lane);
    transform->store({nest.sub(a.re, b.im), nest.add(a.im, b.re)}, row, lane);
  });
}

/// Fills the slab with a spectrum from memory.
void SpectralNest::loadSpectrum() {
  OpBuilder &builder = nest.builder;
  int64_t count = packed ? chain.tokens / 2 + 1 : chain.tokens;
  nest.loop(count, [&](AffineExpr k) {
    AffineExpr mirror = (-k + chain.tokens) % chain.tokens;
    Value own;
    if (packed)
      own = arith::CmpIOp::create(builder, nest.loc, arith::CmpIPredicate::eq,
                                  nest.apply(k), nest.apply(mirror));
    nest.lanes(lanes, [&](AffineExpr lane) {
      ComplexPair a = nest.loadComplex(input, {batch, k, firstChannel(lane)});
      if (!packed)
        return transform->store(a, transform->position(k), lane);
      ComplexPair b = nest.loadComplex(input, {batch, k, secondChannel(lane)});
      Value zero = nest.constant(0);
      a.im = arith::SelectOp::create(builder, nest.loc, own, zero, a.im);
      b.im = arith::SelectOp::create(builder, nest.loc, own, zero, b.im);
      transform->store({nest.add(a.re, b.im), nest.sub(b.re, a.im)},
                       transform->position(mirror), lane);
      transform->store({nest.sub(a.re, b.im), nest.add(a.im, b.re)},
                       transform->position(k), lane);
    });
  });
}

LogicalResult SpectralNest::emit() {
  TransformNest transformNest(nest, emitter.getPlan(), chain.tokens, lanes);
  transform = &transformNest;
  // The last slab moves back to end at the last channel: it computes some
  // channels again, to the same bits, and every slab has the same width.
  int64_t slabs = llvm::divideCeilSigned(channels, slabChannels);
  int64_t overlap = slabs * slabChannels - channels;
  auto body = [&](ArrayRef<AffineExpr> ivs) {
    batch = ivs[0];
    origin = ivs[1] * slabChannels;
    if (overlap)
      origin = origin - ivs[1].floorDiv(slabs - 1) * overlap;
    if (slabs == 1)
      origin = nest.constantExpr(0);
    transformNest.beginSlab();
    if (isolated)
      findNonFinite();
    TransformNest::Reader reader = [&](AffineExpr row, AffineExpr lane) {
      return read(row, lane);
    };
    TransformNest::Writer writer = [&](AffineExpr row, AffineExpr lane,
                                       ComplexPair value) {
      write(row, lane, value);
    };
    TransformNest::BinVisitor bins = [&](AffineExpr k, AffineExpr row) {
      mapBin(k, row);
    };
    TransformNest::PairVisitor pairs =
        [&](AffineExpr k, AffineExpr row, AffineExpr mirror,
            AffineExpr mirrorRow) { mapPair(k, row, mirror, mirrorRow); };
    bool visits = !chain.maps.empty() || storesSpectrum();
    if (!chain.fft)
      loadSpectrum();
    transformNest.run(chain.fft ? reader : nullptr,
                      visits && !packed ? bins : nullptr,
                      visits && packed ? pairs : nullptr,
                      storesSpectrum() ? nullptr : writer);
    if (isolated)
      nest.free(flags);
    transformNest.endSlab();
  };
  nest.parallel({nest.size(input, 0), nest.builder.getIndexAttr(slabs)}, body);
  return success();
}

LogicalResult mlir::bfly::emitSpectralChain(KernelEmitter &emitter,
                                            Operation *sink) {
  Chain chain;
  chain.result = sink->getResult(0);
  Operation *op = sink;
  if ((chain.ifft = dyn_cast<IfftOp>(op))) {
    chain.tokens = chain.ifft.getTokens();
    chain.source = chain.ifft.getInput();
    op = chain.source.getDefiningOp();
  }
  // A map whose spectrum has a buffer already is where the chain begins.
  while (auto map = dyn_cast_or_null<SpectrumMapOp>(op)) {
    if (map != sink && emitter.findBuffer(map.getResult()))
      break;
    chain.maps.insert(chain.maps.begin(), map);
    chain.tokens = map.getTokens();
    chain.source = map.getInput();
    op = chain.source.getDefiningOp();
  }
  if (auto fft = dyn_cast_or_null<FftOp>(op)) {
    if (fft == sink || !emitter.findBuffer(fft.getResult())) {
      chain.fft = fft;
      chain.tokens = fft.getTokens();
      chain.source = fft.getInput();
    }
  }
  NestBuilder nest = emitter.makeNest(sink);
  return SpectralNest(emitter, nest, chain).emit();
}
