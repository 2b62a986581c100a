// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "ForeignCode.h"

#include "Diagnostics.h"
#include "bfly/Arrays/FileIO.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/IR/Matchers.h"
#include "mlir/Interfaces/FunctionInterfaces.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/IR/InstIterator.h"
#include "llvm/IR/Instructions.h"
#include "llvm/IR/Module.h"
#include "llvm/Support/MathExtras.h"

#include <dlfcn.h>

using namespace mlir;
using namespace mlir::bfly;
using llvm::Twine;

/// Frames larger than this do not fit on the stacks of OpenMP's threads. What
/// the compiler makes has next to none; what a text has, in all its functions,
/// may be in one of them at once.
static constexpr uint64_t kMaxStackBytes = uint64_t(1) << 20;

/// Inline assembly.
static llvm::Error checkCode(ModuleOp module) {
  Operation *found = nullptr;
  module->walk([&](Operation *op) {
    StringRef name = op->getName().getStringRef();
    if (isa<LLVM::InlineAsmOp>(op) || name == "nvvm.inline_ptx") {
      found = op;
      return WalkResult::interrupt();
    }
    return WalkResult::advance();
  });
  if (!found)
    return llvm::Error::success();
  return makeCompileError(found->getLoc(),
                          "'" + found->getName().getStringRef() +
                              "' runs foreign code, which is not allowed");
}

static bool isKnownFunction(StringRef name) {
  return name.starts_with("llvm.") || runtimeSymbols().contains(name);
}

llvm::Error mlir::bfly::checkNames(ModuleOp source) {
  for (Operation &op : source.getOps()) {
    auto function = dyn_cast<FunctionOpInterface>(op);
    if (function ? function.isExternal() : !isa<memref::GlobalOp>(op))
      continue;
    StringRef name = cast<SymbolOpInterface>(op).getName();
    if (isKnownFunction(name))
      return makeCompileError(
          op.getLoc(),
          "'" + op.getName().getStringRef() + "' op is named '" + name +
              "', as a function of " +
              (name.starts_with("llvm.") ? "LLVM's own" : "the runtime") +
              " that compiled code may call: give it another name");
  }
  return llvm::Error::success();
}

llvm::Error mlir::bfly::checkLowered(ModuleOp lowered, bool allowForeignCalls) {
  if (!allowForeignCalls)
    if (llvm::Error error = checkCode(lowered))
      return error;
  for (auto function : lowered.getOps<LLVM::LLVMFuncOp>()) {
    StringRef name = function.getName();
    if (!function.isExternal() || isKnownFunction(name) ||
        SymbolTable::symbolKnownUseEmpty(function, lowered))
      continue;
    if (!allowForeignCalls)
      return makeCompileError(function.getLoc(),
                              "foreign function '" + name +
                                  "' is called, which is not allowed");
    if (!dlsym(RTLD_DEFAULT, name.str().c_str()))
      return makeCompileError(function.getLoc(),
                              "foreign function '" + name +
                                  "' is not in this process");
  }
  Operation *large = nullptr;
  uint64_t all = 0;
  lowered->walk([&](LLVM::AllocaOp op) {
    APInt count;
    if (!matchPattern(op.getArraySize(), m_ConstantInt(&count)))
      return WalkResult::advance();
    uint64_t bytes = DataLayout::closest(op).getTypeSize(op.getElemType());
    all = llvm::SaturatingMultiplyAdd(count.getLimitedValue(), bytes, all);
    if (all <= kMaxStackBytes)
      return WalkResult::advance();
    large = op;
    return WalkResult::interrupt();
  });
  if (large)
    return makeCompileError(large->getLoc(), "stack allocations of more than " +
                                                 formatBytes(kMaxStackBytes) +
                                                 " in all");
  return llvm::Error::success();
}

std::string mlir::bfly::describeLowLevel(ModuleOp module) {
  StringRef level;
  for (Operation &op : module.getOps()) {
    if (isa<gpu::BinaryOp>(op))
      level = "binary";
    else if (auto kernels = dyn_cast<gpu::GPUModuleOp>(op))
      level = kernels.getOps<gpu::GPUFuncOp>().empty() ? "nvvm" : "gpu";
  }
  // Beside other functions, LLVM's are somebody's own.
  if (module.getOps<func::FuncOp>().empty() &&
      llvm::any_of(module.getOps<LLVM::LLVMFuncOp>(),
                   [](LLVM::LLVMFuncOp op) { return !op.isExternal(); }))
    level = "llvm";
  if (level.empty())
    return "";
  return ("this is IR of level " + level +
          "; only IR of the levels mixer, network, schedule and affine is "
          "compiled")
      .str();
}

/// An error that names what a module of LLVM's has and should not.
static llvm::Error refuse(const Twine &what) {
  return makeError("compiled code has " + what + ", which is not allowed");
}

llvm::Error mlir::bfly::checkTranslated(const llvm::Module &module) {
  if (!module.getModuleInlineAsm().empty())
    return refuse("assembly");
  if (!module.alias_empty() || !module.ifunc_empty())
    return refuse("aliases");
  for (const llvm::GlobalVariable &global : module.globals()) {
    if (global.isDeclaration() && !global.use_empty())
      return refuse("the foreign variable '" + global.getName() + "'");
    if (global.isThreadLocal() || global.isExternallyInitialized())
      return refuse("the variable '" + global.getName() +
                    "' of a thread or a loader");
  }
  for (const llvm::Function &function : module) {
    StringRef name = function.getName();
    if (function.isDeclaration()) {
      bool known = function.isIntrinsic() ? !name.starts_with("llvm.nvvm.")
                                          : runtimeSymbols().contains(name);
      if (!known && !function.use_empty())
        return refuse("a call of '" + name + "'");
      continue;
    }
    if (function.hasPersonalityFn() || function.hasFnAttribute("target-cpu") ||
        function.hasFnAttribute("target-features"))
      return refuse("the function '" + name + "' with attributes of a target");
    for (const llvm::BasicBlock &block : function)
      for (const llvm::Instruction &instruction : block)
        if (auto *call = dyn_cast<llvm::CallBase>(&instruction))
          if (call->isInlineAsm())
            return refuse("assembly");
  }
  return llvm::Error::success();
}

void mlir::bfly::freezeLoads(llvm::Module &module) {
  SmallVector<llvm::LoadInst *> loads;
  for (llvm::Function &function : module)
    for (llvm::Instruction &instruction : llvm::instructions(function))
      if (auto *load = dyn_cast<llvm::LoadInst>(&instruction))
        loads.push_back(load);
  for (llvm::LoadInst *load : loads) {
    auto *frozen =
        new llvm::FreezeInst(load, "", std::next(load->getIterator()));
    load->replaceUsesWithIf(
        frozen, [&](llvm::Use &use) { return use.getUser() != frozen; });
  }
}
