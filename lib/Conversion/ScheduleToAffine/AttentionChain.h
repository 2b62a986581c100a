// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The operations of a kernel that one nest of attention does.

#ifndef BFLY_LIB_CONVERSION_SCHEDULETOAFFINE_ATTENTIONCHAIN_H
#define BFLY_LIB_CONVERSION_SCHEDULETOAFFINE_ATTENTIONCHAIN_H

#include "KernelEmitter.h"

namespace mlir::bfly {

/// pad → widen → stages → narrow → cut; all but the stages may be missing.
struct AttentionChain {
  Value source, image, result;
  SmallVector<AttentionStageOp> stages;
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
