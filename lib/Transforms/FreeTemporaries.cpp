// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Frees what bufferization allocated.
//
// Before: functions on buffers; allocations in entry blocks may have no end.
// After: each of them is freed after its last use, unless it leaves the
// function.

#include "bfly/Transforms/Passes.h"

#include "mlir/Dialect/Bufferization/Transforms/BufferViewFlowAnalysis.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"

namespace mlir::bfly {
#define GEN_PASS_DEF_FREETEMPORARIESPASS
#include "bfly/Transforms/Passes.h.inc"
} // namespace mlir::bfly

using namespace mlir;
using namespace mlir::bfly;

namespace {

struct FreeTemporariesPass
    : public bfly::impl::FreeTemporariesPassBase<FreeTemporariesPass> {
  void runOnOperation() override {
    FunctionOpInterface function = getOperation();
    if (function.isExternal())
      return;
    Block &entry = function.getFunctionBody().front();
    BufferViewFlowAnalysis views(function);
    for (auto alloc :
         llvm::make_early_inc_range(entry.getOps<memref::AllocOp>())) {
      Operation *last = alloc;
      bool leaves = false;
      for (Value view : views.resolve(alloc.getResult())) {
        for (Operation *user : view.getUsers()) {
          leaves |= isa<memref::DeallocOp>(user) ||
                    user->hasTrait<OpTrait::ReturnLike>();
          Operation *ancestor = entry.findAncestorOpInBlock(*user);
          if (ancestor && last->isBeforeInBlock(ancestor))
            last = ancestor;
        }
      }
      if (leaves)
        continue;
      OpBuilder builder(alloc.getContext());
      builder.setInsertionPointAfter(last);
      memref::DeallocOp::create(builder, alloc.getLoc(), alloc);
    }
  }
};

} // namespace
