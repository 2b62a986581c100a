// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The spectral filter's nest: for every batch and slab of channels a transform,
// the maps of its bins, and the inverse, all in one slab on chip.

#include "SpectralMaps.h"
#include "TransformNest.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/IR/IRMapping.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace mlir::bfly;

namespace {

/// Emits one chain for a CPU.
class SpectralNest : public SpectralMaps {
public:
  using SpectralMaps::SpectralMaps;
  void emit();

private:
  /// The nest of `slabs` slabs of `width` channels, from channel `first`.
  void emitSlabs(int64_t first, int64_t slabs, int64_t width);

  ComplexPair read(AffineExpr row, AffineExpr lane);
  void write(AffineExpr row, AffineExpr lane, ComplexPair value);
  void mapBin(AffineExpr k, AffineExpr row);
  void mapPair(AffineExpr k, AffineExpr row, AffineExpr mirror,
               AffineExpr mirrorRow);
  void loadSpectrum();
  void findNonFinite();

  AffineExpr firstChannel(AffineExpr lane) { return origin + lane; }
  /// Channel that the imaginary parts hold: the end of the slab.
  AffineExpr secondChannel(AffineExpr lane) {
    return origin + (slabChannels - lanes) + lane;
  }

  int64_t slabChannels, lanes;
  AffineExpr origin;
  TransformNest *transform = nullptr;
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

SpectralMaps::SpectralMaps(KernelEmitter &emitter, NestBuilder &nest,
                           SpectralChain chain)
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
  isolated = packed && llvm::none_of(chain.maps, [&](SpectrumMapOp map) {
               return llvm::any_of(map.getParams(), [&](Value param) {
                 return dependsOn(param, chain.source);
               });
             });
}

ComplexPair SpectralNest::read(AffineExpr row, AffineExpr lane) {
  if (!packed)
    return nest.loadComplex(input, {batch, row, firstChannel(lane)});
  ComplexPair value{nest.load(input, {batch, row, firstChannel(lane)}),
                    nest.load(input, {batch, row, secondChannel(lane)})};
  value = {keepFinite(value.re, 0, lane), keepFinite(value.im, 1, lane)};
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

/// flags = sum of 0 x over the tokens or bins: 0 for a channel of numbers, else
/// NaN. It also brings the slab into cache for the transform that follows.
void SpectralNest::findNonFinite() {
  flags = nest.allocate({2, lanes});
  int64_t rows = chain.fft ? chain.tokens : chain.tokens / 2 + 1;
  nest.lanes(lanes, [&](AffineExpr lane) {
    SmallVector<Value> totals =
        nest.sums(rows, 2, /*lanes=*/false, [&](AffineExpr row) {
          Value zero = nest.constant(0);
          auto flag = [&](AffineExpr channel) -> Value {
            if (chain.fft)
              return nest.mul(nest.load(input, {batch, row, channel}), zero);
            ComplexPair bin = loadBin(row, isOwnMirror(row), channel);
            return nest.add(nest.mul(bin.re, zero), nest.mul(bin.im, zero));
          };
          return SmallVector<Value>{flag(firstChannel(lane)),
                                    flag(secondChannel(lane))};
        });
    nest.store(totals[0], flags, {nest.constantExpr(0), lane});
    nest.store(totals[1], flags, {nest.constantExpr(1), lane});
  });
}

Value SpectralMaps::keepFinite(Value x, int64_t part, AffineExpr lane) {
  if (!isolated)
    return x;
  return selectFinite(x, nest.load(flags, {nest.constantExpr(part), lane}));
}

Value SpectralMaps::selectFinite(Value x, Value flag) {
  Value zero = nest.constant(0);
  Value finite = arith::CmpFOp::create(nest.builder, nest.loc,
                                       arith::CmpFPredicate::OEQ, flag, zero);
  return arith::SelectOp::create(nest.builder, nest.loc, finite, x, zero);
}

Value SpectralMaps::isOwnMirror(AffineExpr k) {
  AffineExpr mirror = (-k + chain.tokens) % chain.tokens;
  return arith::CmpIOp::create(nest.builder, nest.loc, arith::CmpIPredicate::eq,
                               nest.apply(k), nest.apply(mirror));
}

ComplexPair SpectralMaps::loadBin(AffineExpr k, Value own, AffineExpr channel) {
  ComplexPair bin = nest.loadComplex(input, {batch, k, channel});
  bin.im = arith::SelectOp::create(nest.builder, nest.loc, own,
                                   nest.constant(0), bin.im);
  return bin;
}

ComplexPair SpectralMaps::applyMap(SpectrumMapOp map, ComplexPair bin,
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

ComplexPair SpectralMaps::applyMaps(ComplexPair bin, AffineExpr k,
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
  Value own = isOwnMirror(k);
  nest.lanes(lanes, [&](AffineExpr lane) {
    ComplexPair z = transform->load(row, lane);
    ComplexPair zMirror = transform->load(mirrorRow, lane);
    auto [a, b] = mapPacked(z, zMirror, k, mirror, firstChannel(lane),
                            secondChannel(lane));
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
    dropImaginary(a, own);
    dropImaginary(b, own);
    transform->store(packMirror(a, b), mirrorRow, lane);
    transform->store(pack(a, b), row, lane);
  });
}

std::pair<ComplexPair, ComplexPair>
SpectralMaps::mapPacked(ComplexPair z, ComplexPair zMirror, AffineExpr k,
                        AffineExpr mirror, AffineExpr first,
                        AffineExpr second) {
  Value half = nest.constant(0.5);
  ComplexPair a{nest.mul(half, nest.add(z.re, zMirror.re)),
                nest.mul(half, nest.sub(z.im, zMirror.im))};
  ComplexPair b{nest.mul(half, nest.add(z.im, zMirror.im)),
                nest.mul(half, nest.sub(zMirror.re, z.re))};
  a = applyMaps(a, k, mirror, first);
  b = applyMaps(b, k, mirror, second);
  return {a, b};
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

/// Fills the slab with a spectrum from memory.
void SpectralNest::loadSpectrum() {
  int64_t count = packed ? chain.tokens / 2 + 1 : chain.tokens;
  nest.loop(count, [&](AffineExpr k) {
    AffineExpr mirror = (-k + chain.tokens) % chain.tokens;
    Value own = packed ? isOwnMirror(k) : Value();
    nest.lanes(lanes, [&](AffineExpr lane) {
      if (!packed)
        return transform->store(
            nest.loadComplex(input, {batch, k, firstChannel(lane)}),
            transform->position(k), lane);
      ComplexPair a = loadBin(k, own, firstChannel(lane));
      ComplexPair b = loadBin(k, own, secondChannel(lane));
      a = {keepFinite(a.re, 0, lane), keepFinite(a.im, 0, lane)};
      b = {keepFinite(b.re, 1, lane), keepFinite(b.im, 1, lane)};
      transform->store(packMirror(a, b), transform->position(mirror), lane);
      transform->store(pack(a, b), transform->position(k), lane);
    });
  });
}

void SpectralNest::emit() {
  // Whole slabs, and a narrower one for the channels that are left.
  int64_t tile = std::min(channels, emitter.getPlan().getTile());
  int64_t slabs = channels / tile;
  emitSlabs(0, slabs, tile);
  if (slabs * tile < channels)
    emitSlabs(slabs * tile, 1, channels - slabs * tile);
}

void SpectralNest::emitSlabs(int64_t first, int64_t slabs, int64_t width) {
  slabChannels = width;
  // Packed, the halves of a slab overlap where its width is not twice a power
  // of two, which is what vectors like to be: some channels are computed twice,
  // one after the other.
  lanes = packed ? llvm::PowerOf2Ceil((width + 1) / 2) : width;
  TransformNest transformNest(nest, emitter.getPlan(), chain.tokens, lanes);
  transform = &transformNest;
  auto body = [&](ArrayRef<AffineExpr> ivs) {
    batch = ivs[0];
    origin = slabs == 1 ? nest.constantExpr(first) : ivs[1] * width + first;
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
}

SpectralChain mlir::bfly::getSpectralChain(KernelEmitter &emitter,
                                           Operation *sink) {
  SpectralChain chain;
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
  return chain;
}

LogicalResult mlir::bfly::emitSpectralChain(KernelEmitter &emitter,
                                            Operation *sink) {
  SpectralChain chain = getSpectralChain(emitter, sink);
  NestBuilder nest = emitter.makeNest(sink);
  if (emitter.onGPU())
    return emitSpectralChainOnGPU(emitter, nest, chain);
  SpectralNest(emitter, nest, chain).emit();
  return success();
}
