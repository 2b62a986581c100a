// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The columns of a spectral chain on a GPU, and what its units of work read and
// write of them outside of their slabs.
//
// A column is what goes through one complex transform: a channel, or two
// neighbours that are packed. An odd channel at the end is its own neighbour. A
// slab is a few columns; the last one ends at the last column.

#ifndef BFLY_LIB_CONVERSION_SCHEDULETOAFFINE_GPU_GRIDCOLUMNS_H
#define BFLY_LIB_CONVERSION_SCHEDULETOAFFINE_GPU_GRIDCOLUMNS_H

#include "SpectralMaps.h"

namespace mlir::bfly {

class GridColumns : public SpectralMaps {
public:
  GridColumns(KernelEmitter &emitter, NestBuilder &nest, SpectralChain chain);

  AffineExpr firstChannel(AffineExpr column) const {
    return packed ? column * 2 : column;
  }
  AffineExpr secondChannel(AffineExpr column) const;
  /// The first column of a slab.
  AffineExpr getOrigin(AffineExpr slab) const;

  /// A token of a column, from a source and to the output; what is written is
  /// scaled.
  ComplexPair read(unsigned source, AffineExpr row, AffineExpr column);
  void write(AffineExpr row, AffineExpr column, ComplexPair value);

  /// A phase that makes the flags, which isolated channels need.
  void emitFlags();
  /// The flag of a column's first (0) or second channel.
  Value getFlag(unsigned source, int64_t part, AffineExpr column);
  /// x where its channel of a chain from memory holds numbers alone, else 0.
  Value keepFinite(Value x, int64_t part, AffineExpr column);

  /// Instead of that phase: each thread takes what is no number for 0 where it
  /// reads tokens, and the flags are made of what the threads of a slab read,
  /// `items` of each lane. False where their sums do not fit beside the slabs.
  bool takeFlagsInSlab(int64_t items);
  void beginSlabFlags(AffineExpr origin);
  void storeItemFlags(unsigned source, AffineExpr item, AffineExpr lane);
  void finishSlabFlags();

  int64_t getElementBytes() const { return nest.compute.getWidth() / 8; }
  /// Real numbers of a column that are summed over the bins.
  int64_t getNumSums() const { return numTerms * (packed ? 2 : 1); }

  int64_t columns, lanes, slabs;

private:
  ComplexPair scale(ComplexPair value);
  /// Flags of a lane in a slab, and the number of one of them.
  int64_t getNumSlabFlags() const {
    return 2 * llvm::count(isolatedSources, true);
  }
  int64_t getSlabFlag(unsigned source, int64_t part) const {
    return 2 * llvm::count(ArrayRef(isolatedSources).take_front(source), true) +
           part;
  }

  /// (batch, channels), of each source that has any.
  SmallVector<Value> flags;
  /// In a slab: of how many items, (lanes * flags, items) and then (..., 1),
  /// the slab's first column, and what the item being read has so far.
  int64_t flagItems = 0;
  Value slabFlags;
  AffineExpr slabOrigin;
  ComplexPair itemFlags;
};

} // namespace mlir::bfly

#endif // BFLY_LIB_CONVERSION_SCHEDULETOAFFINE_GPU_GRIDCOLUMNS_H
