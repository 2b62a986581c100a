// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// What a module must not hold unless its user allows it, and what compiled code
// may call.

#ifndef BFLY_LIB_ENGINE_FOREIGNCODE_H
#define BFLY_LIB_ENGINE_FOREIGNCODE_H

#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Support/Error.h"

namespace llvm {
class Module;
} // namespace llvm

namespace mlir::bfly {

/// An error at the first thing in a source module that is not known to be
/// harmless: an operation, an attribute or a type that is on no list of what is
/// allowed, or a symbol that is defined elsewhere.
llvm::Error checkNoForeignCode(ModuleOp source);

/// An error at the first function or global of a source that is named as a
/// function that compiled code calls, or as one of LLVM's own: its name would
/// lead there.
llvm::Error checkNames(ModuleOp source);

/// An error at the first function of a lowered module that compiled code would
/// call and that is neither of the runtime nor of the mathematical library
/// (with foreign calls allowed: that is nowhere in this process), or at a stack
/// allocation that no stack holds.
llvm::Error checkLowered(ModuleOp lowered, bool allowForeignCalls);

/// A second wall, below MLIR: an error if a module of LLVM's leads to anything
/// but its own functions and runtimeSymbols().
llvm::Error checkTranslated(const llvm::Module &module);

/// Gives what is read of the stack before it was written a value, any one, but
/// the same to all who use it: a check of an index and the access behind it.
/// All loads, as a buffer's descriptor hides where it points to. The heap needs
/// no such care: LLVM does not know that the runtime's memory is fresh.
void freezeLoads(llvm::Module &module);

/// Adds the mathematical library's functions.
void addMathSymbols(llvm::StringMap<void *> &symbols);

/// The functions that compiled code may call by name: the runtime's and the
/// mathematical library's.
const llvm::StringMap<void *> &runtimeSymbols();

/// What to say of a source of a level below affine; "" if it is of none. Its
/// functions do not say any more what they take, or call the runtime, which no
/// source may.
std::string describeLowLevel(ModuleOp module);

} // namespace mlir::bfly

#endif // BFLY_LIB_ENGINE_FOREIGNCODE_H
