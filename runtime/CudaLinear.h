// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#ifndef BFLY_RUNTIME_CUDALINEAR_H
#define BFLY_RUNTIME_CUDALINEAR_H

#include "CudaState.h"

namespace bfly::cuda {

struct LinearShape {
  int64_t rows, in, out;
  int32_t dtype; ///< 1 f32, 2 bf16, 3 f16
  bool relu;
};

/// bflyCudaLinear in the device's context, which is current.
bool linear(Device &device, Stream stream, const LinearShape &shape,
            const void *x, const void *weight, const void *bias, void *y);

struct RowProductShape {
  int64_t rows, out, in, heads;
  int32_t dtype, resultType; ///< as above
};

/// bflyCudaRowProduct in the device's context, which is current.
bool rowProduct(Device &device, Stream stream, const RowProductShape &shape,
                const void *a, const void *b, void *y);

} // namespace bfly::cuda

#endif // BFLY_RUNTIME_CUDALINEAR_H
