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

  /// A token of a column, from the input and to the output; what is written is
  /// scaled.
  ComplexPair read(AffineExpr row, AffineExpr column);
  void write(AffineExpr row, AffineExpr column, ComplexPair value);

  /// A phase that makes the flags, which isolated channels need.
  void emitFlags();
  Value getFlag(AffineExpr channel);
  /// x where its channel holds numbers alone, else 0.
  Value keepFinite(Value x, AffineExpr channel);

  int64_t columns, lanes, slabs;

private:
  ComplexPair scale(ComplexPair value);

  /// (batch, channels)
  Value flags;
};

} // namespace mlir::bfly

#endif // BFLY_LIB_CONVERSION_SCHEDULETOAFFINE_GPU_GRIDCOLUMNS_H
