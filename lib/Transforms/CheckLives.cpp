// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "CheckLives.h"

#include "bfly/IR/Bfly.h"
#include "mlir/Dialect/Bufferization/Transforms/BufferViewFlowAnalysis.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Interfaces/LoopLikeInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;
using namespace mlir::bfly;

/// The attribute of arguments that are results.
static constexpr StringLiteral kResultAttr("bufferize.result");

/// Whether `op` may write to `view`, calls included.
static bool writes(Operation *op, Value view) {
  if (isa<func::CallOp>(op))
    return true;
  auto effects = dyn_cast<MemoryEffectOpInterface>(op);
  if (!effects)
    return false;
  SmallVector<MemoryEffects::EffectInstance> all;
  effects.getEffectsOnValue(view, all);
  return llvm::any_of(all, [](auto &effect) {
    return isa<MemoryEffects::Write>(effect.getEffect());
  });
}

/// Everything that `memory` may be seen through, in kernels too.
static SmallVector<Value> resolve(BufferViewFlowAnalysis &views, Value memory) {
  llvm::SetVector<Value> all;
  SmallVector<Value> rest{memory};
  while (!rest.empty()) {
    for (Value view : views.resolve(rest.pop_back_val())) {
      if (!all.insert(view))
        continue;
      for (OpOperand &use : view.getUses())
        if (auto kernel = dyn_cast<KernelOp>(use.getOwner()))
          rest.push_back(kernel.getBody().getArgument(use.getOperandNumber()));
    }
  }
  return all.takeVector();
}

/// Whether memory of the stack that `op` takes piles up: loops become branches,
/// which do not give it back at the end of an iteration.
static bool isInLoop(Operation *op, func::FuncOp function) {
  for (Operation *at = op; at != function; at = at->getParentOp())
    if (at->getBlock() != &at->getParentRegion()->front() ||
        isa<LoopLikeOpInterface>(at->getParentOp()))
      return true;
  return false;
}

LogicalResult mlir::bfly::checkLives(func::FuncOp function) {
  BufferViewFlowAnalysis views(function);
  auto refuse = [](Operation *op, const Twine &why) {
    return op->emitError("'") << op->getName() << "' " << why
                              << "; --allow-foreign-calls runs it unchecked";
  };
  auto readOnly = [&](Value memory, const Twine &what) -> LogicalResult {
    for (Value view : resolve(views, memory))
      for (Operation *user : view.getUsers())
        if (writes(user, view))
          return refuse(user, "writes to " + what);
    return success();
  };
  if (function.isPublic())
    for (BlockArgument argument : function.getArguments())
      if (isa<MemRefType>(argument.getType()) &&
          !function.getArgAttr(argument.getArgNumber(), kResultAttr) &&
          failed(readOnly(argument, "an input")))
        return failure();
  WalkResult walk = function.walk([&](Operation *op) -> WalkResult {
    if (auto global = dyn_cast<memref::GetGlobalOp>(op)) {
      auto symbol = SymbolTable::lookupNearestSymbolFrom<memref::GlobalOp>(
          op, global.getNameAttr());
      if (!symbol || symbol.getConstant())
        return readOnly(global, "a constant");
    }
    if (auto alloca = dyn_cast<memref::AllocaOp>(op)) {
      if (isInLoop(op, function))
        return refuse(op, "takes memory of the stack again and again");
      for (Value view : resolve(views, alloca))
        for (Operation *user : view.getUsers())
          if (user->hasTrait<OpTrait::IsTerminator>())
            return refuse(op, "leaves the block that its memory is of");
    }
    auto dealloc = dyn_cast<memref::DeallocOp>(op);
    if (!dealloc)
      return WalkResult::advance();
    auto alloc = dealloc.getMemref().getDefiningOp<memref::AllocOp>();
    if (!alloc || alloc->getBlock() != op->getBlock())
      return refuse(op, "frees what this block has not allocated");
    for (Value view : resolve(views, alloc)) {
      for (Operation *user : view.getUsers()) {
        Operation *ancestor = op->getBlock()->findAncestorOpInBlock(*user);
        if (user != op && (!ancestor || op->isBeforeInBlock(ancestor)))
          return refuse(user, "uses memory that was freed");
      }
    }
    return WalkResult::advance();
  });
  return failure(walk.wasInterrupted());
}
