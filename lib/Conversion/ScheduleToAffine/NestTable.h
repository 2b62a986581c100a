// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Which nests the operations of a kernel become.

#ifndef BFLY_LIB_CONVERSION_SCHEDULETOAFFINE_NESTTABLE_H
#define BFLY_LIB_CONVERSION_SCHEDULETOAFFINE_NESTTABLE_H

#include "KernelEmitter.h"

namespace mlir::bfly {

/// How an operation of a kernel becomes nests that fill its results' buffers,
/// on either target. One that a nest around another operation computes, as a
/// transform that its inverse follows, emits nothing itself.
struct Nest {
  using Emit = LogicalResult (*)(KernelEmitter &emitter, Operation *op);
  Emit onCPU, onGPU;
};

/// The nest of an operation, by the table in NestTable.cpp; null where there is
/// none.
const Nest *findNest(Operation *op);

/// The nest of element-wise operations of other dialects; an error for any
/// other one.
LogicalResult emitElementwise(KernelEmitter &emitter, Operation *op);

void emitHadamard(KernelEmitter &emitter, HadamardOp op);

void emitAttentionBackwardOnCPU(KernelEmitter &emitter,
                                AttentionStageBackwardOp op);
LogicalResult emitAttentionBackwardOnGPU(KernelEmitter &emitter,
                                         AttentionStageBackwardOp op);

void emitRowProductOnCPU(KernelEmitter &emitter, RowProductOp op);
void emitRowProductOnGPU(KernelEmitter &emitter, RowProductOp op);

} // namespace mlir::bfly

#endif // BFLY_LIB_CONVERSION_SCHEDULETOAFFINE_NESTTABLE_H
