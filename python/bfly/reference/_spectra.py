# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The pieces of a filter, and their derivatives: transforms, maps of a spectrum, one bin, modReLU."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ._arguments import as_float64, as_gradient
from ._pullback import fitted, pullback

EPSILON = 1e-10  # of modReLU


def fft(x: ArrayLike, half: bool = False, axis: int = -2) -> np.ndarray:
    """F[k] = Σ_n x[n] e^(−2πi nk/N) along one axis: all N bins, or of a real x bins 0 … ⌊N/2⌋ (`half`)."""
    x = np.asarray(x)
    if half:
        return np.fft.rfft(as_float64(x, "x"), axis=axis)
    return np.fft.fft(x if np.iscomplexobj(x) else as_float64(x, "x"), axis=axis)


def ifft(a: ArrayLike, tokens: int, real_part: bool = True, axis: int = -2) -> np.ndarray:
    """y[n] = 1/N Σ_k A[k] e^(2πi nk/N) along one axis, N = `tokens`, or its real part.

    A has N bins, or with `real_part` bins 0 … ⌊N/2⌋ alone: the others are then the conjugates of those, and the
    imaginary parts of the bins that are their own mirror, 0 and for an even N also N/2, are ignored.
    """
    a = np.asarray(a, np.complex128)
    if _is_half(a.shape[axis], tokens, real_part):
        return np.fft.irfft(a, n=tokens, axis=axis)
    y = np.fft.ifft(a, axis=axis)
    return y.real if real_part else y


def spectrum_map(
    bins: ArrayLike, f: Callable[..., Any], *parameters: ArrayLike, tokens: int, hermitian: bool = False, axis: int = -2
) -> np.ndarray:
    """A[k] = f(F[k], k, parameters[k]) for every bin that there is: all of N = `tokens`, or 0 … ⌊N/2⌋.

    A parameter's size along the axis is 1, that of the bins, or N, of which the bins that there are take theirs. With
    `hermitian`, the Hermitian part of what f says of all bins, of which a parameter has N or 1:

        A[k] = (f(F[k], k, p[k]) + conj f(conj F[k], k', p[k'])) / 2        k' = (N − k) mod N
    """
    return pull_map(bins, f, parameters, tokens, hermitian, axis)[0]


def spectrum_bin(bins: ArrayLike, index: int, factor: float) -> np.ndarray:
    """m = Re F[index] · factor, of bins (B, bins, D). Bin 0 over N is the mean of the tokens."""
    return np.asarray(bins, np.complex128)[:, index].real * factor


def mod_relu(z: ArrayLike, bias: ArrayLike) -> np.ndarray:
    """relu(|z| + bias) z / (|z| + 1e-10). Source: FFTNet, as `spectral_filter` has it."""
    z = np.asarray(z, np.complex128)
    size = np.abs(z)
    return np.maximum(size + as_float64(bias, "bias"), 0.0) * z / (size + EPSILON)


