// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// What happens to the bins of a spectral chain in a unit's slab on a GPU: the
// maps, and the ways to and from a spectrum in memory.
//
// A slab holds a unit's sub-transforms, of R that the tokens are split into
// ("outer"; 1 where a slab holds the whole transform). Sub-transform q holds
// the bins q mod R, whose mirror images are in R-q. Unit u has such a pair, u
// and R-u, as the parts of its slab; unit 0 has those that are their own
// mirror, 0 and R/2.

#ifndef BFLY_LIB_CONVERSION_SCHEDULETOAFFINE_GPU_SLABBINS_H
#define BFLY_LIB_CONVERSION_SCHEDULETOAFFINE_GPU_SLABBINS_H

#include "GPU/GridColumns.h"
#include "GPU/SlabTransform.h"

namespace mlir::bfly {

struct BlockPair;

class SlabBins {
public:
  /// `slabs` of the sources, of which the first takes what the maps make;
  /// `origin` is its first column.
  SlabBins(GridColumns &columns, ArrayRef<SlabTransform *> slabs, int64_t outer,
           AffineExpr unit, AffineExpr origin);

  /// Fills the slab with bins from memory.
  void loadSpectrum();
  /// The maps of the bins in the slab, which go to memory if the chain ends
  /// with a spectrum.
  void visit();
  /// The last pass, the maps and the pass that undoes it, in registers.
  void visitInRegisters();
  /// Behind the visit: gives `finish`, for each lane, the sums of the terms of
  /// the unit's bins, those of a second packed channel last.
  void finishSums(function_ref<void(AffineExpr lane, ArrayRef<Value>)> finish);

private:
  using Bins = SmallVector<ComplexPair>;
  using Terms = SmallVector<Value>;

  void visitBlocks();
  void visitPairsOfBlocks();
  /// The maps, on the bins of both blocks of every source, for those of the
  /// first.
  Terms mapPair(const BlockPair &pair, MutableArrayRef<Bins> a,
                MutableArrayRef<Bins> b, AffineExpr lane);
  /// Calls the function for every item and lane; the terms that it gives are
  /// added up.
  void forEachItem(int64_t items,
                   function_ref<Terms(AffineExpr item, AffineExpr lane)> body);
  /// Calls the function for the rows of all bins, or of half a spectrum's, with
  /// their bin and the row of the bin's mirror image; the same with terms.
  void forEachRow(function_ref<Terms(AffineExpr lane, AffineExpr k,
                                     AffineExpr row, AffineExpr mirrorRow)>
                      body);
  /// What the maps make of bin k, of 0 ... N/2, of a column, from Z[k] and
  /// Z[N-k] of every source: Z[k] and Z[N-k]. Adds to the terms.
  std::pair<ComplexPair, ComplexPair> mapHalf(const Bins &z,
                                              const Bins &zMirror, Value own,
                                              AffineExpr k, AffineExpr lane,
                                              Terms &terms);
  void addTerms(Terms &terms, ArrayRef<Value> more);
  /// The flags of a column's channels, of every source, where bins show them.
  Bins getFlags(AffineExpr lane);
  Bins load(AffineExpr row, AffineExpr lane);

  AffineExpr firstChannel(AffineExpr lane) const {
    return columns.firstChannel(origin + lane);
  }
  AffineExpr secondChannel(AffineExpr lane) const {
    return columns.secondChannel(origin + lane);
  }
  /// Number of the sub-transform in a part of the slab.
  AffineExpr getSubTransform(int64_t part) const {
    return part ? paired * (outer / 2) - unit + outer / 2 : unit;
  }

  GridColumns &columns;
  NestBuilder &nest;
  SmallVector<SlabTransform *> slabs;
  SlabTransform &slab;
  ArrayRef<int64_t> radices;
  int64_t outer, rows, lanes;
  AffineExpr unit, origin;
  /// 0 for unit 0, 1 for others.
  AffineExpr paired;
  /// (lanes * sums, items together), one for each time that items were visited.
  SmallVector<Value> partials;
};

} // namespace mlir::bfly

#endif // BFLY_LIB_CONVERSION_SCHEDULETOAFFINE_GPU_SLABBINS_H
