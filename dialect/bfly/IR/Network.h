// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// What a kernel holds, as its operations describe it.

#ifndef BFLY_IR_NETWORK_H
#define BFLY_IR_NETWORK_H

#include "bfly/IR/Bfly.h"

namespace mlir::bfly {

/// What a kernel on tensors holds, as far as its plan, its cost and its report
/// depend on it. Its operations fill it in (NetworkOpInterface::describe).
struct Network {
  /// Those of this dialect.
  SmallVector<Operation *> ops;
  /// The sequence that the network works on, (B, N, D); of a kernel with
  /// neither transforms nor stages its first result.
  RankedTensorType sequence;
  /// Whether anything is computed in f64.
  bool wide = false;
  /// What the report calls the network: "transform", "attention", ...
  StringRef kind = "dense";

  // Transforms and maps of spectra.

  int64_t transforms = 0;
  /// Tokens of a transform, or of maps alone; 0 without either. Of two
  /// transforms of different lengths the other's.
  int64_t transformTokens = 0, otherTokens = 0;
  bool hasMap = false;
  /// Whether a transform has half of a spectrum, and whether two real channels
  /// can share a complex transform.
  bool half = false, packed = false;
  bool hermitian = false, binZero = false;
  /// Spectra that a chain has on chip at once, and real numbers of a bin that
  /// are summed over the bins.
  int64_t spectra = 1, terms = 0;

  // Attention.

  SmallVector<AttentionStageOp> stages;
  /// Whether tokens are padded in the kernel.
  bool padded = false;
  /// The derivatives of stages: one in a kernel.
  SmallVector<AttentionStageBackwardOp> backward;

  // Dense layers.

  SmallVector<LinearOp> products;
  SmallVector<RowProductOp> rowProducts;
  /// Elements of a row that goes in and comes out.
  int64_t rowElements = 0;

  int64_t getBatch() const { return sequence.getDimSize(0); }
  int64_t getChannels() const { return sequence.getDimSize(2); }
  /// Whether there are stages of attention, or derivatives of such.
  bool hasAttention() const { return !stages.empty() || !backward.empty(); }
  int64_t numStages() const { return static_cast<int64_t>(stages.size()); }
  int64_t getAttentionTokens() const;
  /// Of the type that is computed in.
  int64_t getElementBytes() const { return wide ? 8 : 4; }

  /// A transform of so many tokens of `sequence`.
  void addTransform(RankedTensorType sequence, int64_t tokens, bool isHalf);
};

Network inspect(KernelOp kernel);

/// Whether stages are all of a network, in their order, and alike but for their
/// numbers.
bool isWholeNetwork(ArrayRef<AttentionStageOp> stages);

/// Whether weights are per head, of square matrices of its channels.
bool isPerHead(ShapedType weights, int64_t channels);

/// Whether `op` may compute a part of a filter's context, a (B, ...) matrix: a
/// dense layer or an element-wise function of matrices.
bool isContextOp(Operation *op);

} // namespace mlir::bfly

#endif // BFLY_IR_NETWORK_H
