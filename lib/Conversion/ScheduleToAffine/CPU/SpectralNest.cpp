// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The spectral filter's nest: for every batch and slab of channels a transform,
// the maps of its bins, and the inverse, all in one slab on chip. Another slab
// has each other spectrum that the maps read.

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

  ComplexPair read(unsigned source, AffineExpr row, AffineExpr lane);
  void write(AffineExpr row, AffineExpr lane, ComplexPair value);
  void mapBin(AffineExpr k, AffineExpr row);
  void mapPair(AffineExpr k, AffineExpr row, AffineExpr mirrorRow);
  void loadSpectrum();
  void emitElements();
  void findNonFinite();
  /// The flag of a source's channel in real (0) or imaginary parts (1), and
  /// that of what is written of it.
  Value getFlag(unsigned source, int64_t part, AffineExpr lane) {
    return nest.load(flags, {nest.constantExpr(2 * source + part), lane});
  }
  Value getResultFlag(int64_t part, AffineExpr lane) {
    return SpectralMaps::getResultFlag(
        [&](unsigned source) { return getFlag(source, part, lane); });
  }
  /// x where its channel holds numbers alone, else 0.
  Value keepFinite(Value x, unsigned source, int64_t part, AffineExpr lane);
  /// The bins of all sources in a row.
  SmallVector<ComplexPair> load(AffineExpr row, AffineExpr lane);
  void beginSums();
  /// Adds the terms of bin k of the channel in real or imaginary parts.
  void addTerms(ArrayRef<Value> terms, AffineExpr k, int64_t part,
                AffineExpr lane);
  void endSums();
  /// Transforms that read all tokens of the sources but the first.
  void transformSeconds();
  int64_t getNumParts() const { return packed ? 2 : 1; }

  AffineExpr firstChannel(AffineExpr lane) { return origin + lane; }
  /// Channel that the imaginary parts hold: the end of the slab.
  AffineExpr secondChannel(AffineExpr lane) {
    return origin + (slabChannels - lanes) + lane;
  }

  int64_t slabChannels, lanes;
  AffineExpr origin;
  /// (2 sources, lanes)
  Value flags;
  /// (runs, parts * terms, lanes)
  Value sums;
  /// Of the sources; the first has what is transformed back.
  SmallVector<std::unique_ptr<TransformNest>> transforms;
  TransformNest *transform = nullptr;
};

/// Sums over bins that grow by turns, for each to have few terms: rounding
/// errors grow with their number, and additions need not wait for each other.
constexpr int64_t kRuns = 16;

} // namespace

Value SpectralNest::keepFinite(Value x, unsigned source, int64_t part,
                               AffineExpr lane) {
  if (!isolatedSources[source])
    return x;
  return selectFinite(x, getFlag(source, part, lane));
}

ComplexPair SpectralNest::read(unsigned source, AffineExpr row,
                               AffineExpr lane) {
  Value input = inputs[source];
  if (!packed)
    return nest.loadComplex(input, {batch, row, firstChannel(lane)});
  ComplexPair value{nest.load(input, {batch, row, firstChannel(lane)}),
                    nest.load(input, {batch, row, secondChannel(lane)})};
  value = {keepFinite(value.re, source, 0, lane),
           keepFinite(value.im, source, 1, lane)};
  return value;
}

SmallVector<ComplexPair> SpectralNest::load(AffineExpr row, AffineExpr lane) {
  return llvm::map_to_vector(transforms,
                             [&](auto &one) { return one->load(row, lane); });
}

// Sums over bins --------------------------------------------------------------

void SpectralNest::beginSums() {
  if (!numTerms)
    return;
  int64_t rows = getNumParts() * numTerms;
  sums = nest.allocate({kRuns, rows, lanes});
  nest.loop(kRuns, [&](AffineExpr run) {
    nest.loop(rows, [&](AffineExpr row) {
      nest.lanes(lanes, [&](AffineExpr lane) {
        nest.store(nest.constant(0), sums, {run, row, lane});
      });
    });
  });
}

