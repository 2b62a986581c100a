// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// -bfly-use-device-memory: temporaries of a GPU's program.
//
// Before: llvm dialect with launches lowered; memory comes from malloc. After:
// it comes from the runtime's bflyCudaMalloc and goes to bflyCudaRelease.

#include "bfly/Transforms/Passes.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/SymbolTable.h"

namespace mlir::bfly {
#define GEN_PASS_DEF_USEDEVICEMEMORYPASS
#include "bfly/Transforms/Passes.h.inc"
} // namespace mlir::bfly

using namespace mlir;
using namespace mlir::bfly;

namespace {

struct UseDeviceMemoryPass
    : public bfly::impl::UseDeviceMemoryPassBase<UseDeviceMemoryPass> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    SymbolTable symbols(module);
    for (auto [host, device] : {std::pair("malloc", "bflyCudaMalloc"),
                                std::pair("free", "bflyCudaRelease")}) {
      auto function = symbols.lookup<LLVM::LLVMFuncOp>(host);
      if (function && failed(symbols.rename(function, device)))
        return signalPassFailure();
    }
  }
};

} // namespace
