// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Frees what bufferization allocated.
//
// Before: functions on buffers; allocations in entry blocks may have no end.
// After: each of them is freed after its last use, unless it leaves the
// function, and so is each in a block of scf, which none leaves.

#include "bfly/Transforms/Passes.h"

#include "mlir/Dialect/Bufferization/Transforms/BufferViewFlowAnalysis.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

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
    BufferViewFlowAnalysis views(function);
    SmallVector<memref::AllocOp> allocs;
    Region &body = function.getFunctionBody();
    llvm::append_range(allocs, body.front().getOps<memref::AllocOp>());
    body.walk([&](memref::AllocOp alloc) {
      if (isa<scf::SCFDialect>(alloc->getParentOp()->getDialect()))
        allocs.push_back(alloc);
    });
    for (memref::AllocOp alloc : allocs)
      if (failed(free(alloc, views)))
        return signalPassFailure();
  }

  LogicalResult free(memref::AllocOp alloc,
                     const BufferViewFlowAnalysis &views) {
    Block &block = *alloc->getBlock();
    bool isNested = !isa<FunctionOpInterface>(block.getParentOp());
    Operation *last = alloc;
    for (Value view : views.resolve(alloc.getResult())) {
      // Yielded, or what a loop around carries.
      bool leaves = !block.getParent()->isAncestor(view.getParentRegion());
      for (Operation *user : view.getUsers()) {
        Operation *ancestor = block.findAncestorOpInBlock(*user);
        if (isa<memref::DeallocOp>(user))
          return success();
        leaves |= ancestor && ancestor->hasTrait<OpTrait::ReturnLike>();
        if (ancestor && last->isBeforeInBlock(ancestor))
          last = ancestor;
      }
      if (leaves && isNested)
        return alloc.emitOpError(
            "is of a buffer that leaves the loop or branch "
            "that it is allocated in");
      if (leaves)
        return success();
    }
    OpBuilder builder(alloc.getContext());
    builder.setInsertionPointAfter(last);
    memref::DeallocOp::create(builder, alloc.getLoc(), alloc);
    return success();
  }
};

} // namespace
