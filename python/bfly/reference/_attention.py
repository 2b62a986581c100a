# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Butterfly attention (FFT-IA)."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from ._arguments import as_float64, as_tokens, stages
from ._attention_stage import Definition, exact
from ._dense import linear
from ._errors import rounding, storage_type


def _checked(w, name, weights, heads, d, count, number):
    """Weights as `number`s, of the shape that their form has."""
    w = as_float64(w, name).astype(number)
    dh = d // heads
    if weights == "dense":
        wanted = [(d, d)]
    elif weights == "per_head":
        wanted = [(heads, dh, dh), (dh, dh)]
    else:
        raise ValueError(f'weights: {weights!r}, expected "dense" or "per_head"')
    if w.ndim < 1 or w.shape[1:] not in wanted:
        raise ValueError(f"{name}: shape {w.shape}, expected (stages, …) with {' or '.join(map(str, wanted))} for …")
    if w.shape[0] not in (1, count):
        raise ValueError(f"{name}: {w.shape[0]} stages, expected {count}, or 1 that all share")
    return w


class Attention:
    """The arguments of butterfly attention over `n` tokens, checked; stages and states in `number`s."""

    def __init__(self, shape, wq, wk, heads, weights, scale, number=np.float64, rounded=exact, eager=False):
        _, self.n, d = shape
        if heads < 1 or d % heads:
            raise ValueError(f"heads: {heads} does not divide the {d} channels")
        self.heads, self.weights, self.number, self.rounded, self.eager = heads, weights, number, rounded, eager
        self.scale = number(1.0 / math.sqrt(d // heads) if scale is None else scale)
        self.count = stages(self.n)
        self.wq = _checked(wq, "wq", weights, heads, d, self.count, number)
        self.wk = _checked(wk, "wk", weights, heads, d, self.count, number)

    def padded(self, x):
        """With zero tokens up to a power of two."""
        v = np.zeros((len(x), 1 << self.count, x.shape[2]), self.number)
        v[:, : self.n] = x
        return v

    def at(self, w, stage):
        """Which of the matrices is the stage's."""
        return stage if len(w) > 1 else 0

    def zeros(self):
        """Gradients of wq, wk and scale that nothing has been added to."""
        return [np.zeros_like(self.wq), np.zeros_like(self.wk), self.number(0.0)]

    def check_folding(self):
        """ValueError unless M = Wqᵀ Wk may stand for both."""
        if self.weights == "dense" and self.heads > 1:
            raise ValueError(f"weights: dense ones of {self.heads} heads, which do not fold")

    def stage(self, v, stage):
        wq, wk = self.wq[self.at(self.wq, stage)], self.wk[self.at(self.wk, stage)]
        return Definition(v, wq, wk, stage, self.heads, self.weights, self.scale, self.rounded, self.eager)

    def states(self, v, first, last):
        """The states before stages first … last − 1, and the one after them."""
        states = [v]
        for stage in range(first, last):
            states.append(self.stage(states[-1], stage).after())
        return states


def _butterfly(x, wq, wk, heads, weights, scale, rounded=exact, number=np.float64):
    """The definition of butterfly attention in `number`s, `rounded` being applied to what each operation gives."""
    x = as_tokens(x)
    attention = Attention(x.shape, wq, wk, heads, weights, scale, number, rounded)
    return attention.states(attention.padded(x), 0, attention.count)[-1][:, : attention.n]


def butterfly_attention(
    x: ArrayLike, wq: ArrayLike, wk: ArrayLike, heads: int, weights: str = "dense", scale: float | None = None
) -> np.ndarray:
    """Butterfly attention (FFT-IA): V_0 = x; for stage i = 1 … L, s = 2^(i−1), token j with partner p = j XOR s:

        Q = V_{i−1} · Wq_iᵀ,   K = V_{i−1} · Wk_iᵀ
        (a_jj, a_jp) = softmax(scale · [Q_j^h · K_j^h, Q_j^h · K_p^h])       for every head h
        V_i[j]^h = a_jj V_{i−1}[j]^h + a_jp V_{i−1}[p]^h

    x        (B, N, D). N that is no power of two is padded with zero tokens, ordinary ones, up to the next.
    wq, wk   weights="dense": (L, D, D), each head sees all channels.
             weights="per_head": (L, H, dh, dh), or (L, dh, dh) shared by the heads: a head sees its own channels.
             A first dimension of 1 is shared by all stages.
    heads    H, a divisor of D.
    scale    of the scores; None: 1 / sqrt(dh).

    Returns V_L, float64 (B, N, D). ValueError names the argument that does not fit.
    """
    return _butterfly(x, wq, wk, heads, weights, scale)


def butterfly_attention_extended(
    x: ArrayLike, wq: ArrayLike, wk: ArrayLike, heads: int, weights: str = "dense", scale: float | None = None
) -> np.ndarray:
    """`butterfly_attention` in the longest type that NumPy has here (80 bits on x86), for errors of float64 itself."""
    return _butterfly(x, wq, wk, heads, weights, scale, number=np.longdouble).astype(np.float64)


def butterfly_attention_rounded(
    x: ArrayLike,
    wq: ArrayLike,
    wk: ArrayLike,
    heads: int,
    dtype: str,
    weights: str = "dense",
    scale: float | None = None,
    unit: float = 1.0,
) -> np.ndarray:
    """`butterfly_attention` as a framework evaluates it eagerly in a type. In 16 bits each operation's result (both
    projections, dot products, scaling, softmax, each product and the sum of the mix) is rounded to `dtype`, sums
    inside one operation are not; in f32 and f64 everything is done in that type.

    Its error is what `bound` multiplies by 1.25. Arguments and shapes are those of `butterfly_attention`, and `dtype`
    a name that `storage_type` knows; x, wq and wk are rounded to it first. Returns float64 (B, N, D), all of whose
    values `dtype` can hold in this `unit`.

    unit     16 bits only: the same of x in another unit, times this number (which is not rounded), with the scale over
             its square, and the result over it. That is no other function, but its roundings fall otherwise: of few
             channels and sequences, one evaluation's error is a matter of luck.
    """
    rounded = rounding(dtype)
    if dtype in ("f32", "f64"):
        if unit != 1.0:
            raise ValueError(f"unit: {unit} in {dtype}, expected 1: x times it would be rounded")
        number = storage_type(dtype).type
        return _butterfly(x, wq, wk, heads, weights, scale, number=number).astype(np.float64)
    if scale is None:
        scale = 1.0 / math.sqrt(as_tokens(x).shape[2] / heads)
    turned = _butterfly(unit * rounded(x), rounded(wq), rounded(wk), heads, weights, scale / unit**2, rounded)
    return turned / unit


def fft_inspired_attention(
    x: ArrayLike, wv: ArrayLike, wq: ArrayLike, wk: ArrayLike, heads: int, scale: float | None = None
) -> np.ndarray:
    """The forward of the drop-in module FFTInspiredAttention(dim, heads, dim_head): V_0 = x · Wvᵀ, then butterfly
    attention with dense weights, one Wq and Wk a stage.

    x (B, N, dim); wv (heads · dim_head, dim); wq, wk (S, inner, inner) with inner = heads · dim_head, of whose S
    stages (the module holds 16) the first L are used. Returns float64 (B, N, inner).
    """
    v = linear(as_tokens(x), wv)
    return butterfly_attention(v, *module_weights(v, wq, wk), heads, "dense", scale)


def module_weights(v, wq, wk):
    """The stages of the module's weights that v's tokens use."""
    count = stages(v.shape[1])
    wq, wk = np.asarray(wq), np.asarray(wk)
    for name, w in (("wq", wq), ("wk", wk)):
        if w.ndim != 3 or w.shape[0] < count:
            raise ValueError(f"{name}: shape {w.shape}, expected (S, inner, inner) with S at least {count}")
    return wq[:count], wk[:count]
