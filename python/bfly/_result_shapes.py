# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The shapes of a kernel's results, which the compiled library works out from those of its arrays."""

import ctypes

from ._library import failure, library


def result_shapes(handle, infos, inputs_c, parameters_c):
    """A tuple for each result, for arrays as the C API has them. `infos` are the kernel's inputs, parameters and results,
    each a list of (name, shape, dtype, is a number). BflyError says which sizes do not fit."""
    inputs, parameters, results = infos
    buffers = [(ctypes.c_int64 * max(len(shape), 1))() for _, shape, _, _ in results]
    pointers = (ctypes.POINTER(ctypes.c_int64) * max(len(results), 1))(
        *(ctypes.cast(buffer, ctypes.POINTER(ctypes.c_int64)) for buffer in buffers)
    )
    if library().bfly_kernel_result_shapes(handle, inputs_c, len(inputs), parameters_c, len(parameters), pointers):
        raise failure()
    return [tuple(buffer[: len(info[1])]) for buffer, info in zip(buffers, results)]
