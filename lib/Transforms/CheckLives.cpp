// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "CheckLives.h"

#include "mlir/Dialect/Bufferization/Transforms/BufferViewFlowAnalysis.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

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

LogicalResult mlir::bfly::checkLives(func::FuncOp function) {
  BufferViewFlowAnalysis views(function);
  auto refuse = [](Operation *op, const Twine &why) {
    return op->emitError("'") << op->getName() << "' " << why
                              << "; --allow-foreign-calls runs it unchecked";
  };
  auto readOnly = [&](Value memory, const Twine &what) -> LogicalResult {
    for (Value view : views.resolve(memory))
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
      for (Value view : views.resolve(alloca))
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
    for (Value view : views.resolve(alloc)) {
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