void SpectralNest::addTerms(ArrayRef<Value> terms, AffineExpr k, int64_t part,
                            AffineExpr lane) {
  for (auto [index, term] : llvm::enumerate(terms)) {
    SmallVector<AffineExpr> at{
        k % kRuns, nest.constantExpr(part * numTerms + index), lane};
    nest.store(nest.add(nest.load(sums, at), term), sums, at);
  }
}

void SpectralNest::endSums() {
  if (!numTerms)
    return;
  nest.lanes(lanes, [&](AffineExpr lane) {
    // The end of the slab first, as in write().
    for (int64_t part = getNumParts(); part-- > 0;) {
      SmallVector<Value> totals;
      for (int64_t index = 0; index < numTerms; ++index) {
        Value total;
        for (int64_t run = 0; run < kRuns; ++run) {
          Value one = nest.load(
              sums, {nest.constantExpr(run),
                     nest.constantExpr(part * numTerms + index), lane});
          total = total ? nest.add(total, one) : one;
        }
        totals.push_back(total);
      }
      storeSums(part ? secondChannel(lane) : firstChannel(lane), totals);
    }
  });
  nest.free(sums);
}

// A slab ----------------------------------------------------------------------

void SpectralNest::write(AffineExpr row, AffineExpr lane, ComplexPair value) {
  if (!packed)
    return nest.storeComplex(value, output, {batch, row, firstChannel(lane)});
  if (isolated)
    value = {nest.add(value.re, getResultFlag(0, lane)),
             nest.add(value.im, getResultFlag(1, lane))};
  // The end of the slab first: what a channel of both halves holds at the end
  // is then the same whether lanes are stored one by one or together.
  nest.store(value.im, output, {batch, row, secondChannel(lane)});
  nest.store(value.re, output, {batch, row, firstChannel(lane)});
}

/// The flags. It also brings the slab into cache for the transform that
/// follows.
void SpectralNest::findNonFinite() {
  flags = nest.allocate({2 * getNumSources(), lanes});
  for (unsigned source = 0; source < getNumSources(); ++source) {
    if (!isolatedSources[source])
      continue;
    nest.lanes(lanes, [&](AffineExpr lane) {
      SmallVector<Value> totals =
          nest.sums(getNumFlagRows(), 2, /*lanes=*/false, [&](AffineExpr row) {
            return SmallVector<Value>{
                getFlagTerm(source, row, firstChannel(lane)),
                getFlagTerm(source, row, secondChannel(lane))};
          });
      for (int64_t part = 0; part < 2; ++part)
        nest.store(totals[part], flags,
                   {nest.constantExpr(2 * source + part), lane});
    });
  }
}

void SpectralNest::mapBin(AffineExpr k, AffineExpr row) {
  Value own = llvm::is_contained(realTokens, true) ? isOwnMirror(k) : Value();
  nest.lanes(lanes, [&](AffineExpr lane) {
    MappedBin mapped =
        mapTransformed(load(row, lane), own, k, firstChannel(lane));
    addTerms(mapped.terms, k, 0, lane);
    if (storesSpectrum())
      nest.storeComplex(mapped.bin, output, {batch, k, firstChannel(lane)});
    else if (chain.ifft)
      transform->store(mapped.bin, row, lane);
  });
}

void SpectralNest::mapPair(AffineExpr k, AffineExpr row, AffineExpr mirrorRow) {
  Value own = isOwnMirror(k);
  nest.lanes(lanes, [&](AffineExpr lane) {
    AffineExpr first = firstChannel(lane), second = secondChannel(lane);
    SmallVector<ComplexPair> z = load(row, lane);
    if (!packed) {
      MappedBin mapped = mapTransformed(z, own, k, first);
      addTerms(mapped.terms, k, 0, lane);
      if (storesSpectrum())
        return nest.storeComplex(mapped.bin, output, {batch, k, first});
      if (!chain.ifft)
        return;
      transform->store(conjugate(mapped.bin), mirrorRow, lane);
      return transform->store(mapped.bin, row, lane);
    }
    SmallVector<ComplexPair> flags;
    for (unsigned source = 0; showsFlags() && source < getNumSources();
         ++source)
      flags.push_back(
          isolatedSources[source]
              ? ComplexPair{getFlag(source, 0, lane), getFlag(source, 1, lane)}
              : ComplexPair{});
    auto [a, b] =
        mapPacked(z, load(mirrorRow, lane), own, k, first, second, flags);
    addTerms(a.terms, k, 0, lane);
    addTerms(b.terms, k, 1, lane);
    if (storesSpectrum()) {
      nest.storeComplex(b.bin, output, {batch, k, second}); // as in write()
      nest.storeComplex(a.bin, output, {batch, k, first});
    } else if (chain.ifft) {
      transform->store(packMirror(a.bin, b.bin), mirrorRow, lane);
      transform->store(pack(a.bin, b.bin), row, lane);
    }
  });
}