def _is_half(bins, tokens, real_part=True):
    """Whether there are bins 0 … ⌊N/2⌋ alone. ValueError where it is neither those nor all."""
    if bins not in (tokens, tokens // 2 + 1) or (bins != tokens and not real_part):
        raise ValueError(f"bins: {bins} of {tokens} tokens, expected {tokens}, or {tokens // 2 + 1} for a real result")
    return bins != tokens


def twice(tokens):
    """c: how often bin k of half a spectrum counts: once for its own mirror images, else for two."""
    count = np.full(tokens // 2 + 1, 2.0)
    count[0] = 1.0
    if tokens % 2 == 0:
        count[-1] = 1.0
    return count


def _along(values, ndim, axis):
    """One-dimensional values, shaped to broadcast along an axis of arrays of ndim dimensions."""
    shape = [1] * ndim
    shape[axis] = len(values)
    return np.reshape(values, shape)


def pull_map(bins, f, parameters, tokens, hermitian, axis):
    """`spectrum_map`, and a function from A's gradient to those of the bins and of the parameters."""
    bins = np.asarray(bins, np.complex128)
    axis = axis if axis < 0 else axis - bins.ndim
    _is_half(bins.shape[axis], tokens)
    k = np.arange(bins.shape[axis])
    opposite = -k % tokens
    parameters = [np.asarray(p) for p in parameters]
    by_bin = [p.ndim >= -axis and p.shape[axis] == tokens > 1 for p in parameters]

    def at(which):
        return [np.take(p, which, axis=axis) if own else p for p, own in zip(parameters, by_bin)]

    def scatter(gradients, which, into):
        for gradient, own, total in zip(gradients, by_bin, into):
            index = (..., which, *[slice(None)] * (-axis - 1)) if own else ...
            total[index] += gradient

    def zeros():
        return [np.zeros(p.shape, np.complex128 if np.iscomplexobj(p) else np.float64) for p in parameters]

    def as_argument(which):
        return _along(which, bins.ndim, axis)

    a, back = pullback(lambda z, *p: f(z, as_argument(k), *p), bins, *at(k))
    if not hermitian:

        def back_map(g):
            gbins, *gradients = back(g)
            totals = zeros()
            scatter(gradients, k, totals)
            return gbins, totals

        return np.broadcast_to(a, bins.shape), back_map

    # + 0: the mirror image of a bin that is real has +0 for its imaginary part, not −0.
    mirrored, back_mirrored = pullback(lambda z, *p: f(z, as_argument(opposite), *p), np.conj(bins) + 0, *at(opposite))

    def back_hermitian(g):
        gbins, *gradients = back(g / 2)
        gmirrored, *opposite_gradients = back_mirrored(np.conj(g) / 2)
        totals = zeros()
        scatter(gradients, k, totals)
        scatter(opposite_gradients, opposite, totals)
        return gbins + np.conj(gmirrored), totals

    return np.broadcast_to((a + np.conj(mirrored)) / 2, bins.shape), back_hermitian


# --------------------------------------------------------------------------------------------------------------------
# Derivatives of the pieces


def fft_vjp(g: ArrayLike, tokens: int, real: bool = True, axis: int = -2) -> np.ndarray:
    """The gradient of x from g, that of the bins of its `fft`: Σ_k g[k] e^(2πi nk/N) over the bins that there are.

    That is N times the inverse transform, of half a spectrum too, which here is padded with zeros: its bins count
    once each. With `real`, x is and so is its gradient. Saved: nothing but N.
    """
    g = np.asarray(g, np.complex128)
    _is_half(g.shape[axis], tokens, real)
    gx = np.fft.ifft(g, n=tokens, axis=axis) * tokens
    return gx.real if real else gx


def ifft_vjp(g: ArrayLike, bins: int, axis: int = -2) -> np.ndarray:
    """The gradient of A, of so many bins, from g, that of y = `ifft`(A): DFT(g) / N.

    Of half a spectrum, c_k DFT(g) / N with c_k = 1 for the bins that are their own mirror, which are real, and 2 for
    the others. g is complex where y is whole. Saved: nothing.
    """
    whole = np.iscomplexobj(g)
    g = np.asarray(g) if whole else as_float64(g, "g")
    tokens = g.shape[axis]
    if _is_half(bins, tokens, not whole):
        return np.fft.rfft(g, axis=axis) * _along(twice(tokens), g.ndim, axis) / tokens
    return np.fft.fft(g, axis=axis) / tokens


def spectrum_map_vjp(
    g: ArrayLike,
    bins: ArrayLike,
    f: Callable[..., Any],
    *parameters: ArrayLike,
    tokens: int,
    hermitian: bool = False,
    axis: int = -2,
) -> tuple[np.ndarray, ...]:
    """The gradients of the bins and of each parameter from g, that of A = `spectrum_map`(bins, f, *parameters).

        gF, gp = f'ᵀ(g)        hermitian: f'ᵀ(g / 2) at k, plus at k' that of conj(g) / 2, its gF conjugated

    f' is taken apart into the rules of its steps, `RULES`; a parameter's gradient is summed over what the parameter
    is broadcast over. Saved: the bins, or what they are made of.
    """
    a, back = pull_map(bins, f, parameters, tokens, hermitian, axis)
    gbins, gradients = back(as_gradient(g, a.shape, real=not np.iscomplexobj(a)))
    return gbins, *gradients


def spectrum_bin_vjp(g: ArrayLike, bins: int, index: int, factor: float) -> np.ndarray:
    """The gradient of F (B, bins, D) from g (B, D), that of `spectrum_bin`: g · factor in that bin, else 0."""
    g = as_float64(g, "g")
    gbins = np.zeros((g.shape[0], bins, g.shape[1]), np.complex128)
    gbins[:, index] = g * factor
    return gbins


def mod_relu_vjp(g: ArrayLike, z: ArrayLike, bias: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """The gradients of z and bias from g, that of `mod_relu`. With r = |z|, u = z/r (0 at 0), t = r + bias, q = 1/(r + ε):

        gz = relu(t) q g + [t > 0] (ε − bias) q² Re(conj(g) u) z        gbias = Σ [t > 0] q Re(conj(g) z)

    At z = 0 that is relu(bias)/ε · g, the derivative there; at the threshold t = 0, where there is none, 0.
    """
    z, bias = np.asarray(z, np.complex128), as_float64(bias, "bias")
    g = as_gradient(g, z.shape, real=False)
    r = np.abs(z)
    u = np.where(r == 0, 0.0, z / np.where(r == 0, 1.0, r))
    off = r + bias <= 0  # and not where it is no number
    q = 1 / (r + EPSILON)
    gz = np.where(off, 0.0, (r + bias) * q * g + (EPSILON - bias) * q**2 * (np.conj(g) * u).real * z)
    return gz, fitted(np.where(off, 0.0, q * (np.conj(g) * z).real), bias)
