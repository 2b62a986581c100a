// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// What happens to the bins of a spectral chain, wherever they are: on every
// machine the same arithmetic.

#ifndef BFLY_LIB_CONVERSION_SCHEDULETOAFFINE_SPECTRALMAPS_H
#define BFLY_LIB_CONVERSION_SCHEDULETOAFFINE_SPECTRALMAPS_H

#include "KernelEmitter.h"

namespace mlir::bfly {

/// fft (or a spectrum from memory) → maps → ifft (or a spectrum to memory). All
/// are of the same number of tokens, and all have half of the bins or none has.
/// Where a transform begins it, maps may read the bins of other transforms
/// beside its own.
struct SpectralChain {
  Value source;
  FftOp fft;
  SmallVector<SpectrumMapOp> maps;
  IfftOp ifft;
  Value result;
  int64_t tokens;
  SmallVector<FftOp> seconds;
};

/// What maps make of a bin: what goes on, and terms of sums over the bins.
struct MappedBin {
  ComplexPair bin;
  SmallVector<Value> terms;
};

/// What the emitters of a chain share. Its *sources* are what it transforms:
/// its own, 0, and those of the other spectra that its maps read.
class SpectralMaps {
public:
  SpectralMaps(KernelEmitter &emitter, NestBuilder &nest, SpectralChain chain);

  /// All maps of the chain, on bin k of one channel, the chain's own and those
  /// of its other sources; of half a spectrum k is one of 0 … N/2. Nothing is
  /// dropped between two maps.
  MappedBin applyMaps(ArrayRef<ComplexPair> bins, AffineExpr k,
                      AffineExpr channel);
  /// x where the flag of its channel is 0, else 0.
  Value selectFinite(Value x, Value flag);
  /// 0 times what a channel has in a row of a source, or what the maps make of
  /// a bin there. Its flag is their sum: 0 where all are numbers, else NaN.
  Value getFlagTerm(unsigned source, AffineExpr row, AffineExpr channel);
  /// The flag of what a channel is transformed back to, from those of sources.
  Value getResultFlag(function_ref<Value(unsigned source)> getFlag);
  /// A bin of a channel with a flag, which shows where that is not 0.
  ComplexPair addFlag(ComplexPair bin, Value flag);
  /// N-k, or 0 for k = 0, and whether k is that itself.
  AffineExpr mirrorOf(AffineExpr k) const { return mirrorBin(k, chain.tokens); }
  Value isOwnMirror(AffineExpr k);
  /// What the maps make of bin k in memory, where the chain begins there. Of
  /// half a spectrum the inverse sees no imaginary part of a bin that is its
  /// own mirror.
  MappedBin loadBin(AffineExpr k, Value own, AffineExpr channel);
  /// What the maps make of bin k of the sources' transforms. One that is its
  /// own mirror (`own`; null where that is known not to be so) is real where
  /// the tokens are.
  MappedBin mapTransformed(ArrayRef<ComplexPair> bins, Value own, AffineExpr k,
                           AffineExpr channel);

  /// Two real channels a and b in one transform, Z = A + i B with A and B
  /// Hermitian: what the maps make of A[k] and B[k], from Z[k] and Z[N-k] of
  /// each source; `flags` of both channels, of each source, where what is no
  /// number has to show in bins.
  std::pair<MappedBin, MappedBin> mapPacked(ArrayRef<ComplexPair> z,
                                            ArrayRef<ComplexPair> zMirror,
                                            Value own, AffineExpr k,
                                            AffineExpr first, AffineExpr second,
                                            ArrayRef<ComplexPair> flags);
  /// The imaginary part of a bin becomes 0 where `own` says so.
  void dropImaginary(ComplexPair &bin, Value own);
  ComplexPair conjugate(ComplexPair value) {
    return {value.re, nest.sub(nest.constant(0), value.im)};
  }
  /// Z[k] and Z[N-k] of A[k] and B[k].
  ComplexPair pack(ComplexPair a, ComplexPair b);
  ComplexPair packMirror(ComplexPair a, ComplexPair b);

  bool storesSpectrum() const {
    return !chain.ifft && !chain.result.use_empty();
  }
  /// Whether what is no number has to show in bins, since those are not all
  /// transformed back.
  bool showsFlags() const {
    return isolated && (storesSpectrum() || numTerms > 0);
  }
  /// Makes the sums of a channel from those of the terms.
  void storeSums(AffineExpr channel, ArrayRef<Value> totals);

  unsigned getNumSources() const { return inputs.size(); }
  /// Rows that a channel's flag is the sum over: tokens, or the bins of half a
  /// spectrum.
  int64_t getNumFlagRows() const {
    return chain.fft ? chain.tokens : chain.tokens / 2 + 1;
  }

  KernelEmitter &emitter;
  NestBuilder &nest;
  SpectralChain chain;
  /// Whether the chain has bins 0 … N/2 alone, which stand for a Hermitian
  /// spectrum in front of the inverse.
  bool half;
  /// Whether two real channels share one complex transform.
  bool packed;
  /// Whether a value of one channel that is no number must be kept from the
  /// channel packed with it: of any source, and of each.
  bool isolated;
  SmallVector<bool> isolatedSources;
  /// Whether it is real tokens that are transformed.
  SmallVector<bool> realTokens;
  /// Of the sources; null where a spectrum is neither stored nor transformed
  /// back.
  SmallVector<Value> inputs;
  Value output;
  int64_t channels;
  /// Real numbers of a bin that are summed over the bins.
  int64_t numTerms = 0;
  /// Of the unit of work being emitted.
  AffineExpr batch;

private:
  ComplexPair applyMap(SpectrumMapOp map, ArrayRef<ComplexPair> bins,
                       AffineExpr k, AffineExpr channel,
                       SmallVectorImpl<Value> *terms);
  void findIsolated();

  /// Sources that the result depends on.
  SmallVector<bool> reaching;
};

/// The chain that ends at an operation.
SpectralChain getSpectralChain(KernelEmitter &emitter, Operation *sink);

void emitSpectralChainOnCPU(KernelEmitter &emitter, NestBuilder &nest,
                            const SpectralChain &chain);
/// The chain as units of work of a GPU's grid.
LogicalResult emitSpectralChainOnGPU(KernelEmitter &emitter, NestBuilder &nest,
                                     const SpectralChain &chain);

/// Bin 0 of a transform whose first pass goes through memory: that pass, and
/// the sum of what it left of the bin. False where this is no such transform.
bool emitBinOfFirstPass(KernelEmitter &emitter, SpectrumBinOp bin);

} // namespace mlir::bfly

#endif // BFLY_LIB_CONVERSION_SCHEDULETOAFFINE_SPECTRALMAPS_H
