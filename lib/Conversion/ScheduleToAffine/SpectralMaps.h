// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// What happens to the bins of a spectral chain, wherever they are: on every
// machine the same arithmetic.

#ifndef BFLY_LIB_CONVERSION_SCHEDULETOAFFINE_SPECTRALMAPS_H
#define BFLY_LIB_CONVERSION_SCHEDULETOAFFINE_SPECTRALMAPS_H

#include "KernelEmitter.h"

namespace mlir::bfly {

/// fft (or a spectrum from memory) → maps → ifft (or a spectrum to memory).
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

  /// All maps of the chain, on one bin of one channel.
  ComplexPair applyMaps(ComplexPair bin, AffineExpr k, AffineExpr mirror,
                        AffineExpr channel);
  /// x where the flag of its channel is 0, else 0.
  Value selectFinite(Value x, Value flag);
  /// 0 times what a channel has in a row of the input. Its flag is their sum: 0
  /// where the channel holds numbers alone, else NaN.
  Value getFlagTerm(AffineExpr row, AffineExpr channel);
  /// A bin of a channel with a flag, which shows where that is not 0.
  ComplexPair addFlag(ComplexPair bin, Value flag);
  /// N-k, or 0 for k = 0, and whether k is that itself.
  AffineExpr mirrorOf(AffineExpr k) const {
    return (-k + chain.tokens) % chain.tokens;
  }
  Value isOwnMirror(AffineExpr k);
  /// A bin of half a spectrum in memory; one that is its own mirror is real.
  ComplexPair loadBin(AffineExpr k, Value own, AffineExpr channel);

  /// Two real channels a and b in one transform, Z = A + i B with A and B
  /// Hermitian: what the maps make of A[k] and B[k], from Z[k] and Z[N-k].
  std::pair<ComplexPair, ComplexPair>
  mapPacked(ComplexPair z, ComplexPair zMirror, AffineExpr k, AffineExpr mirror,
            AffineExpr first, AffineExpr second);
  /// A bin that is its own mirror (`own`) is real.
  void dropImaginary(ComplexPair &bin, Value own);
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
  /// Whether two real channels share one complex transform.
  bool packed;
  /// Whether a value of one channel that is no number must be kept from the
  /// channel packed with it.
  bool isolated;
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

/// The chain as units of work of a GPU's grid.
LogicalResult emitSpectralChainOnGPU(KernelEmitter &emitter, NestBuilder &nest,
                                     const SpectralChain &chain);

} // namespace mlir::bfly

#endif // BFLY_LIB_CONVERSION_SCHEDULETOAFFINE_SPECTRALMAPS_H
