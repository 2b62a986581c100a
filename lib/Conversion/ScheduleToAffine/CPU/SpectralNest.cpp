// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The spectral filter's nest: for every batch and slab of channels a transform,
// the maps of its bins, and the inverse, all in one slab on chip.

#include "CPU/TransformNest.h"
#include "SpectralMaps.h"

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
  void mapPair(AffineExpr k, AffineExpr row, AffineExpr mirrorRow);
  void loadSpectrum();
  void emitElements();
  void findNonFinite();
  /// The flag of the channel in real (0) or imaginary parts (1).
  Value getFlag(int64_t part, AffineExpr lane) {
    return nest.load(flags, {nest.constantExpr(part), lane});
  }
  /// x where its channel holds numbers alone, else 0.
  Value keepFinite(Value x, int64_t part, AffineExpr lane);

  AffineExpr firstChannel(AffineExpr lane) { return origin + lane; }
  /// Channel that the imaginary parts hold: the end of the slab.
  AffineExpr secondChannel(AffineExpr lane) {
    return origin + (slabChannels - lanes) + lane;
  }

  int64_t slabChannels, lanes;
  AffineExpr origin;
  /// (2, lanes)
  Value flags;
  TransformNest *transform = nullptr;
};

} // namespace

Value SpectralNest::keepFinite(Value x, int64_t part, AffineExpr lane) {
  if (!isolated)
    return x;
  return selectFinite(x, getFlag(part, lane));
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
    value = {nest.add(value.re, getFlag(0, lane)),
             nest.add(value.im, getFlag(1, lane))};
  // The end of the slab first: what a channel of both halves holds at the end
  // is then the same whether lanes are stored one by one or together.
  nest.store(value.im, output, {batch, row, secondChannel(lane)});
  nest.store(value.re, output, {batch, row, firstChannel(lane)});
}

/// The flags. It also brings the slab into cache for the transform that
/// follows.
void SpectralNest::findNonFinite() {
  flags = nest.allocate({2, lanes});
  nest.lanes(lanes, [&](AffineExpr lane) {
    SmallVector<Value> totals =
        nest.sums(getNumFlagRows(), 2, /*lanes=*/false, [&](AffineExpr row) {
          return SmallVector<Value>{getFlagTerm(row, firstChannel(lane)),
                                    getFlagTerm(row, secondChannel(lane))};
        });
    nest.store(totals[0], flags, {nest.constantExpr(0), lane});
    nest.store(totals[1], flags, {nest.constantExpr(1), lane});
  });
}

void SpectralNest::mapBin(AffineExpr k, AffineExpr row) {
  Value own = realTokens ? isOwnMirror(k) : Value();
  nest.lanes(lanes, [&](AffineExpr lane) {
    ComplexPair value =
        mapTransformed(transform->load(row, lane), own, k, firstChannel(lane));
    if (storesSpectrum())
      nest.storeComplex(value, output, {batch, k, firstChannel(lane)});
    else
      transform->store(value, row, lane);
  });
}

void SpectralNest::mapPair(AffineExpr k, AffineExpr row, AffineExpr mirrorRow) {
  Value own = isOwnMirror(k);
  nest.lanes(lanes, [&](AffineExpr lane) {
    AffineExpr first = firstChannel(lane), second = secondChannel(lane);
    ComplexPair z = transform->load(row, lane);
    if (!packed) {
      z = mapTransformed(z, own, k, first);
      if (storesSpectrum())
        return nest.storeComplex(z, output, {batch, k, first});
      transform->store(conjugate(z), mirrorRow, lane);
      return transform->store(z, row, lane);
    }
    ComplexPair zMirror = transform->load(mirrorRow, lane);
    ComplexPair flags;
    if (storesSpectrum() && isolated)
      flags = {getFlag(0, lane), getFlag(1, lane)};
    auto [a, b] = mapPacked(z, zMirror, own, k, first, second, flags);
    if (storesSpectrum()) {
      nest.storeComplex(b, output, {batch, k, second}); // as in write()
      nest.storeComplex(a, output, {batch, k, first});
      return;
    }
    transform->store(packMirror(a, b), mirrorRow, lane);
    transform->store(pack(a, b), row, lane);
  });
}

