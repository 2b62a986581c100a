// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Where the sign of a zero has no say.

#ifndef BFLY_LIB_TRANSFORMS_ZEROSIGNS_H
#define BFLY_LIB_TRANSFORMS_ZEROSIGNS_H

#include "mlir/IR/Operation.h"

namespace mlir::bfly {

/// Whether whoever reads `value`, a number, may tell 0 from -0: on the side of
/// a branch cut, or in a spectrum that another kernel reads.
bool signOfZeroMatters(Value value);

} // namespace mlir::bfly

#endif // BFLY_LIB_TRANSFORMS_ZEROSIGNS_H
