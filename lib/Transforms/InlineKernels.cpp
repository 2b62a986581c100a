// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// -bfly-inline-kernels: a CPU launches nothing.
//
// Before: every `bfly.kernel` is at affine level, its operands buffers and
// scalars. After: there is no kernel, what it held is where it was.

#include "bfly/Transforms/Passes.h"

#include "bfly/IR/Bfly.h"

namespace mlir::bfly {
#define GEN_PASS_DEF_INLINEKERNELSPASS
#include "bfly/Transforms/Passes.h.inc"
} // namespace mlir::bfly

using namespace mlir;
using namespace mlir::bfly;

namespace {

LogicalResult inlineKernel(KernelOp kernel) {
  if (kernel->getNumResults() ||
      llvm::any_of(kernel.getInputs().getTypes(), llvm::IsaPred<TensorType>))
    return kernel.emitError("a kernel on tensors must be converted to affine "
                            "first");
  Block &body = kernel.getBody().front();
  for (auto [argument, input] :
       llvm::zip(body.getArguments(), kernel.getInputs()))
    argument.replaceAllUsesWith(input);
  body.getTerminator()->erase();
  kernel->getBlock()->getOperations().splice(kernel->getIterator(),
                                             body.getOperations());
  kernel.erase();
  return success();
}

struct InlineKernelsPass
    : public bfly::impl::InlineKernelsPassBase<InlineKernelsPass> {
  using InlineKernelsPassBase::InlineKernelsPassBase;

  void runOnOperation() override {
    WalkResult walk = getOperation()->walk([](KernelOp kernel) {
      return failed(inlineKernel(kernel)) ? WalkResult::interrupt()
                                          : WalkResult::skip();
    });
    if (walk.wasInterrupted())
      signalPassFailure();
  }
};

} // namespace
