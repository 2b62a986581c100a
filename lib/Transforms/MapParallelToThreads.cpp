// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// -bfly-map-parallel-to-threads: one level of parallel loops is threads.
//
// Before: `affine.parallel` loops in any nesting, none with reductions. After:
// no parallel loop is in another, or in a GPU's scope, which is one; the
// outermost ones of more than one iteration remain and are the threads'
// (`-lower-affine` makes them `scf.parallel`: until then their variables have
// to stay affine dimensions for the loads inside); the others are `affine.for`
// nests, and the stack memory of constant size in a thread's part is allocated
// once for it.

#include "bfly/Transforms/Passes.h"

#include "bfly/IR/Bfly.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

namespace mlir::bfly {
#define GEN_PASS_DEF_MAPPARALLELTOTHREADSPASS
#include "bfly/Transforms/Passes.h.inc"
} // namespace mlir::bfly

using namespace mlir;
using namespace mlir::bfly;
using namespace mlir::affine;

namespace {

bool hasOneIteration(AffineParallelOp op) {
  auto ranges = op.getConstantRanges();
  return ranges &&
         llvm::all_of(llvm::zip(*ranges, op.getSteps()), [](auto rangeStep) {
           auto [range, step] = rangeStep;
           return range > 0 && range <= step;
         });
}

/// A loop for each dimension, the first outermost.
void serialize(AffineParallelOp op) {
  OpBuilder builder(op);
  SmallVector<Value> ivs;
  for (unsigned i = 0, e = op.getNumDims(); i < e; ++i) {
    auto loop =
        AffineForOp::create(builder, op.getLoc(), op.getLowerBoundsOperands(),
                            op.getLowerBoundMap(i), op.getUpperBoundsOperands(),
                            op.getUpperBoundMap(i), op.getSteps()[i]);
    ivs.push_back(loop.getInductionVar());
    builder.setInsertionPointToStart(loop.getBody());
  }
  for (auto [from, to] : llvm::zip(op.getIVs(), ivs))
    from.replaceAllUsesWith(to);
  Block *target = builder.getInsertionBlock(), *body = op.getBody();
  body->getTerminator()->erase();
  target->getOperations().splice(builder.getInsertionPoint(),
                                 body->getOperations());
  op.erase();
}

/// Stack memory is only given back when a thread's part ends, so that an
/// allocation in a loop would pile up.
void hoistStackMemory(AffineParallelOp threads) {
  SmallVector<memref::AllocaOp> allocations;
  threads.walk([&](memref::AllocaOp op) {
    if (op->getNumOperands() == 0 && op->getBlock() != threads.getBody())
      allocations.push_back(op);
  });
  for (memref::AllocaOp op : llvm::reverse(allocations))
    op->moveBefore(threads.getBody(), threads.getBody()->begin());
}

struct MapParallelToThreadsPass
    : public bfly::impl::MapParallelToThreadsPassBase<
          MapParallelToThreadsPass> {
  using MapParallelToThreadsPassBase::MapParallelToThreadsPassBase;

  void runOnOperation() override {
    SmallVector<AffineParallelOp> threads, serial;
    WalkResult walk =
        getOperation()->walk<WalkOrder::PreOrder>([&](AffineParallelOp op) {
          if (op.getNumResults()) {
            op.emitError("a parallel loop with reductions cannot be mapped to "
                         "threads");
            return WalkResult::interrupt();
          }
          bool isNested = llvm::any_of(threads, [&](AffineParallelOp other) {
            return other->isProperAncestor(op);
          });
          isNested |= op->getParentOfType<scf::ParallelOp>() ||
                      op->getParentOfType<GridOp>() ||
                      op->getParentOfType<ThreadsOp>();
          (isNested || hasOneIteration(op) ? serial : threads).push_back(op);
          return WalkResult::advance();
        });
    if (walk.wasInterrupted())
      return signalPassFailure();
    for (AffineParallelOp op : serial)
      serialize(op);
    for (AffineParallelOp op : threads)
      hoistStackMemory(op);
  }
};

} // namespace
