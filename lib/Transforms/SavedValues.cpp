// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// What a backward function need not compute again, because its forward function
// returns it.

#include "SavedValues.h"

#include "bfly/IR/Bfly.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

using namespace mlir;
using namespace mlir::bfly;

/// Whether an operation's result is worth its memory: mixers, their stages and
/// products. A state of attention is saved as it is stored, after the rounding.
static bool isWorthSaving(Operation *op) {
  if (auto truncate = dyn_cast<arith::TruncFOp>(op)) {
    Operation *def = truncate.getIn().getDefiningOp();
    return def && isa<AttentionStageOp>(def);
  }
  return isa<AttentionStageOp, ButterflyAttentionOp, SpectralFilterOp, LinearOp,
             HadamardOp>(op);
}

/// Calls back with every operand of an operation and of what is in its regions
/// that is made in `block`.
static void forEachOperand(Operation *op, Block &block,
                           function_ref<void(Value)> call) {
  op->walk([&](Operation *inner) {
    for (Value operand : inner->getOperands())
      if (operand.getParentBlock() == &block)
        call(operand);
  });
}

namespace {

/// Splits the values of a block into the forward's and what depends on the
/// given gradients.
class ForwardValues {
public:
  ForwardValues(Block &block, ArrayRef<BlockArgument> given) : block(block) {
    ofGradients.insert(given.begin(), given.end());
    for (Operation &op : block.without_terminator()) {
      bool depends = false;
      forEachOperand(&op, block, [&](Value operand) {
        depends |= ofGradients.contains(operand);
      });
      if (!depends)
        continue;
      ofGradients.insert(op.result_begin(), op.result_end());
      backward.push_back(&op);
    }
  }

  /// What is saved of what `returned` and the operations on gradients read, in
  /// the order it is made in.
  SmallVector<Value> findSaved(ValueRange returned) {
    for (Operation *op : backward)
      forEachOperand(op, block, [&](Value operand) { need(operand); });
    for (Value value : returned)
      need(value);
    llvm::sort(saved, [](Value a, Value b) {
      auto first = cast<OpResult>(a), second = cast<OpResult>(b);
      if (first.getOwner() == second.getOwner())
        return first.getResultNumber() < second.getResultNumber();
      return first.getOwner()->isBeforeInBlock(second.getOwner());
    });
    return saved;
  }

private:
  void need(Value value) {
    if (ofGradients.contains(value) || !seen.insert(value).second)
      return;
    Operation *op = value.getDefiningOp();
    if (!op)
      return;
    if (isWorthSaving(op))
      return saved.push_back(value);
    forEachOperand(op, block, [&](Value operand) { need(operand); });
  }

  Block &block;
  llvm::DenseSet<Value> ofGradients, seen;
  SmallVector<Operation *> backward;
  SmallVector<Value> saved;
};

} // namespace

void mlir::bfly::eraseDeadOps(Block &block) {
  for (Operation &op : llvm::make_early_inc_range(llvm::reverse(block)))
    if (isOpTriviallyDead(&op))
      op.erase();
}

func::FuncOp mlir::bfly::saveForward(func::FuncOp backward,
                                     ArrayRef<BlockArgument> given,
                                     ValueRange results) {
  Block &body = backward.front();
  SmallVector<Value> saved =
      ForwardValues(body, given).findSaved(body.getTerminator()->getOperands());

  OpBuilder builder(backward);
  IRMapping mapping;
  auto forward = cast<func::FuncOp>(builder.clone(*backward, mapping));
  Block &forwardBody = forward.front();
  SmallVector<Value> returned;
  for (Value value : results)
    returned.push_back(mapping.lookup(value));
  for (Value value : saved)
    returned.push_back(mapping.lookup(value));
  forwardBody.getTerminator()->setOperands(returned);
  eraseDeadOps(forwardBody);
  for (BlockArgument argument : given)
    forwardBody.eraseArgument(
        cast<BlockArgument>(mapping.lookup(argument)).getArgNumber());
  forward.setFunctionType(builder.getFunctionType(
      forwardBody.getArgumentTypes(), TypeRange(ValueRange(returned))));
  forward.removeResAttrsAttr();

  for (Value value : saved)
    value.replaceAllUsesWith(body.addArgument(value.getType(), value.getLoc()));
  return forward;
}
