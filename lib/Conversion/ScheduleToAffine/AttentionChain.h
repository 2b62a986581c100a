// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The operations of a kernel that one nest of attention does.

#ifndef BFLY_LIB_CONVERSION_SCHEDULETOAFFINE_ATTENTIONCHAIN_H
#define BFLY_LIB_CONVERSION_SCHEDULETOAFFINE_ATTENTIONCHAIN_H

#include "KernelEmitter.h"
#include "bfly/IR/Network.h"

namespace mlir::bfly {

/// pad → widen → stages → narrow → cut; all but the stages may be missing.
struct AttentionChain {
  Value source, image, result;
  SmallVector<AttentionStageOp> stages;

  /// Whether the stages are a whole network, alike but for their numbers. It
  /// can run in constant geometry: the token index is rotated by one bit at
  /// each write-back, so that partners are always rows 2p and 2p+1, results
  /// always go to rows p and p+N/2, and no stage knows its stride. After log2 N
  /// rotations the tokens are back in order.
  bool isWhole() const { return isWholeNetwork(stages); }
};

/// The chain that ends at `sink`, a value with a buffer. Without stages where
/// another chain makes it.
FailureOr<AttentionChain> getAttentionChain(KernelEmitter &emitter, Value sink);

void emitAttentionOnCPU(KernelEmitter &emitter, NestBuilder &nest,
                        AttentionChain chain);
LogicalResult emitAttentionOnGPU(KernelEmitter &emitter, NestBuilder &nest,
                                 AttentionChain chain);

} // namespace mlir::bfly

#endif // BFLY_LIB_CONVERSION_SCHEDULETOAFFINE_ATTENTIONCHAIN_H
