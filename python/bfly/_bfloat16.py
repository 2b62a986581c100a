# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""bf16, which NumPy does not have: ml_dtypes' where that is installed, else two bytes that NumPy only moves.

An array of such pairs of bytes can be stored, copied, indexed, given to a kernel and taken from one; `from_float` and
`to_float` convert. Both kinds of arrays hold the same bytes, and np.save writes both as "V2".
"""

import functools

import numpy as np


class bfloat(np.void):
    """An element that NumPy cannot compute with. NumPy names a type after its class and size: "bfloat16"."""


@functools.lru_cache(maxsize=1)
def dtype():
    """NumPy's type for bf16; its name is "bfloat16"."""
    try:
        import ml_dtypes
    except ImportError:
        return np.dtype((bfloat, "V2"))
    return np.dtype(ml_dtypes.bfloat16)


def is_bfloat16(array):
    """Whether an array is of either kind."""
    return array.dtype.name == "bfloat16"


def from_float(values):
    """Real numbers as an array of `dtype()`: rounded to f32 and then to nearest, ties to even; a NaN stays one."""
    values = np.asarray(values)
    if is_bfloat16(values):
        return values
    if dtype().type is not bfloat:
        return values.astype(dtype())
    bits = values.astype(np.float32, order="C").view(np.uint32)
    # What is dropped is above half, or is half and what is kept is odd: the sum carries into the kept half.
    rounded = (bits + np.uint32(0x7FFF) + ((bits >> 16) & 1)) >> 16
    # A NaN's low bits alone may be set: the sum would carry into the sign, or leave an infinity.
    rounded = np.where((bits & 0x7FFFFFFF) > 0x7F800000, (bits >> 16) | 0x40, rounded)
    return rounded.astype(np.uint16).view(dtype())


def to_float(array):
    """An array of bf16, of either kind, as f32, which holds all its values."""
    bits = np.ascontiguousarray(array).view(np.uint16).astype(np.uint32) << 16
    return bits.view(np.float32).reshape(array.shape)
