// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Forward functions that return what their backward functions need.

#ifndef BFLY_LIB_TRANSFORMS_SAVEDVALUES_H
#define BFLY_LIB_TRANSFORMS_SAVEDVALUES_H

#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace mlir::bfly {

/// Makes the forward function of `backward`, before it and of its name. It
/// returns `results`, and then what is worth saving of the values that the
/// gradients are computed from; `backward`, whose terminator returns the
/// gradients and whose arguments `given` are those of the results, takes these
/// as arguments, after all others.
func::FuncOp saveForward(func::FuncOp backward, ArrayRef<BlockArgument> given,
                         ValueRange results);

/// Erases what nothing reads, the last operation first.
void eraseDeadOps(Block &block);

} // namespace mlir::bfly

#endif // BFLY_LIB_TRANSFORMS_SAVEDVALUES_H
