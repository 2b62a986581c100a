// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The spectral filter's nest: for every batch and slab of channels a transform,
// the maps of its bins, and the inverse, all in one slab on chip.

#include "SpectralMaps.h"
#include "TransformNest.h"

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
  nest.store(value.re, output, {batch, row, firstChannel(lane)});
  nest.store(value.im, output, {batch, row, secondChannel(lane)});
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
  if (chain.maps.empty() && !storesSpectrum())
    return;
  nest.lanes(lanes, [&](AffineExpr lane) {
    ComplexPair value = applyMaps(transform->load(row, lane), k, mirrorOf(k),
                                  firstChannel(lane));
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
        a = addFlag(a, getFlag(0, lane));
        b = addFlag(b, getFlag(1, lane));
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

/// Fills the slab with a spectrum from memory.
void SpectralNest::loadSpectrum() {
  int64_t count = packed ? chain.tokens / 2 + 1 : chain.tokens;
  nest.loop(count, [&](AffineExpr k) {
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
      transform->store(packMirror(a, b), transform->position(mirrorOf(k)),
                       lane);
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

LogicalResult mlir::bfly::emitSpectralChain(KernelEmitter &emitter,
                                            Operation *sink) {
  SpectralChain chain = getSpectralChain(emitter, sink);
  NestBuilder nest = emitter.makeNest(sink);
  if (emitter.onGPU())
    return emitSpectralChainOnGPU(emitter, nest, chain);
  SpectralNest(emitter, nest, chain).emit();
  return success();
}
