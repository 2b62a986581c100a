// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// What the host has libraries do on a GPU, through the runtime.

#ifndef BFLY_LIB_CONVERSION_AFFINETOGPU_LIBRARYCALLS_H
#define BFLY_LIB_CONVERSION_AFFINETOGPU_LIBRARYCALLS_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

namespace mlir::bfly {

/// The declaration of a function of the runtime, made where there is none yet.
LLVM::LLVMFuncOp declareRuntime(ModuleOp module, StringRef function,
                                Type result, ArrayRef<Type> arguments);

/// Calls take the place of a function's `bfly.library_transform` and
/// `bfly.library_product`.
void callLibraries(func::FuncOp function);

} // namespace mlir::bfly

#endif // BFLY_LIB_CONVERSION_AFFINETOGPU_LIBRARYCALLS_H
