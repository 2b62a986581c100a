// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// What a module must not hold unless its user allows it, and what compiled code
// may call.

#ifndef BFLY_LIB_ENGINE_FOREIGNCODE_H
#define BFLY_LIB_ENGINE_FOREIGNCODE_H

#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Support/Error.h"

namespace mlir::bfly {

/// An error at the first thing in a source module that is, or leads to, code
/// from outside: a declaration, inline assembly, a constructor.
llvm::Error checkNoForeignCode(ModuleOp source);

/// An error at the first function of a lowered module that compiled code would
/// call and that is neither of the runtime nor of the mathematical library (with
/// foreign calls allowed: that is nowhere in this process), or at a stack allocation that no stack holds.
llvm::Error checkLowered(ModuleOp lowered, bool allowForeignCalls);

/// The runtime's functions by name.
const llvm::StringMap<void *> &runtimeSymbols();

} // namespace mlir::bfly

#endif // BFLY_LIB_ENGINE_FOREIGNCODE_H
