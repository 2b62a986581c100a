// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Large functions in parts.
//
// Before: affine level, lowered to scf.
// After: in a function that had more than a number of loops one after the
// other, each of them is a call of a private function that holds it.

#include "bfly/Transforms/Passes.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Interfaces/LoopLikeInterface.h"
#include "mlir/Transforms/RegionUtils.h"

namespace mlir::bfly {
#define GEN_PASS_DEF_OUTLINELOOPSPASS
#include "bfly/Transforms/Passes.h.inc"
} // namespace mlir::bfly

using namespace mlir;
using namespace mlir::bfly;

namespace {

/// Moves a loop into a function of its own.
void outline(Operation *loop, StringRef name, SymbolTable &symbols) {
  SetVector<Value> outside;
  getUsedValuesDefinedAbove(loop->getRegions(), outside);
  outside.insert(loop->operand_begin(), loop->operand_end());
  SmallVector<Value> operands;
  SmallVector<Operation *> constants;
  for (Value value : outside) {
    Operation *def = value.getDefiningOp();
    if (def && def->hasTrait<OpTrait::ConstantLike>())
      constants.push_back(def);
    else
      operands.push_back(value);
  }
  OpBuilder builder(loop);
  Location loc = loop->getLoc();
  auto function = func::FuncOp::create(
      loc, name,
      builder.getFunctionType(ValueRange(operands).getTypes(), TypeRange()));
  function.setPrivate();
  Block *body = function.addEntryBlock();
  IRMapping mapping;
  mapping.map(operands, body->getArguments());
  builder.setInsertionPointToStart(body);
  for (Operation *constant : constants)
    builder.clone(*constant, mapping);
  builder.clone(*loop, mapping);
  func::ReturnOp::create(builder, loc);
  symbols.insert(function);
  builder.setInsertionPoint(loop);
  func::CallOp::create(builder, loc, function, operands);
  loop->erase();
}

struct OutlineLoopsPass
    : public bfly::impl::OutlineLoopsPassBase<OutlineLoopsPass> {
  using OutlineLoopsPassBase::OutlineLoopsPassBase;

  void runOnOperation() override {
    SymbolTable symbols(getOperation());
    for (auto function :
         llvm::to_vector(getOperation().getOps<func::FuncOp>())) {
      SmallVector<Operation *> loops;
      for (Block &block : function.getBody())
        for (Operation &op : block)
          if (isa<LoopLikeOpInterface>(op) && op.getNumResults() == 0)
            loops.push_back(&op);
      if (static_cast<int64_t>(loops.size()) <= maxLoops)
        continue;
      std::string name = (function.getName() + "_loops").str();
      for (Operation *loop : loops)
        outline(loop, name, symbols);
    }
  }
};

} // namespace
