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
struct SpectralChain {
  Value source;
  FftOp fft;
  SmallVector<SpectrumMapOp> maps;
  IfftOp ifft;
  Value result;
  int64_t tokens;
};

/// What the emitters of a chain share.
class SpectralMaps {
public:
  SpectralMaps(KernelEmitter &emitter, NestBuilder &nest, SpectralChain chain);

  /// All maps of the chain, on bin k of one channel; of half a spectrum k is
  /// one of 0 … N/2. Nothing is dropped between two maps.
  ComplexPair applyMaps(ComplexPair bin, AffineExpr k, AffineExpr channel);
  /// x where the flag of its channel is 0, else 0.
  Value selectFinite(Value x, Value flag);
  /// 0 times what a channel has in a row of the input, or what the maps make of
  /// a bin there. Its flag is their sum: 0 where all are numbers, else NaN.
  Value getFlagTerm(AffineExpr row, AffineExpr channel);
  /// A bin of a channel with a flag, which shows where that is not 0.
  ComplexPair addFlag(ComplexPair bin, Value flag);
  /// N-k, or 0 for k = 0, and whether k is that itself.
  AffineExpr mirrorOf(AffineExpr k) const { return mirrorBin(k, chain.tokens); }
  Value isOwnMirror(AffineExpr k);
  /// What the maps make of bin k in memory, where the chain begins there. Of
  /// half a spectrum the inverse sees no imaginary part of a bin that is its
  /// own mirror.
  ComplexPair loadBin(AffineExpr k, Value own, AffineExpr channel);
  /// What the maps make of bin k of a transform. One that is its own mirror
  /// (`own`; null where that is known not to be so) is real where the tokens
  /// are.
  ComplexPair mapTransformed(ComplexPair bin, Value own, AffineExpr k,
                             AffineExpr channel);

  /// Two real channels a and b in one transform, Z = A + i B with A and B
  /// Hermitian: what the maps make of A[k] and B[k], from Z[k] and Z[N-k].
  std::pair<ComplexPair, ComplexPair>
  mapPacked(ComplexPair z, ComplexPair zMirror, Value own, AffineExpr k,
            AffineExpr first, AffineExpr second, ComplexPair flags = {});
  /// The imaginary part of a bin becomes 0 where `own` says so.
  void dropImaginary(ComplexPair &bin, Value own);
  ComplexPair conjugate(ComplexPair value) {
    return {value.re, nest.sub(nest.constant(0), value.im)};
  }
  /// Z[k] and Z[N-k] of A[k] and B[k].
  ComplexPair pack(ComplexPair a, ComplexPair b);
  ComplexPair packMirror(ComplexPair a, ComplexPair b);

  bool storesSpectrum() const { return !chain.ifft; }
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
  /// channel packed with it.
  bool isolated;
  /// Whether it is real tokens that are transformed.
  bool realTokens;
  Value input, output;
  int64_t channels;
  /// Of the unit of work being emitted.
  AffineExpr batch;

private:
  ComplexPair applyMap(SpectrumMapOp map, ComplexPair bin, AffineExpr k,
                       AffineExpr channel);
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