/// Fills the slab with a spectrum from memory.
void SpectralNest::loadSpectrum() {
  int64_t count = half ? chain.tokens / 2 + 1 : chain.tokens;
  nest.loop(count, [&](AffineExpr k) {
    Value own = half ? isOwnMirror(k) : Value();
    nest.lanes(lanes, [&](AffineExpr lane) {
      auto load = [&](int64_t part, AffineExpr channel) -> ComplexPair {
        auto [bin, terms] = loadBin(k, own, channel);
        addTerms(terms, k, part, lane);
        if (!packed)
          return bin;
        return {keepFinite(bin.re, 0, part, lane),
                keepFinite(bin.im, 0, part, lane)};
      };
      ComplexPair a = load(0, firstChannel(lane));
      if (!packed)
        return transform->store(a, transform->position(k), lane);
      ComplexPair b = load(1, secondChannel(lane));
      transform->store(packMirror(a, b), transform->mirrorPosition(k), lane);
      transform->store(pack(a, b), transform->position(k), lane);
    });
  });
}

/// Maps alone, from memory to memory.
void SpectralNest::emitElements() {
  int64_t bins = cast<MemRefType>(inputs[0].getType()).getDimSize(1);
  beginSums();
  nest.loop(bins, [&](AffineExpr k) {
    Value own = half && numTerms ? isOwnMirror(k) : Value();
    nest.lanes(lanes, [&](AffineExpr lane) {
      AffineExpr channel = firstChannel(lane);
      auto [bin, terms] = loadBin(k, own, channel);
      addTerms(terms, k, 0, lane);
      if (storesSpectrum())
        nest.storeComplex(bin, output, {batch, k, channel});
    });
  });
  endSums();
}

void SpectralNest::transformSeconds() {
  for (unsigned source = 1; source < getNumSources(); ++source)
    transforms[source]->run(
        [&, source](AffineExpr row, AffineExpr lane) {
          return read(source, row, lane);
        },
        nullptr, nullptr, nullptr);
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
  transforms.clear();
  transform = nullptr;
  // Packed, the halves of a slab overlap where its width is not twice a power
  // of two, which is what vectors like to be: some channels are computed twice,
  // one after the other.
  lanes = packed ? llvm::PowerOf2Ceil((width + 1) / 2) : width;
  for (unsigned source = 0;
       source < getNumSources() && (chain.fft || chain.ifft); ++source)
    transforms.push_back(std::make_unique<TransformNest>(
        nest, emitter.getPlan<CpuTransformAttr>(), chain.tokens, lanes));
  if (!transforms.empty())
    transform = transforms[0].get();
  auto body = [&](ArrayRef<AffineExpr> ivs) {
    batch = ivs[0];
    origin = slabs == 1 ? nest.constantExpr(first) : ivs[1] * width + first;
    if (!transform)
      return emitElements();
    for (auto &one : transforms)
      one->beginSlab();
    if (isolated)
      findNonFinite();
    beginSums();
    transformSeconds();
    TransformNest::Reader reader = [&](AffineExpr row, AffineExpr lane) {
      return read(0, row, lane);
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
        visits && half ? pairs : nullptr, chain.ifft ? writer : nullptr);
    endSums();
    if (isolated)
      nest.free(flags);
    for (auto &one : transforms)
      one->endSlab();
  };
  nest.parallel({nest.size(inputs[0], 0), nest.builder.getIndexAttr(slabs)},
                body);
}

void mlir::bfly::emitSpectralChainOnCPU(KernelEmitter &emitter,
                                        NestBuilder &nest,
                                        const SpectralChain &chain) {
  SpectralNest(emitter, nest, chain).emit();
}
