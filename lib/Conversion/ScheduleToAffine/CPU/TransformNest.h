// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// A discrete Fourier transform of the rows of a slab, in place.
//
// Forward passes decimate in frequency: natural order in, digit-reversed order
// out. Inverse passes undo them one by one, decimating in time: digit-reversed
// in, natural out. Nothing is ever reordered; whoever looks at bin k in between
// asks `position` where it is. A length with a large prime factor goes through
// Bluestein's convolution of a power-of-two length.

#ifndef BFLY_LIB_CONVERSION_SCHEDULETOAFFINE_CPU_TRANSFORMNEST_H
#define BFLY_LIB_CONVERSION_SCHEDULETOAFFINE_CPU_TRANSFORMNEST_H

#include "NestBuilder.h"

namespace mlir::bfly {

class TransformNest {
public:
  using Reader = std::function<ComplexPair(AffineExpr row, AffineExpr lane)>;
  using Writer =
      std::function<void(AffineExpr row, AffineExpr lane, ComplexPair)>;
  /// A visit of bin k, at row `position`.
  using BinVisitor = std::function<void(AffineExpr k, AffineExpr position)>;
  /// A visit of bins k, of 0 … N/2, and N-k (mod N), at their rows; where they
  /// are the same bin, both rows are.
  using PairVisitor = std::function<void(AffineExpr k, AffineExpr position,
                                         AffineExpr mirrorPosition)>;

  /// Tables and radices; emits the tables at the insertion point, which must be
  /// outside the loops that run the transform.
  TransformNest(NestBuilder &nest, CpuTransformAttr plan, int64_t tokens,
                int64_t lanes);

  /// Allocates the slab of one run.
  void beginSlab();
  void endSlab();

  /// Reads tokens in natural order and transforms them (reader null: the slab
  /// already holds the spectrum); visits the bins, each once; transforms back,
  /// with the factor 1/N, and writes tokens in natural order (writer null: ends
  /// after the visit).
  void run(const Reader &reader, const BinVisitor &visitBins,
           const PairVisitor &visitPairs, const Writer &writer);

  /// Row of bin k, and of its mirror image N-k.
  AffineExpr position(AffineExpr k) const;
  AffineExpr mirrorPosition(AffineExpr k) const;
  ComplexPair load(AffineExpr row, AffineExpr lane);
  void store(ComplexPair value, AffineExpr row, AffineExpr lane);

  int64_t getTokens() const { return tokens; }
  int64_t getLanes() const { return lanes; }

private:
  bool isBluestein() const { return length != tokens; }
  AffineExpr position(AffineExpr k, unsigned firstPass) const;
  /// Row of bin M-k (mod M) of the M bins that the passes from `firstPass` on
  /// transform; with `next`, of bin M-1-k.
  AffineExpr mirrorPosition(AffineExpr k, unsigned firstPass,
                            AffineExpr next) const;
  /// One radix pass over `blocks` consecutive blocks of its length from row
  /// `base`; values come from `reader` and go to `writer` where given.
  void pass(unsigned index, bool inverse, AffineExpr base, int64_t blocks,
            const Reader &reader = nullptr, const Writer &writer = nullptr);
  /// Passes `first` … last, or back, over the sub-transform at row `base`.
  void passes(unsigned first, bool inverse, AffineExpr base,
              const Reader &reader = nullptr, const Writer &writer = nullptr);
  /// A transform of length N through one of a power-of-two length; ends with
  /// bin k at row k.
  void convolve(bool inverse, const Reader &reader, const Writer &writer);
  void visit(const BinVisitor &visitBins, const PairVisitor &visitPairs);
  /// The passes after the first, the visit, and their inverses, done for a pair
  /// of sub-transforms at a time while they are in cache.
  void runInGroups(const Reader &reader, const BinVisitor &visitBins,
                   const PairVisitor &visitPairs, const Writer &writer);

  NestBuilder &nest;
  int64_t tokens, lanes;
  /// Rows of the slab: N, or Bluestein's padded length.
  int64_t length = 1;
  SmallVector<int64_t> radices;
  /// Length of the sub-transform that each pass splits.
  SmallVector<int64_t> lengths;
  bool grouped;
  Value slab, roots, chirp, chirpSpectrum;
};

} // namespace mlir::bfly

#endif // BFLY_LIB_CONVERSION_SCHEDULETOAFFINE_CPU_TRANSFORMNEST_H
