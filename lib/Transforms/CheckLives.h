// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Memory that is used when it is not there, for -bfly-check-bounds.

#ifndef BFLY_LIB_TRANSFORMS_CHECKLIVES_H
#define BFLY_LIB_TRANSFORMS_CHECKLIVES_H

#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace mlir::bfly {

/// Reports memory that ends too early, is freed by who does not own it, or is
/// written to although it is an input or a constant.
LogicalResult checkLives(func::FuncOp function);

} // namespace mlir::bfly

#endif // BFLY_LIB_TRANSFORMS_CHECKLIVES_H
