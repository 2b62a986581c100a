// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The derivative of a map of a spectrum, bin by bin.

#ifndef BFLY_LIB_DIALECT_MAPGRADIENTS_H
#define BFLY_LIB_DIALECT_MAPGRADIENTS_H

#include "bfly/IR/Gradients.h"

namespace mlir::bfly {

/// A map to differentiate: what is asked of its bins and of where they go.
struct Map {
  Location loc;
  Block &body;
  Value bins;
  ValueRange params;
  ArrayAttr dims;
  int64_t tokens;
  /// Whether the region is asked of bin N - k where bin k is.
  bool mirrored = false;
};

/// The map whose region gives, from the bin, the index, the parameters and the
/// gradient of what the region yields, the gradient of its argument `number`;
/// that of a parameter of half a spectrum times how often a bin counts.
FailureOr<Value> createGradientMap(OpBuilder &builder, const Map &map, Value g,
                                   unsigned number, bool half);

/// Adds the gradient of a hermitian map (docs/derivatives.md) from `g`.
LogicalResult differentiateHermitian(SpectrumMapOp op, OpBuilder &builder,
                                     Value g, Gradients &gradients);

/// Into zeros for the bins that a parameter has and the map has not; `dims` are
/// the parameter's.
Value extendBins(OpBuilder &builder, Location loc, Value gradient, Value param,
                 ArrayRef<int64_t> dims);

} // namespace mlir::bfly

#endif // BFLY_LIB_DIALECT_MAPGRADIENTS_H
