# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The mixers as functions of tensors, with gradients."""

from __future__ import annotations

import operator

import torch
from torch import Tensor
from torch.nn import functional

from ._operators import ATTENTION, FILTER, MODRELU


def spectral_filter(
    x: Tensor,
    w_base: Tensor,
    w1: Tensor,
    b1: Tensor,
    w2: Tensor,
    b2: Tensor,
    bias: Tensor,
    *,
    mean: Tensor | None = None,
    axis: int = -2,
) -> Tensor:
    """FFTNet's spectral filter (arXiv 2502.18394), as `bfly.spectral_filter` has it, with gradients of all that want one.

    x        (…, N, D): any number of sequences, each of N tokens with D channels.
    w_base   (D); w1 (hidden, D), b1 (hidden), w2 (D, hidden), b2 (D); bias (D).
    mean     the context (…, D) in place of the mean of the tokens: of those that are no padding, say.
    axis     the tokens' dimension of x, where it is not the last but one; the channels are the last of the others.

    Returns a contiguous tensor of x's shape and type, whatever x's strides are (with `axis`, a view of one). Under autocast
    it computes in float32, as torch's transforms do. Errors are RuntimeErrors that name the argument.
    """
    FILTER.check_tensors(x, w_base, w1, b1, w2, b2, bias)
    if axis != -2:
        turned = spectral_filter(_tokens_last_but_one(x, axis), w_base, w1, b1, w2, b2, bias, mean=mean)
        return _tokens_back(turned, axis)
    if _in_autocast(x):
        x, w_base, w1, b1, w2, b2, bias, mean = _in_float32(x, w_base, w1, b1, w2, b2, bias, mean)
    if mean is not None:
        _check_context("spectral_filter", "mean", mean, x)
        _check_parameters(x, w_base, w1, b1, w2, b2, bias, mean)
        with torch.autocast(x.device.type, enabled=False):
            w = w_base + functional.linear(functional.relu(functional.linear(mean, w1, b1)), w2, b2)
        return modrelu_filter(x, w, bias)
    if x.dim() == 3:
        return FILTER(x, w_base, w1, b1, w2, b2, bias)
    return FILTER(_one_batch(x), w_base, w1, b1, w2, b2, bias).view(x.shape)


def modrelu_filter(x: Tensor, w: Tensor, bias: Tensor) -> Tensor:
    """`spectral_filter` with the factors given: each bin of F = DFT(x) becomes modReLU(F w), and y = Re IDFT of them.

    x    (…, N, D).
    w    (…, D), the leading dimensions being x's or what becomes them by broadcasting.
    bias (D).
    """
    MODRELU.check_tensors(x, w, bias)
    if _in_autocast(x):
        x, w, bias = _in_float32(x, w, bias)
    _check_context("modrelu_filter", "w", w, x)
    batch = x.shape[:-2]
    if w.shape[:-1] != batch:
        w = w.expand(*batch, w.shape[-1])
    if x.dim() == 3:
        return MODRELU(x, w, bias)
    return MODRELU(_one_batch(x), w.reshape(-1, w.shape[-1]), bias).view(x.shape)


