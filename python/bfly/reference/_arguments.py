# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What the oracle takes: any floating type as it is stored, of the expected shape."""

from __future__ import annotations

import numpy as np

from .. import _bfloat16


def as_float64(array, name, shape=None):
    """`array` as float64. With `shape`, ValueError that names `name` unless the shape is that one."""
    array = np.asarray(array)
    if np.issubdtype(array.dtype, np.complexfloating):
        raise ValueError(f"{name}: real numbers are expected, got {array.dtype}")
    array = (_bfloat16.to_float(array) if _bfloat16.is_bfloat16(array) else array).astype(np.float64)
    # NumPy would broadcast a wrong shape into a plausible answer; an oracle must not.
    if shape is not None and array.shape != tuple(shape):
        raise ValueError(f"{name}: shape {array.shape}, expected {tuple(shape)}")
    return array


def as_tokens(x):
    """x as float64 (B, N, D), none of N and D zero; ValueError otherwise."""
    x = as_float64(x, "x")
    if x.ndim != 3 or x.shape[1] < 1 or x.shape[2] < 1:
        raise ValueError(f"x: shape {x.shape}, expected (B, N, D) with N and D at least 1")
    return x


def stages(n: int) -> int:
    """L, the stages that a butterfly over n tokens has: log2 of n rounded up to a power of two."""
    if n < 1:
        raise ValueError(f"n: {n} tokens, expected at least 1")
    return (n - 1).bit_length()


def as_gradient(g, shape, real=True):
    """g, the gradient of a result of that shape, as float64, or complex128 if the result is complex."""
    if real:
        return as_float64(g, "g", shape)
    g = np.asarray(g)
    if g.shape != tuple(shape):
        raise ValueError(f"g: shape {g.shape}, expected {tuple(shape)}")
    return g.astype(np.complex128)
