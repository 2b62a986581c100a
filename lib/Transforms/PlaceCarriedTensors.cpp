// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Before: loops and branches of scf that carry tensors, whatever they yield.
// After: what a loop yields is in the place of what it carries, and what both
// sides of a branch yield is in one place that is allocated before it, so that
// bufferization allocates nothing that outlives an iteration. Other operations
// with regions that take or make tensors were an error.

#include "bfly/Transforms/Passes.h"

#include "bfly/Analysis/Sizes.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "llvm/ADT/TypeSwitch.h"

namespace mlir::bfly {
#define GEN_PASS_DEF_PLACECARRIEDTENSORSPASS
#include "bfly/Transforms/Passes.h.inc"
} // namespace mlir::bfly

using namespace mlir;
using namespace mlir::bfly;

namespace {

bool isDynamic(Type type) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  return tensor && !tensor.hasStaticShape();
}

struct PlaceCarriedTensorsPass
    : public bfly::impl::PlaceCarriedTensorsPassBase<PlaceCarriedTensorsPass> {
  void runOnOperation() override {
    func::FuncOp function = getOperation();
    if (function.isExternal())
      return;
    // Nothing below changes the size of a value.
    sizes.emplace(function.getBody().front());
    if (failed(checkSizes()))
      return signalPassFailure();
    WalkResult result = function->walk([&](Operation *op) {
      return WalkResult(
          TypeSwitch<Operation *, LogicalResult>(op)
              .Case([&](scf::ForOp loop) {
                place(loop.getBody()->getTerminator(), 0,
                      loop.getRegionIterArgs());
                return success();
              })
              .Case([&](scf::WhileOp loop) { return placeWhile(loop); })
              .Case([&](scf::IfOp branch) { return placeBranch(branch); })
              .Case<scf::ForallOp, scf::ParallelOp, scf::IndexSwitchOp,
                    scf::ExecuteRegionOp, affine::AffineForOp,
                    affine::AffineIfOp, affine::AffineParallelOp>(
                  [&](Operation *other) { return refuseTensors(other); })
              .Default(success()));
    });
    if (result.wasInterrupted())
      signalPassFailure();
  }

  /// That every place keeps its size, for all arguments or for those that pass
  /// the check before a call.
  LogicalResult checkSizes() {
    bool carries = false;
    getOperation()->walk([&](Operation *op) {
      carries |= isa<scf::ForOp, scf::WhileOp, scf::IfOp>(op) &&
                 llvm::any_of(op->getResultTypes(), isDynamic);
    });
    SmallVector<SizeCheck> checks;
    return success(!carries || succeeded(sizes->findChecks(checks)));
  }

  /// Copies the operands of a terminator, from `first` on, into `places`.
  static void place(Operation *terminator, unsigned first, ValueRange places) {
    OpBuilder builder(terminator);
    SmallVector<std::pair<OpOperand *, Value>> moves;
    for (auto [index, destination] : llvm::enumerate(places)) {
      OpOperand &operand = terminator->getOpOperand(first + index);
      if (isa<RankedTensorType>(operand.get().getType()) &&
          operand.get() != destination)
        moves.push_back({&operand, destination});
    }
    // Of several, one may be in the place of another: all are read before any
    // is written.
    if (moves.size() > 1)
      for (auto [operand, destination] : moves)
        operand->set(bufferization::AllocTensorOp::create(
            builder, terminator->getLoc(),
            cast<RankedTensorType>(operand->get().getType()), ValueRange(),
            operand->get()));
    for (auto [operand, destination] : moves)
      operand->set(linalg::CopyOp::create(builder, terminator->getLoc(),
                                          operand->get(), destination)
                       ->getResult(0));
  }

  static LogicalResult placeWhile(scf::WhileOp loop) {
    bool hasTensors = llvm::any_of(loop->getOperandTypes(), [](Type type) {
      return isa<TensorType>(type);
    });
    hasTensors |= llvm::any_of(loop->getResultTypes(),
                               [](Type type) { return isa<TensorType>(type); });
    if (!hasTensors)
      return success();
    if (loop->getOperandTypes() != loop->getResultTypes())
      return loop.emitOpError("carries tensors, and what it takes and what it "
                              "gives have different types: let the condition "
                              "pass on all that is carried, in its order");
    place(loop.getConditionOp(), 1, loop.getBeforeArguments());
    place(loop.getYieldOp(), 0, loop.getAfterArguments());
    return success();
  }

  LogicalResult placeBranch(scf::IfOp branch) {
    if (branch.elseBlock() == nullptr)
      return success();
    OpBuilder builder(branch);
    SmallVector<Value> places;
    for (auto [result, ofThen] :
         llvm::zip(branch.getResults(), branch.thenYield().getOperands())) {
      auto type = dyn_cast<RankedTensorType>(result.getType());
      if (!type) {
        places.push_back(ofThen);
        continue;
      }
      FailureOr<SmallVector<Value>> dynamic =
          makeDynamicSizes(builder, result, *sizes,
                           [](BlockArgument argument) { return argument; });
      if (failed(dynamic))
        return failure();
      places.push_back(bufferization::AllocTensorOp::create(
          builder, branch.getLoc(), type, *dynamic));
    }
    for (scf::YieldOp yield : {branch.thenYield(), branch.elseYield()}) {
      OpBuilder inside(yield);
      for (auto [operand, destination] :
           llvm::zip(yield->getOpOperands(), places))
        if (isa<RankedTensorType>(operand.get().getType()))
          operand.set(linalg::CopyOp::create(inside, yield.getLoc(),
                                             operand.get(), destination)
                          ->getResult(0));
    }
    return success();
  }

  static LogicalResult refuseTensors(Operation *op) {
    auto isTensor = [](Type type) { return isa<TensorType>(type); };
    if (llvm::none_of(op->getOperandTypes(), isTensor) &&
        llvm::none_of(op->getResultTypes(), isTensor))
      return success();
    return op->emitOpError(
        "cannot carry tensors: write scf.for, scf.while or scf.if");
  }

  std::optional<SizeInference> sizes;
};

} // namespace
