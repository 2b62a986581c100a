// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Converts one kernel: its tensors become buffers, its operations nests.

#ifndef BFLY_LIB_CONVERSION_SCHEDULETOAFFINE_KERNELEMITTER_H
#define BFLY_LIB_CONVERSION_SCHEDULETOAFFINE_KERNELEMITTER_H

#include "NestBuilder.h"
#include "bfly/Analysis/Sizes.h"
#include "bfly/Schedule/Plan.h"
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

  /// The part of the kernel's plan that is of a kind; null where it has none.
  template <typename Part> Part getPlan() { return source.getPlanPart<Part>(); }
  const Machine &getMachine() { return machine; }
  KernelOp getKernel() { return source; }
  /// Channels of a slab on a CPU, of transforms or without them.
  int64_t getSlabChannels() {
    if (auto transform = getPlan<CpuTransformAttr>())
      return transform.getChannels();
    return getPlan<CpuSlabsAttr>().getChannels();
  }
  /// Threads of a block; 0 on a CPU.
  int64_t getBlockThreads() {
    auto block = getPlan<GpuBlockAttr>();
    return block ? block.getThreads() : 0;
  }
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
  bool onGPU() { return machine.isGPU(); }

private:
  LogicalResult emit(Operation *op);
  LogicalResult verifyTemporaries();
  void copyOnGPU(Value buffer, Value target);

  OpBuilder &builder;
  KernelOp source;
  Machine machine;
  SizeInference inference;
  SmallVector<Value> results;
  IRMapping buffers;
  SmallVector<Value> temporaries;
  DenseMap<Value, Value> firstPasses;
};

} // namespace mlir::bfly

#endif // BFLY_LIB_CONVERSION_SCHEDULETOAFFINE_KERNELEMITTER_H
