// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// What stands outside of a program's kernels: parallel loops, and constants
// that something reads in memory. A GPU does neither but in a kernel.

#ifndef BFLY_LIB_CONVERSION_AFFINETOGPU_LOOSELOOPS_H
#define BFLY_LIB_CONVERSION_AFFINETOGPU_LOOSELOOPS_H

#include "bfly/IR/Machine.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

namespace mlir::bfly {

/// Puts a parallel loop that stands alone into a kernel: threads of the whole
/// grid take its iterations.
LogicalResult wrapInKernel(scf::ParallelOp loop, const Machine &machine);

/// Constants that no kernel reads as they are, but a library or a view, are
/// copied to memory of the GPU: those of the host are none of its business.
void copyConstants(func::FuncOp function, const Machine &machine);

} // namespace mlir::bfly

#endif // BFLY_LIB_CONVERSION_AFFINETOGPU_LOOSELOOPS_H
