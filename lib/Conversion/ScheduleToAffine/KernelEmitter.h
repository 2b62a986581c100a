// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Converts one kernel: its tensors become buffers, its operations nests.

#ifndef BFLY_LIB_CONVERSION_SCHEDULETOAFFINE_KERNELEMITTER_H
#define BFLY_LIB_CONVERSION_SCHEDULETOAFFINE_KERNELEMITTER_H

#include "NestBuilder.h"
#include "bfly/Analysis/Sizes.h"
#include "mlir/IR/IRMapping.h"

namespace mlir::bfly {

class KernelEmitter {
public:
  /// `source` is the kernel on tensors; the builder stands in the body of the
  /// new one, whose arguments `buffers` are the source's operands followed by
  /// its results.
  KernelEmitter(OpBuilder &builder, KernelOp source, ValueRange buffers);

  /// Emits everything; an operation that has no nest is an error at its place.
  LogicalResult emit();

  // What the nests ask for ----------------------------------------------------

  PlanAttr getPlan() { return source.getPlanAttr(); }
  /// The buffer that holds a tensor of the body, made if need be: a result of
  /// the kernel, or a temporary.
  Value getBuffer(Value tensor);
  /// Buffer of a value that is certainly there already; null otherwise.
  Value findBuffer(Value tensor) { return buffers.lookupOrNull(tensor); }
  NestBuilder makeNest(Operation *op);
  /// Memory of the whole kernel, until its end: of the compute type of `nest`,
  /// after a first dimension that may be dynamic.
  Value allocateScratch(NestBuilder &nest, OpFoldResult first,
                        ArrayRef<int64_t> rest);
  /// What the first pass of a transform left in memory, where it ran ahead of
  /// the others.
  Value &getFirstPass(Value transform) { return firstPasses[transform]; }
  bool onGPU() { return getPlan().getThreads() != 0; }
  bool parallelOverBatch() { return getPlan().getParallel() == "batch"; }

private:
  LogicalResult emit(Operation *op);
  LogicalResult verifyTemporaries();
  void copyOnGPU(Value buffer, Value target);

  OpBuilder &builder;
  KernelOp source;
  SizeInference inference;
  SmallVector<Value> results;
  IRMapping buffers;
  SmallVector<Value> temporaries;
  DenseMap<Value, Value> firstPasses;
};

/// The dynamic sizes of a tensor of a kernel's body, from those of the tensors
/// or buffers that stand for the body's arguments.
FailureOr<SmallVector<Value>>
makeDynamicSizes(OpBuilder &builder, Value tensor, SizeInference &inference,
                 function_ref<Value(BlockArgument)> getTensorOrBuffer);

// One function a kind of network; each emits the nests that fill its result's
// buffer.

/// A chain transform → maps → inverse that ends at `sink`: an ifft, or a
/// spectrum_map or fft whose spectrum itself is wanted.
LogicalResult emitSpectralChain(KernelEmitter &emitter, Operation *sink);
/// Bin 0 of a transform whose first pass goes through memory: that pass, and
/// the sum of what it left of the bin. False where this is no such transform.
bool emitBinOfFirstPass(KernelEmitter &emitter, SpectrumBinOp bin);
/// A chain of attention stages that ends at `sink`.
LogicalResult emitAttentionChain(KernelEmitter &emitter, Value sink);
void emitFoldWeights(KernelEmitter &emitter, FoldWeightsOp op);
/// A projection on its own; within a chain the stages' nest does it.
void emitProject(KernelEmitter &emitter, ProjectOp op);
void emitLinear(KernelEmitter &emitter, LinearOp op);
void emitLayerNorm(KernelEmitter &emitter, LayerNormOp op);
/// The mean over the tokens of `input`, times `factor` N; `result` is its
/// tensor.
void emitTokenSum(KernelEmitter &emitter, Operation *op, Value input,
                  Value result, double factor);
LogicalResult emitElementwise(KernelEmitter &emitter, Operation *op);

/// Copies weight matrices into the panels that `bfly.tile_product` streams:
/// packed[..., n floordiv w, k, n mod w] = weights[..., n, k] if `transpose`
/// (x W^T), else weights[..., k, n] (x W). `weights` has rank 2 to 4 with the
/// matrix last; the rest leads.
Value packPanels(NestBuilder &nest, Value weights, bool transpose,
                 int64_t width);
/// The panel width for a plan: two vectors, so that a broadcast serves both.
int64_t getPanelWidth(PlanAttr plan);

} // namespace mlir::bfly

#endif // BFLY_LIB_CONVERSION_SCHEDULETOAFFINE_KERNELEMITTER_H
