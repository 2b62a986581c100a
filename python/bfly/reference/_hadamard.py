# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The Walsh-Hadamard transform."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from ._arguments import as_tokens, stages


def hadamard(x: ArrayLike, orthonormal: bool = False) -> np.ndarray:
    """y[n] = Σₘ (−1)^popcount(n AND m) x[m] along the tokens, times 1/sqrt(N) if `orthonormal`.

    x (B, N, D), N a power of two. Returns (B, N, D). The matrix is scipy.linalg.hadamard(N); one step for each bit of
    n here, which doubles the tokens that a token has seen.
    """
    y = as_tokens(x)
    batch, n, d = y.shape
    if n & (n - 1):
        raise ValueError(f"x: {n} tokens, expected a power of two")
    for stage in range(stages(n)):
        pairs = y.reshape(batch, -1, 2, 1 << stage, d)
        first, second = pairs[:, :, 0], pairs[:, :, 1]
        y = np.stack([first + second, first - second], axis=2).reshape(batch, n, d)
    return y / n**0.5 if orthonormal else y


def hadamard_vjp(g: ArrayLike, orthonormal: bool = False) -> np.ndarray:
    """The gradient of x from g, that of `hadamard`'s result: the matrix is its own transpose. Saved: nothing."""
    return hadamard(g, orthonormal)
