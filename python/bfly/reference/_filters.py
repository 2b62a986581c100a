# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Filters in the frequency domain: FFTNet's, FNet's, and any other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ._arguments import as_float64, as_tokens
from ._dense import linear


def fourier_filter(
    x: ArrayLike, f: Callable[..., Any], *parameters: ArrayLike, axis: int = -2, real_part: bool = True
) -> np.ndarray:
    """The general operation: DFT along one axis, an element-wise function of each bin, inverse DFT.

        F[k] = Σ_n x[n] e^(−2πi nk/N)      A = f(F, k, *parameters)      y[n] = 1/N Σ_k A[k] e^(+2πi nk/N)

    x (…, N, …), real or complex; f gets F, complex128 of x's shape, and k = 0 … N−1, integers shaped to broadcast
    along the axis, and returns what broadcasts to F's shape. Any N ≥ 1. Returns y, float64 if `real_part`, which
    drops the imaginary part whatever its size, else complex128.
    """
    x = np.asarray(x)
    wide = np.complex128 if np.issubdtype(x.dtype, np.complexfloating) else np.float64
    x = x.astype(wide)
    n = x.shape[axis]
    if n < 1:
        raise ValueError(f"x: shape {x.shape} has nothing along axis {axis}")
    along = [1] * x.ndim
    along[axis] = n
    bins = np.fft.fft(x, axis=axis)
    filtered = np.broadcast_to(f(bins, np.arange(n).reshape(along), *parameters), x.shape)
    y = np.fft.ifft(filtered, axis=axis)
    return y.real if real_part else y


def spectral_filter(
    x: ArrayLike, w_base: ArrayLike, w1: ArrayLike, b1: ArrayLike, w2: ArrayLike, b2: ArrayLike, bias: ArrayLike
) -> np.ndarray:
    """FFTNet's spectral filter, per channel, transforms along the tokens:

        F = DFT_n(x)          m = mean over n of x          ΔW = W2 · relu(W1 · m + b1) + b2
        G = F · (W_base + ΔW)          A = relu(|G| + bias) · G / (|G| + 1e-10)          y = Re(IDFT_n(A))

    x (B, N, D), any N ≥ 1; w_base (D); w1 (hidden, D), b1 (hidden); w2 (D, hidden), b2 (D); bias (D).
    Returns float64 (B, N, D). Source: arXiv 2502.18394 and its public PyTorch implementation.
    """
    x = as_tokens(x)
    d = x.shape[2]
    w1 = as_float64(w1, "w1")
    if w1.ndim != 2:
        raise ValueError(f"w1: shape {w1.shape}, expected (hidden, {d})")
    hidden = w1.shape[0]
    w_base = as_float64(w_base, "w_base", (d,))
    w1 = as_float64(w1, "w1", (hidden, d))
    b1 = as_float64(b1, "b1", (hidden,))
    w2 = as_float64(w2, "w2", (d, hidden))
    b2 = as_float64(b2, "b2", (d,))
    bias = as_float64(bias, "bias", (d,))

    context = x.mean(axis=1)
    delta = linear(linear(context, w1, b1, relu=True), w2, b2)
    w = (w_base + delta)[:, None, :]

    def mod_relu(bins, _k):
        g = bins * w
        magnitude = np.abs(g)
        return np.maximum(magnitude + bias, 0.0) * g / (magnitude + 1e-10)

    return fourier_filter(x, mod_relu)


def spectral_filter_floor(
    x: ArrayLike, w_base: ArrayLike, w1: ArrayLike, b1: ArrayLike, w2: ArrayLike, b2: ArrayLike
) -> float:
    """The norm of `spectral_filter` with bias 0: the least denominator of the filter's error.

    modReLU may remove nearly everything, and what is left would then be measured against next to nothing. To be
    passed to `error` as `floor`. Arguments are those of `spectral_filter`.
    """
    return float(np.linalg.norm(spectral_filter(x, w_base, w1, b1, w2, b2, np.zeros(np.shape(w_base)))))


def fnet_mixing(x: ArrayLike) -> np.ndarray:
    """FNet's mixing: y = Re(DFT_n(DFT_d(x))), over the channels and then over the tokens, with no factor.

    x (…, N, D). Returns float64 of the same shape. Source: FNet, arXiv 2105.03824, equation 3.
    """
    return np.fft.fft(np.fft.fft(as_float64(x, "x"), axis=-1), axis=-2).real
