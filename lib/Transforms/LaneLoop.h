// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The loops that -bfly-vectorize-lanes rewrites, and its analysis of them.

#ifndef BFLY_LIB_TRANSFORMS_LANELOOP_H
#define BFLY_LIB_TRANSFORMS_LANELOOP_H

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

namespace mlir::bfly {

/// The map of an affine load or store over loop variables and symbols alone.
struct Access {
  AffineMap map;
  SmallVector<Value> operands;

  template <typename OpTy>
  explicit Access(OpTy op)
      : map(op.getAffineMap()), operands(op.getMapOperands()) {
    affine::fullyComposeAffineMapAndOperands(&map, &operands);
  }
};

/// A value that is carried around the lane loop: `combiner` adds to it.
struct Reduction {
  Operation *combiner;
  arith::AtomicRMWKind kind;
  vector::CombiningKind vectorKind;
};

/// A lane loop, `affine.for` or `affine.parallel`, and the values in it,
/// sorted:
///
/// - *uniform*, the same for every lane: stays a scalar, computed once a vector
/// - *varying*, a scalar a lane: becomes a vector
/// - a *lane index*, the loop's variable or an affine function of it: lives in
///   the maps of loads and stores alone
class LaneLoop {
public:
  explicit LaneLoop(Operation *loop) : loop(loop) {}

  /// Whether the whole loop has a vector form.
  bool analyze();

  Operation *loop;
  Block *body = nullptr;
  Value iv;
  int64_t length = 0;
  bool isWide = false; ///< works on 64-bit elements
  SmallVector<Reduction> reductions;
  DenseSet<Value> laneIndices, varying;

private:
  bool matchLoop();
  bool canVectorize(Block &block);
  bool canVectorize(Operation &op);
  /// Whether all lanes together, operation by operation, do what they do one
  /// after the other.
  bool areLanesIndependent();
  bool makeVarying(Value value);
  bool isLaneIndex(Value value) const { return laneIndices.contains(value); }
};

} // namespace mlir::bfly

#endif // BFLY_LIB_TRANSFORMS_LANELOOP_H
