// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// -bfly-lower-checks: a failed assertion is an error of the call.
//
// Before: `cf.assert` in blocks that may be cut in two, no structured control
// flow around it but OpenMP's. After: none; what fails calls the runtime, which
// takes the thread out of compiled code.

#include "bfly/Transforms/Passes.h"

#include "mlir/Dialect/ControlFlow/IR/ControlFlowOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/SymbolTable.h"

namespace mlir::bfly {
#define GEN_PASS_DEF_LOWERCHECKSPASS
#include "bfly/Transforms/Passes.h.inc"
} // namespace mlir::bfly

using namespace mlir;
using namespace mlir::bfly;

namespace {

constexpr StringLiteral kFail("bflyRuntimeFail");

/// The messages of a module, each once.
class Messages {
public:
  explicit Messages(ModuleOp module) : module(module), symbols(module) {}

  LLVM::GlobalOp get(StringRef text, Location loc) {
    LLVM::GlobalOp &global = globals[text];
    if (global)
      return global;
    OpBuilder builder(module.getBodyRegion());
    std::string bytes = text.str() + '\0';
    auto type = LLVM::LLVMArrayType::get(builder.getI8Type(), bytes.size());
    global = LLVM::GlobalOp::create(builder, loc, type, /*isConstant=*/true,
                                    LLVM::Linkage::Internal, "bfly_check_0",
                                    builder.getStringAttr(bytes));
    symbols.insert(global);
    return global;
  }

private:
  ModuleOp module;
  SymbolTable symbols;
  llvm::StringMap<LLVM::GlobalOp> globals;
};

void lower(cf::AssertOp op, LLVM::GlobalOp message) {
  OpBuilder builder(op);
  Block *block = op->getBlock();
  Block *rest = block->splitBlock(op);
  Block *failed = new Block();
  block->getParent()->push_back(failed);
  builder.setInsertionPointToEnd(block);
  cf::CondBranchOp::create(builder, op.getLoc(), op.getArg(), rest,
                           ValueRange(), failed, ValueRange());
  builder.setInsertionPointToStart(failed);
  Value text = LLVM::AddressOfOp::create(builder, op.getLoc(), message);
  LLVM::CallOp::create(builder, op.getLoc(), TypeRange(), kFail, text);
  LLVM::UnreachableOp::create(builder, op.getLoc());
  op.erase();
}

struct LowerChecksPass
    : public bfly::impl::LowerChecksPassBase<LowerChecksPass> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    SmallVector<cf::AssertOp> all;
    module.walk([&](cf::AssertOp op) { all.push_back(op); });
    if (all.empty())
      return;
    if (!module.lookupSymbol(kFail)) {
      OpBuilder builder(module.getBodyRegion());
      auto type = LLVM::LLVMFunctionType::get(
          LLVM::LLVMVoidType::get(&getContext()),
          LLVM::LLVMPointerType::get(&getContext()));
      LLVM::LLVMFuncOp::create(builder, module.getLoc(), kFail, type);
    }
    Messages messages(module);
    for (cf::AssertOp op : all)
      lower(op, messages.get(op.getMsg(), op.getLoc()));
  }
};

} // namespace
