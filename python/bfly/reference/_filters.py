# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Filters in the frequency domain, and their derivatives: FFTNet's, FNet's, and any other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ._arguments import as_float64, as_gradient, as_tokens
from ._dense import linear, linear_vjp, mean, mean_vjp
from ._errors import rounding
from ._spectra import EPSILON, fft, mod_relu, mod_relu_vjp, pull_map, twice


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
    w, _ = _context_weights(mean(x), w_base, w1, b1, w2, b2)
    bias = as_float64(bias, "bias", x.shape[2:])
    return fourier_filter(x, lambda bins, _k: mod_relu(bins * w[:, None, :], bias))


def _context_weights(context, w_base, w1, b1, w2, b2):
    """w (B, D) = W_base + W2 relu(W1 context + b1) + b2, and the relu's result."""
    d = context.shape[1]
    w1 = as_float64(w1, "w1")
    if w1.ndim != 2:
        raise ValueError(f"w1: shape {w1.shape}, expected (hidden, {d})")
    hidden = w1.shape[0]
    w1, b1 = as_float64(w1, "w1", (hidden, d)), as_float64(b1, "b1", (hidden,))
    w2, b2 = as_float64(w2, "w2", (d, hidden)), as_float64(b2, "b2", (d,))
    h = linear(context, w1, b1, relu=True)
    return as_float64(w_base, "w_base", (d,)) + linear(h, w2, b2), h


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


# --------------------------------------------------------------------------------------------------------------------
# Derivatives of filters


def fourier_filter_vjp(
    g: ArrayLike, x: ArrayLike, f: Callable[..., Any], *parameters: ArrayLike, axis: int = -2, real_part: bool = True
) -> tuple[np.ndarray, ...]:
    """The gradients of x and of each parameter from g, that of y = `fourier_filter`(x, f, *parameters).

        F = DFT(x)        Y = DFT(g)        P, p = f'ᵀ(Y)        gx = IDFT(P)        gparameter = 1/N Σ p

    The 1/N of the forward's inverse and the N of the transposed transform cancel in gx. It is real where x is, and a
    parameter's gradient where the parameter is. g is complex where y is (`real_part` false). Saved: x alone.
    """
    x = np.asarray(x)
    real = not np.iscomplexobj(x)
    x = as_float64(x, "x") if real else x.astype(np.complex128)
    n = x.shape[axis]
    g = as_gradient(g, x.shape, real_part)
    _, back = pull_map(fft(x, axis=axis), f, parameters, n, False, axis)
    by_bin, gradients = back(np.fft.fft(g, axis=axis))
    gx = np.fft.ifft(by_bin, axis=axis)
    return gx.real if real else gx, *[gradient / n for gradient in gradients]


def spectral_filter_vjp(
    g: ArrayLike,
    x: ArrayLike,
    w_base: ArrayLike,
    w1: ArrayLike,
    b1: ArrayLike,
    w2: ArrayLike,
    b2: ArrayLike,
    bias: ArrayLike,
) -> tuple[np.ndarray, ...]:
    """The gradients of x, w_base, w1, b1, w2, b2 and bias from g, that of `spectral_filter`'s result.

    On half a spectrum, F = rfft(x), Y = rfft(g), with c_k = 1 for bins that are their own mirror, else 2; P and the
    terms of gbias are `mod_relu_vjp`'s of Y at G = F w:

        gw[b, c] = 1/N Σ_k c_k Re(conj(F) P)        gbias = 1/N Σ_b Σ_k c_k [t > 0] q Re(conj(Y) G)
        gx = irfft(w P) + gm/N for every token

    and gm, gw_base, … those of w = w_base + W2 relu(W1 m + b1) + b2 from gw. Saved: x alone.
    """
    gx, gm, *rest = spectral_filter_vjp_apart(g, x, w_base, w1, b1, w2, b2, bias)
    return gx + mean_vjp(gm, gx.shape[1]), *rest


