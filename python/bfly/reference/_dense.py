# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Dense layers and norms."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from ._arguments import as_float64


def linear(x: ArrayLike, weight: ArrayLike, bias: ArrayLike | None = None, relu: bool = False) -> np.ndarray:
    """y = x · Wᵀ (+ bias), then max(y, 0) if `relu`.

    x (…, in); weight (out, in); bias (out). Returns (…, out). Source: torch.nn.Linear.
    """
    weight = as_float64(weight, "weight")
    x = as_float64(x, "x")
    if weight.ndim != 2 or x.ndim < 1 or x.shape[-1] != weight.shape[1]:
        raise ValueError(f"weight: shape {weight.shape} does not fit x {x.shape}, expected (out, in)")
    y = x @ weight.T
    if bias is not None:
        y = y + as_float64(bias, "bias", weight.shape[:1])
    # np.maximum, like torch.relu, lets a NaN through.
    return np.maximum(y, 0.0) if relu else y


def layer_norm(
    x: ArrayLike, weight: ArrayLike | None = None, bias: ArrayLike | None = None, eps: float = 1e-5
) -> np.ndarray:
    """(x − mean) / sqrt(var + eps) · weight + bias over the last axis, var being the mean squared deviation.

    x (…, D); weight and bias (D) or None. Returns (…, D). Source: torch.nn.LayerNorm.
    """
    x = as_float64(x, "x")
    mean = x.mean(axis=-1, keepdims=True)
    variance = ((x - mean) ** 2).mean(axis=-1, keepdims=True)
    y = (x - mean) / np.sqrt(variance + eps)
    if weight is not None:
        y = y * as_float64(weight, "weight", x.shape[-1:])
    if bias is not None:
        y = y + as_float64(bias, "bias", x.shape[-1:])
    return y