def butterfly_attention(
    x: Tensor, wq: Tensor, wk: Tensor, heads: int, *, scale: float | None = None, axis: int = -2
) -> Tensor:
    """Butterfly attention (FFT-IA, Tantisukarom 2025), as `bfly.butterfly_attention` has it, with gradients of all that want
    one.

    x        (…, N, D). N that is no power of two is padded with zero tokens.
    wq, wk   dense (S, D, D), per head (S, H, dh, dh), or shared by the heads (S, dh, dh). S is at least the number of stages,
             ceil(log2 N), of which the first are taken; 1 shares the weights among the stages.
    heads    H, a divisor of D; dh = D / H.
    scale    of the scores; None: 1 / sqrt(dh).
    axis     the tokens' dimension of x, where it is not the last but one.

    Returns a contiguous tensor of x's shape and type (with `axis`, a view of one). Under autocast it computes in autocast's
    type, as torch's matrix products do. Errors are RuntimeErrors that name the argument.
    """
    ATTENTION.check_tensors(x, wq, wk)
    heads, scale = _heads_and_scale(heads, scale)
    if axis != -2:
        return _tokens_back(butterfly_attention(_tokens_last_but_one(x, axis), wq, wk, heads, scale=scale), axis)
    if _in_autocast(x) and x.dtype != torch.float64:
        dtype = torch.get_autocast_dtype(x.device.type)
        x, wq, wk = (_cast(value, dtype) for value in (x, wq, wk))
    if scale is None:
        scale = (x.shape[-1] // heads) ** -0.5 if x.shape[-1] >= heads else 1.0
    if x.dim() == 3:
        return ATTENTION(x, wq, wk, heads, scale)
    return ATTENTION(_one_batch(x), wq, wk, heads, scale).view(x.shape)


def _in_autocast(x):
    kind = x.device.type  # not every kind has autocast: "meta"
    return (kind == "cpu" or kind == "cuda") and torch.is_autocast_enabled(kind)


def _in_float32(x, *others):
    """What autocast makes of the arguments: float64 stays as it is."""
    if x.dtype == torch.float64:
        return x, *others
    return tuple(None if value is None else _cast(value, torch.float32) for value in (x, *others))


def _cast(value, dtype):
    """As autocast does: float64, and what is no real number, is for the operator to refuse."""
    return value.to(dtype) if value.dtype in (torch.float32, torch.bfloat16, torch.float16) else value


def _check_context(function, name, value, x):
    """That `value` is (…, D) of the sequences of x, or becomes it by broadcasting."""
    if not isinstance(value, Tensor):
        raise RuntimeError(f"bfly.{function}: {name}: {type(value).__name__}, expected a tensor")
    *batch, _, d = x.shape
    shape = tuple(value.shape)
    leading = shape[:-1]
    fits = shape[-1:] == (d,) and len(leading) <= len(batch)
    if not fits or any(mine not in (1, its) for mine, its in zip(reversed(leading), reversed(batch))):
        raise RuntimeError(f"bfly.{function}: {name}: shape {shape}, expected {(*batch, d)}")


def _check_parameters(x, w_base, w1, b1, w2, b2, bias, mean):
    """What the operator would check, had it all of them."""
    d, hidden = x.shape[-1], w1.shape[0] if w1.dim() else 0
    for name, value, shape in (
        ("w_base", w_base, (d,)),
        ("w1", w1, (hidden, d)),
        ("b1", b1, (hidden,)),
        ("w2", w2, (d, hidden)),
        ("b2", b2, (d,)),
        ("bias", bias, (d,)),
        ("mean", mean, mean.shape),
    ):
        for what, its, expected in (("on", value.device, x.device), ("dtype", value.dtype, x.dtype)):
            if its != expected:
                raise RuntimeError(f"bfly.spectral_filter: {name}: {what} {its}, but x has {expected}")
        if value.shape != shape:
            raise RuntimeError(f"bfly.spectral_filter: {name}: shape {tuple(value.shape)}, expected {shape}")


def _heads_and_scale(heads, scale):
    """The numbers of attention, of which a tensor is none: its gradient would be lost."""
    if not isinstance(heads, int):
        try:
            if isinstance(heads, Tensor):
                raise TypeError
            heads = operator.index(heads)
        except TypeError:
            raise RuntimeError(
                f"bfly.butterfly_attention: heads: {heads!r}, expected a divisor of the channels"
            ) from None
    if not 1 <= heads < 1 << 63:
        raise RuntimeError(f"bfly.butterfly_attention: heads: {heads}, expected a divisor of the channels")
    if scale is not None and not isinstance(scale, (int, float)):
        raise RuntimeError(
            f"bfly.butterfly_attention: scale: {type(scale).__name__}, expected a number: "
            "a scale that is learnt is a factor of wq, with scale=1.0"
        )
    return heads, scale


def _one_batch(x):
    """(…, N, D) as (B, N, D)."""
    return x.unsqueeze(0) if x.dim() == 2 else x.flatten(0, -3)


def _tokens_last_but_one(x, axis):
    if not isinstance(axis, int) or not -x.dim() <= axis < x.dim():
        raise RuntimeError(f"bfly: axis: {axis!r}, but x has shape {tuple(x.shape)}")
    return x.movedim(axis, -1).transpose(-1, -2)


def _tokens_back(y, axis):
    return y.transpose(-1, -2).movedim(-1, axis)
