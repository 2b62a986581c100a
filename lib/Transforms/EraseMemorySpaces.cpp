// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// -bfly-erase-memory-spaces: a GPU's plan on a CPU.
//
// Before: affine level, memrefs in a GPU's memory spaces, and operations that
// take them in any space. After: no memref has a memory space, and buffers that
// had one are freed at the end of their block.

#include "bfly/Transforms/Passes.h"

#include "bfly/IR/Bfly.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/IR/AttrTypeSubElements.h"

namespace mlir::bfly {
#define GEN_PASS_DEF_ERASEMEMORYSPACESPASS
#include "bfly/Transforms/Passes.h.inc"
} // namespace mlir::bfly

using namespace mlir;
using namespace mlir::bfly;

namespace {

struct EraseMemorySpacesPass
    : public bfly::impl::EraseMemorySpacesPassBase<EraseMemorySpacesPass> {
  void runOnOperation() override {
    // A block has its memory until its unit of work ends, and nobody frees it.
    getOperation().walk([](memref::AllocOp op) {
      if (!op.getType().getMemorySpace())
        return;
      OpBuilder builder(op->getBlock()->getTerminator());
      memref::DeallocOp::create(builder, op.getLoc(), op);
    });
    AttrTypeReplacer replacer;
    replacer.addReplacement([](MemRefType type) -> std::optional<Type> {
      return MemRefType::get(type.getShape(), type.getElementType(),
                             type.getLayout());
    });
    replacer.recursivelyReplaceElementsIn(getOperation(),
                                          /*replaceAttrs=*/false,
                                          /*replaceLocs=*/false,
                                          /*replaceTypes=*/true);
  }
};

} // namespace
