// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Sizes that MLIR accepts and no machine has.

#ifndef BFLY_LIB_ENGINE_SIZEGUARD_H
#define BFLY_LIB_ENGINE_SIZEGUARD_H

#include "mlir/IR/BuiltinOps.h"
#include "llvm/Support/Error.h"

namespace mlir::bfly {

/// An error at the first operation with a tensor, memref or vector whose bytes
/// do not fit in 63 bits, or with a constant that is too large to write out.
llvm::Error checkSizes(ModuleOp module);

/// An error at the first operation with a tensor or memref that the memory of
/// this machine, `available` bytes of it, cannot hold.
llvm::Error checkMemory(ModuleOp module, uint64_t available);

} // namespace mlir::bfly

#endif // BFLY_LIB_ENGINE_SIZEGUARD_H
