// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Amounts of bytes and flops.

#ifndef BFLY_IR_AMOUNT_H
#define BFLY_IR_AMOUNT_H

#include "mlir/IR/BuiltinTypes.h"

namespace mlir::bfly {

/// An amount that grows with a dynamic batch B: fixed + perBatch * B. Where
/// the batch is static all of it is fixed.
struct Amount {
  double fixed = 0;
  double perBatch = 0;

  double at(double batch) const { return fixed + perBatch * batch; }
  Amount &operator+=(Amount other) {
    fixed += other.fixed;
    perBatch += other.perBatch;
    return *this;
  }
  friend Amount operator*(Amount amount, double factor) {
    return {amount.fixed * factor, amount.perBatch * factor};
  }
};

/// Elements of a tensor, whose first dimension may be dynamic.
Amount countElements(RankedTensorType type);

/// Sequences of a (B, N, D) tensor: B.
Amount countBatch(RankedTensorType type);

/// Bytes of a tensor in memory.
Amount countBytes(RankedTensorType type);

} // namespace mlir::bfly

#endif // BFLY_IR_AMOUNT_H
