// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Tensors to buffers, by upstream's one-shot bufferization.
//
// Before: kernels on buffers, with other operations on tensors between them.
// After: no tensors. Arguments and results of functions are row-major buffers.

#include "bfly/Transforms/Passes.h"

#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/Bufferization/Transforms/OneShotAnalysis.h"
#include "mlir/Dialect/Bufferization/Transforms/OneShotModuleBufferize.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"

namespace mlir::bfly {
#define GEN_PASS_DEF_BUFFERIZEPASS
#include "bfly/Transforms/Passes.h.inc"
} // namespace mlir::bfly

using namespace mlir;
using namespace mlir::bfly;

namespace {

/// Operations whose results may or may not be computed in place.
bool isDecision(Operation *op) {
  return llvm::any_of(op->getResultTypes(), llvm::IsaPred<TensorType>) &&
         !op->hasTrait<OpTrait::ConstantLike>() &&
         !isa<bufferization::ToTensorOp>(op);
}

struct BufferizePass : public bfly::impl::BufferizePassBase<BufferizePass> {
  using BufferizePassBase::BufferizePassBase;

  void runOnOperation() override {
    bufferization::OneShotBufferizationOptions options;
    options.bufferizeFunctionBoundaries = true;
    options.setFunctionBoundaryTypeConversion(
        bufferization::LayoutMapOption::IdentityLayoutMap);
    int64_t decisions = 0;
    getOperation().walk([&](Operation *op) { decisions += isDecision(op); });
    options.copyBeforeWrite = decisions > maxAnalyzed;
    bufferization::BufferizationState state;
    if (failed(bufferization::runOneShotModuleBufferize(getOperation(), options,
                                                        state)))
      signalPassFailure();
  }
};

} // namespace
