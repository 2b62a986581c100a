# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Dense layers, norms and means, and their derivatives."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from ._arguments import as_float64, as_gradient, as_tokens


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


def mean(x: ArrayLike) -> np.ndarray:
    """m[b, c] = 1/N Σ_n x[b, n, c]: FFTNet's context. x (B, N, D); returns (B, D)."""
    return as_tokens(x).mean(axis=1)


# --------------------------------------------------------------------------------------------------------------------
# Derivatives


def linear_vjp(
    g: ArrayLike, x: ArrayLike, weight: ArrayLike, bias: ArrayLike | None = None, relu: bool = False
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """The gradients of x, weight and bias (None without one) from g (…, out), that of `linear`'s result:

        gp = g, with `relu` 0 where p = x Wᵀ + bias ≤ 0        gx = gp W        gW = gpᵀ x        gbias = Σ gp

    Saved: x, the weights; p is recomputed.
    """
    weight, x = as_float64(weight, "weight"), as_float64(x, "x")
    before = linear(x, weight, bias)
    g = as_gradient(g, before.shape)
    if relu:
        # Not g where p > 0: a NaN of p is one of the gradient, as in PyTorch.
        g = np.where(before <= 0, 0.0, g)
    rows = g.reshape(-1, weight.shape[0])
    return g @ weight, rows.T @ x.reshape(-1, weight.shape[1]), None if bias is None else rows.sum(axis=0)


def layer_norm_vjp(
    g: ArrayLike, x: ArrayLike, weight: ArrayLike | None = None, bias: ArrayLike | None = None, eps: float = 1e-5
) -> tuple[np.ndarray, np.ndarray | None, np.ndarray | None]:
    """The gradients of x, weight and bias (None for one that is not there) from g, that of `layer_norm`'s result:

        ρ = 1 / sqrt(var + eps)        n = (x − mean) ρ        gn = g weight
        gx = ρ (gn − mean(gn) − n mean(gn n))        gweight = Σ g n        gbias = Σ g

    Saved: x, or its mean and ρ beside it. With D = 1, n is 0 and so is gx.
    """
    x = as_float64(x, "x")
    g = as_gradient(g, x.shape)
    rho = 1 / np.sqrt(x.var(axis=-1, keepdims=True) + eps)
    n = (x - x.mean(axis=-1, keepdims=True)) * rho
    gn = g if weight is None else g * as_float64(weight, "weight", x.shape[-1:])
    gx = rho * (gn - gn.mean(axis=-1, keepdims=True) - n * (gn * n).mean(axis=-1, keepdims=True))
    others = tuple(range(x.ndim - 1))
    return (
        gx,
        None if weight is None else (g * n).sum(axis=others),
        None if bias is None else g.sum(axis=others),
    )


def mean_vjp(g: ArrayLike, n: int) -> np.ndarray:
    """The gradient of x (B, N, D) from g (B, D), that of its `mean`: g / N for every token. Saved: nothing but N."""
    g = as_float64(g, "g")
    return np.repeat(g[:, None, :] / n, n, axis=1)
