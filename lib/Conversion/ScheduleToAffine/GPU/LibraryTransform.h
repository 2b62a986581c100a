// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Transforms that a library does, with the kernels around them.

#ifndef BFLY_LIB_CONVERSION_SCHEDULETOAFFINE_GPU_LIBRARYTRANSFORM_H
#define BFLY_LIB_CONVERSION_SCHEDULETOAFFINE_GPU_LIBRARYTRANSFORM_H

#include "bfly/IR/Bfly.h"
#include "mlir/IR/Builders.h"

namespace mlir::bfly {

/// What `op`, the fft or ifft that is all of `kernel`, makes of the buffer
/// `source` goes to `target`. The builder stands where the kernel does.
void emitLibraryTransform(OpBuilder &builder, KernelOp kernel, Operation *op,
                          Value source, Value target);

} // namespace mlir::bfly

#endif // BFLY_LIB_CONVERSION_SCHEDULETOAFFINE_GPU_LIBRARYTRANSFORM_H
