// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Weights in panels, which a CPU's tile products stream.

#ifndef BFLY_LIB_CONVERSION_SCHEDULETOAFFINE_CPU_WEIGHTSNEST_H
#define BFLY_LIB_CONVERSION_SCHEDULETOAFFINE_CPU_WEIGHTSNEST_H

#include "KernelEmitter.h"

namespace mlir::bfly {

/// Copies weight matrices into the panels that `bfly.tile_product` streams:
/// packed[..., n floordiv w, k, n mod w] = weights[..., n, k] if `transpose`
/// (x W^T), else weights[..., k, n] (x W). `weights` has rank 2 to 4 with the
/// matrix last; the rest leads.
Value packPanels(NestBuilder &nest, Value weights, bool transpose,
                 int64_t width);
/// The panel width for a plan: two vectors, so that a broadcast serves both.
int64_t getPanelWidth(KernelEmitter &emitter);

void emitFoldWeights(KernelEmitter &emitter, FoldWeightsOp op);
/// A projection on its own; within a chain the stages' nest does it.
void emitProject(KernelEmitter &emitter, ProjectOp op);

} // namespace mlir::bfly

#endif // BFLY_LIB_CONVERSION_SCHEDULETOAFFINE_CPU_WEIGHTSNEST_H