/// Fills the slab with a spectrum from memory.
void SpectralNest::loadSpectrum() {
  int64_t count = half ? chain.tokens / 2 + 1 : chain.tokens;
  nest.loop(count, [&](AffineExpr k) {
    Value own = half ? isOwnMirror(k) : Value();
    nest.lanes(lanes, [&](AffineExpr lane) {
      ComplexPair a = loadBin(k, own, firstChannel(lane));
      if (!packed)
        return transform->store(a, transform->position(k), lane);
      ComplexPair b = loadBin(k, own, secondChannel(lane));
      a = {keepFinite(a.re, 0, lane), keepFinite(a.im, 0, lane)};
      b = {keepFinite(b.re, 1, lane), keepFinite(b.im, 1, lane)};
      transform->store(packMirror(a, b), transform->mirrorPosition(k), lane);
      transform->store(pack(a, b), transform->position(k), lane);
    });
  });
}

/// Maps alone, from memory to memory.
void SpectralNest::emitElements() {
  int64_t bins = cast<MemRefType>(input.getType()).getDimSize(1);
  nest.loop(bins, [&](AffineExpr k) {
    nest.lanes(lanes, [&](AffineExpr lane) {
      AffineExpr channel = firstChannel(lane);
      nest.storeComplex(loadBin(k, Value(), channel), output,
                        {batch, k, channel});
    });
  });
}

void SpectralNest::emit() {
  // Whole slabs, and a narrower one for the channels that are left.
  int64_t tile = std::min(channels, emitter.getSlabChannels());
  int64_t slabs = channels / tile;
  emitSlabs(0, slabs, tile);
  if (slabs * tile < channels)
    emitSlabs(slabs * tile, 1, channels - slabs * tile);
}

void SpectralNest::emitSlabs(int64_t first, int64_t slabs, int64_t width) {
  slabChannels = width;
  std::optional<TransformNest> transformNest;
  // Packed, the halves of a slab overlap where its width is not twice a power
  // of two, which is what vectors like to be: some channels are computed twice,
  // one after the other.
  lanes = packed ? llvm::PowerOf2Ceil((width + 1) / 2) : width;
  if (chain.fft || chain.ifft)
    transform = &transformNest.emplace(
        nest, emitter.getPlan<CpuTransformAttr>(), chain.tokens, lanes);
  auto body = [&](ArrayRef<AffineExpr> ivs) {
    batch = ivs[0];
    origin = slabs == 1 ? nest.constantExpr(first) : ivs[1] * width + first;
    if (!transformNest)
      return emitElements();
    transform->beginSlab();
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
    TransformNest::PairVisitor pairs = [&](AffineExpr k, AffineExpr row,
                                           AffineExpr mirrorRow) {
      mapPair(k, row, mirrorRow);
    };
    // Maps of bins from memory are done where they are loaded.
    bool visits = chain.fft && (!chain.maps.empty() || storesSpectrum());
    if (!chain.fft)
      loadSpectrum();
    transform->run(
        chain.fft ? reader : nullptr, visits && !half ? bins : nullptr,
        visits && half ? pairs : nullptr, storesSpectrum() ? nullptr : writer);
    if (isolated)
      nest.free(flags);
    transform->endSlab();
  };
  nest.parallel({nest.size(input, 0), nest.builder.getIndexAttr(slabs)}, body);
}

void mlir::bfly::emitSpectralChainOnCPU(KernelEmitter &emitter,
                                        NestBuilder &nest,
                                        const SpectralChain &chain) {
  SpectralNest(emitter, nest, chain).emit();
}
