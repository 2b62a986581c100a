// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// -bfly-expand-scopes: a GPU's blocks and threads on a CPU.
//
// Before: `bfly.grid` and `bfly.threads`, their affine loops lowered to scf.
// After: none is left. The outermost are parallel loops, those in them serial
// ones: what waits at a barrier has been done when the loop before ends.

#include "bfly/Transforms/Passes.h"

#include "bfly/IR/Bfly.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

namespace mlir::bfly {
#define GEN_PASS_DEF_EXPANDSCOPESPASS
#include "bfly/Transforms/Passes.h.inc"
} // namespace mlir::bfly

using namespace mlir;
using namespace mlir::bfly;

template <typename OpTy> static LogicalResult expand(OpTy scope) {
  // Numbers of loops of scf are neither dimensions nor symbols.
  for (Value number : scope.getNumbers())
    for (Operation *user : number.getUsers())
      if (isa<affine::AffineDialect>(user->getDialect()))
        return user->emitOpError("is in a bfly.grid or bfly.threads: "
                                 "-lower-affine has to be run first");
  OpBuilder builder(scope);
  Location loc = scope.getLoc();
  SmallVector<Value> sizes =
      getValueOrCreateConstantIndexOp(builder, loc, scope.getMixedSizes());
  SmallVector<Value> begins(sizes.size(),
                            arith::ConstantIndexOp::create(builder, loc, 0)),
      steps(sizes.size(), arith::ConstantIndexOp::create(builder, loc, 1));
  SmallVector<Value> numbers;
  Block *target;
  if (scope->template getParentOfType<GridOp>() ||
      scope->template getParentOfType<scf::ParallelOp>()) {
    scf::LoopNest nest = scf::buildLoopNest(builder, loc, begins, sizes, steps);
    for (scf::ForOp loop : nest.loops)
      numbers.push_back(loop.getInductionVar());
    target = nest.loops.back().getBody();
  } else {
    auto loop = scf::ParallelOp::create(builder, loc, begins, sizes, steps);
    llvm::append_range(numbers, loop.getInductionVars());
    target = loop.getBody();
  }
  for (auto [from, to] : llvm::zip_equal(scope.getNumbers(), numbers))
    from.replaceAllUsesWith(to);
  Block &body = scope.getBody().front();
  body.getTerminator()->erase();
  target->getOperations().splice(target->getTerminator()->getIterator(),
                                 body.getOperations());
  scope.erase();
  return success();
}

namespace {

struct ExpandScopesPass
    : public bfly::impl::ExpandScopesPassBase<ExpandScopesPass> {
  void runOnOperation() override {
    WalkResult walk = getOperation()->walk([](Operation *op) -> WalkResult {
      if (auto grid = dyn_cast<GridOp>(op))
        return expand(grid);
      if (auto threads = dyn_cast<ThreadsOp>(op))
        return expand(threads);
      return WalkResult::advance();
    });
    if (walk.wasInterrupted())
      signalPassFailure();
  }
};

} // namespace
