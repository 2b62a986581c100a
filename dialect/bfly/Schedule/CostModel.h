// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// What a kernel costs: the bytes that it must move, its flops, and the state
// that it holds on chip.

#ifndef BFLY_SCHEDULE_COSTMODEL_H
#define BFLY_SCHEDULE_COSTMODEL_H

#include "bfly/IR/Machine.h"
#include "bfly/IR/Network.h"

namespace mlir::bfly {

/// The arithmetic of one operation on tensors at network or schedule level:
///
/// - a transform of N points: 5 N log2 N a complex channel, half of that a
///   real one where two share a transform. Where `length` is not N it is that
///   of Bluestein's convolution: two transforms of `length` points, their
///   product with the kernel, and two with the chirp;
/// - an attention stage: the projections that its scoring makes (the table of
///   docs/definitions.md), the dot products, the sigmoids and the mixing;
/// - a map: the operations of its region a bin, a complex product being 6 and
///   one by a real number 2; twice, and 4 more, where it is hermitian;
/// - linear, layer norm, mean, folding and projecting: their definitions.
///
/// Additions, multiplications, divisions and functions count 1 each; moving
/// data counts nothing.
Amount getFlops(Operation *op, int64_t length);

/// Whether a kernel is at schedule level, where what it costs can be told.
bool isOnTensors(KernelOp kernel);

/// What a kernel on tensors costs.
struct KernelCost {
  /// Operands read once and results written once: no schedule moves less.
  Amount bytes;
  Amount flops;
  /// Those of them that run on a GPU's matrix units.
  Amount matrixFlops;
};
KernelCost getKernelCost(KernelOp kernel);

/// The length of a kernel's transforms: the product of its plan's radices, or
/// N without a plan; 0 if it has no transform.
int64_t getTransformLength(KernelOp kernel);

/// State that a kernel holds while it works on one slab of channels
/// (transforms), one sequence (attention) or one tile of rows (dense).
struct KernelState {
  /// The passes or stages that it is of; -1 where there are none.
  int64_t first, last;
  int64_t bytes;
  /// Of a GPU shared or memory; of a CPU the smallest cache that holds it.
  StringRef place;
  /// Bytes of the place; 0 where it has no end.
  int64_t capacity;
};
/// Group by group of the kernel's plan; empty without one.
SmallVector<KernelState> getStates(KernelOp kernel);

/// What a machine can do at best, a second.
struct MachineCeilings {
  double bytesPerSecond = 0;
  double flopsPerSecond = 0;
  /// On a GPU's matrix units, of 16-bit operands; 0 where there are none.
  double matrixFlopsPerSecond = 0;
};

/// Ceilings by a machine's description, where nobody has measured.
MachineCeilings getNominalCeilings(const Machine &machine);

} // namespace mlir::bfly

#endif // BFLY_SCHEDULE_COSTMODEL_H
