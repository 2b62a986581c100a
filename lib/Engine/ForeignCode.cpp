// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "ForeignCode.h"

#include "Diagnostics.h"
#include "bfly/Engine/FileIO.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/IR/Matchers.h"
#include "mlir/Interfaces/FunctionInterfaces.h"

#include <dlfcn.h>

using namespace mlir;
using namespace mlir::bfly;
using llvm::Twine;

/// A frame larger than this does not fit on the stacks of OpenMP's threads.
static constexpr uint64_t kMaxStackBytes = uint64_t(1) << 20;

/// Inline assembly, machine code, and code that runs when the module is loaded,
/// at any level. A lowered module has the kernels that bfly compiled.
static llvm::Error checkCode(ModuleOp module, bool allowKernels) {
  Operation *found = nullptr;
  module->walk([&](Operation *op) {
    StringRef name = op->getName().getStringRef();
    if (isa<LLVM::InlineAsmOp>(op) || name == "nvvm.inline_ptx" ||
        (name == "gpu.binary" && !allowKernels)) {
      found = op;
      return WalkResult::interrupt();
    }
    auto ctors = dyn_cast<LLVM::GlobalCtorsOp>(op);
    auto dtors = dyn_cast<LLVM::GlobalDtorsOp>(op);
    if ((ctors && !ctors.getCtors().empty()) ||
        (dtors && !dtors.getDtors().empty())) {
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

llvm::Error mlir::bfly::checkNoForeignCode(ModuleOp source) {
  if (llvm::Error error = checkCode(source, /*allowKernels=*/false))
    return error;
  for (Operation &op : source.getOps()) {
    auto function = dyn_cast<FunctionOpInterface>(op);
    auto global = dyn_cast<memref::GlobalOp>(op);
    if ((function && function.isExternal()) || (global && global.isExternal()))
      return makeCompileError(op.getLoc(),
                              "foreign symbol '" +
                                  cast<SymbolOpInterface>(op).getName() +
                                  "' is used, which is not allowed");
  }
  return llvm::Error::success();
}

static bool isKnownFunction(StringRef name) {
  return name.starts_with("llvm.") || name == "memcpy" || name == "memmove" ||
         name == "memset" || runtimeSymbols().contains(name);
}

llvm::Error mlir::bfly::checkLowered(ModuleOp lowered, bool allowForeignCalls) {
  if (!allowForeignCalls)
    if (llvm::Error error = checkCode(lowered, /*allowKernels=*/true))
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
  lowered->walk([&](LLVM::AllocaOp op) {
    APInt count;
    if (!matchPattern(op.getArraySize(), m_ConstantInt(&count)))
      return;
    uint64_t bytes = DataLayout::closest(op).getTypeSize(op.getElemType());
    if (count.ugt(kMaxStackBytes) ||
        count.getZExtValue() * bytes > kMaxStackBytes)
      large = op;
  });
  if (large)
    return makeCompileError(large->getLoc(),
                            "a stack allocation of more than " +
                                formatBytes(kMaxStackBytes));
  return llvm::Error::success();
}
