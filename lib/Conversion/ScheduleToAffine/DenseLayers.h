// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// What surrounds the networks: dense products, normalisation, means.

#ifndef BFLY_LIB_CONVERSION_SCHEDULETOAFFINE_DENSELAYERS_H
#define BFLY_LIB_CONVERSION_SCHEDULETOAFFINE_DENSELAYERS_H

#include "KernelEmitter.h"

namespace mlir::bfly {

void emitLinearOnCPU(KernelEmitter &emitter, LinearOp op);
void emitLinearOnGPU(KernelEmitter &emitter, LinearOp op);
void emitLayerNormOnCPU(KernelEmitter &emitter, LayerNormOp op);
void emitLayerNormOnGPU(KernelEmitter &emitter, LayerNormOp op);
void emitMean(KernelEmitter &emitter, MeanOp op);
void emitBin(KernelEmitter &emitter, SpectrumBinOp bin);

/// Whether `bin` is the sum over the tokens of a transform.
bool isTokenSum(SpectrumBinOp bin);

/// What follows a product: the bias of its column and relu, where there are
/// any.
Value emitEpilogue(NestBuilder &nest, LinearOp op, Value bias, Value value,
                   AffineExpr column);

} // namespace mlir::bfly

#endif // BFLY_LIB_CONVERSION_SCHEDULETOAFFINE_DENSELAYERS_H