def spectral_filter_vjp_apart(
    g: ArrayLike,
    x: ArrayLike,
    w_base: ArrayLike,
    w1: ArrayLike,
    b1: ArrayLike,
    w2: ArrayLike,
    b2: ArrayLike,
    bias: ArrayLike,
) -> tuple[np.ndarray, ...]:
    """`spectral_filter_vjp` with what reaches x through the context apart: gx' = irfft(w P), gm (B, D), then the rest.

    gx = gx' + gm/N, or the inverse transform with gm added to bin 0 of w P: gx' need not wait for gm, which needs all
    bins of all channels.
    """
    x = as_tokens(x)
    g = as_gradient(g, x.shape)
    n = x.shape[1]
    context = mean(x)
    w, hidden = _context_weights(context, w_base, w1, b1, w2, b2)
    count = twice(n)[:, None]
    bins, outer = np.fft.rfft(x, axis=1), np.fft.rfft(g, axis=1)
    # c P: sums over half a spectrum count each bin as often as the whole one has it.
    p, gbias = mod_relu_vjp(count * outer, bins * w[:, None], as_float64(bias, "bias", w.shape[1:]))
    gw = (np.conj(bins) * p).real.sum(axis=1) / n
    ghidden, gw2, gb2 = linear_vjp(gw, hidden, w2, b2)
    gm, gw1, gb1 = linear_vjp(ghidden, context, w1, b1, relu=True)
    gx = np.fft.irfft(w[:, None] * p / count, n=n, axis=1)
    return gx, gm, gw.sum(axis=0), gw1, gb1, gw2, gb2, gbias / n


def spectral_filter_vjp_rounded(
    g: ArrayLike,
    x: ArrayLike,
    w_base: ArrayLike,
    w1: ArrayLike,
    b1: ArrayLike,
    w2: ArrayLike,
    b2: ArrayLike,
    bias: ArrayLike,
    dtype: str,
    unit: float = 1.0,
) -> tuple[np.ndarray, ...]:
    """`spectral_filter_vjp` as a framework evaluates it eagerly in a type: the context and its layers, and what is made of
    their gradients, rounded to `dtype` after each operation; spectra in f32, in f64 for that.

    Its error is what `bound` multiplies by 1.25. g, x and the parameters are rounded to `dtype` first. Where |w| is
    small, the terms of modReLU's derivative cancel in gw, and no evaluation in a type has its digits.

    unit     the same of g in another unit, times this number (which is not rounded), and the gradients over it: other
             roundings of the same function.
    """
    number = np.float64 if dtype == "f64" else np.float32
    to_type = rounding(dtype)

    def rounded(values):
        return to_type(values).astype(number)

    x, w_base, w1, b1, w2, b2, bias = (rounded(values) for values in (x, w_base, w1, b1, w2, b2, bias))
    g = (unit * to_type(g)).astype(number)
    n = x.shape[1]
    context = rounded(x.mean(axis=1))
    before = rounded(context @ w1.T + b1)
    hidden = np.maximum(before, 0)
    w = rounded(w_base + rounded(hidden @ w2.T + b2))
    # The forward, operation by operation, and what automatic differentiation makes of each.
    count = twice(n)[:, None].astype(number)
    bins = np.fft.rfft(x, axis=1)
    z = bins * w[:, None]
    size = np.abs(z)
    kept, below = np.maximum(size + bias, 0), size + number(EPSILON)
    gain = kept / below
    ga = np.fft.rfft(g, axis=1) * (count / number(n))
    ggain = (np.conj(ga) * z).real
    gkept = np.where(size + bias <= 0, 0, ggain / below)
    gsize = gkept - ggain * gain / below
    gz = gain * ga + gsize * np.where(size == 0, 0, z / np.where(size == 0, 1, size))
    gw, gbias = rounded((np.conj(bins) * gz).real.sum(axis=1)), rounded(gkept.sum(axis=(0, 1)))
    gsum, ghidden = rounded(gw.sum(axis=0)), rounded(gw @ w2)
    gbefore = np.where(before <= 0, 0, ghidden)
    gm = rounded(gbefore @ w1)
    gx = rounded(np.fft.irfft(gz * w[:, None] / count, n=n, axis=1) * number(n)) + rounded(gm / number(n))[:, None]
    of_layers = rounded(gbefore.T @ context), rounded(gbefore.sum(axis=0)), rounded(gw.T @ hidden), gsum
    gradients = rounded(gx), gsum, *of_layers, gbias
    return tuple(gradient.astype(np.float64) / unit for gradient in gradients)


def fnet_mixing_vjp(g: ArrayLike) -> np.ndarray:
    """The gradient of x from g, that of `fnet_mixing`: Re DFT_n DFT_d g. The map is its own transpose; nothing is saved."""
    return fnet_mixing(g)
