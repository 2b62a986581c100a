# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Sequences that have another length at each call, as a text has that grows: compiling takes longer than all that a kernel of
such a length is used for."""

from __future__ import annotations

import contextlib
import threading
from collections import Counter
from collections.abc import Iterator

import torch
from torch.nn.functional import linear, pad

FIRST_USES = 256


class _State(threading.local):
    first_uses = 0


_state = _State()
_uses = Counter()  # of each length, in all threads


@contextlib.contextmanager
def changing_lengths(first_uses: int = FIRST_USES) -> Iterator[None]:
    """Within it, on this thread, calls that want no gradients compile nothing for a length that is new:

    - filters are PyTorch's own operators the first `first_uses` times that a length is used, and then a kernel, which pays by
      then. The results of the two differ by rounding.
    - attention is padded to the next power of two, as its definition has it: one kernel serves all lengths up to that.

    Where a length is used again and again, as by training or with a window of fixed length, nothing of this is of use.
    """
    if not isinstance(first_uses, int) or isinstance(first_uses, bool) or first_uses < 0:
        raise ValueError(f"first_uses: {first_uses!r}, expected an integer from 0")
    before = _state.first_uses
    # 0 is outside of any: attention is padded all the same.
    _state.first_uses = first_uses or -1
    try:
        yield
    finally:
        _state.first_uses = before


def is_active():
    return _state.first_uses != 0


def call(operator, arguments):
    """What the operator would give for arguments of a new length, or None: it is the operator's own."""
    if operator.name == "butterfly_attention":
        return _padded(operator, *arguments)
    plain = _PLAIN.get(operator.name)
    x = arguments[0]
    if plain is None or x.dim() != 3 or x.shape[1] == 0:
        return None
    key = (operator.name, x.shape[1:], x.dtype, x.device)
    if _uses[key] >= _state.first_uses:
        return None
    operator.check(arguments)
    y = plain(*arguments)
    if y is not None:
        _uses[key] += 1
    return y


def _padded(operator, x, wq, wk, heads, scale):
    if x.dim() != 3 or x.shape[1] < 1:
        return None
    n = x.shape[1]
    room = 1 << (n - 1).bit_length()
    if room == n:
        return None
    return operator.forward(pad(x, (0, 0, 0, room - n)), wq, wk, heads, scale)[:, :n].contiguous()


def _spectral_filter(x, w_base, w1, b1, w2, b2, bias):
    """The definition; None where shapes do not fit, of which the operator says more."""
    d, hidden = x.shape[2], b1.shape
    shapes = [(d,), (*hidden, d), hidden, (d, *hidden), (d,), (d,)]
    if len(hidden) != 1 or [tensor.shape for tensor in (w_base, w1, b1, w2, b2, bias)] != shapes:
        return None
    kind = x.dtype
    x, w_base, w1, b1, w2, b2, bias = _wide(x, w_base, w1, b1, w2, b2, bias)
    w = w_base + linear(torch.relu(linear(x.mean(1), w1, b1)), w2, b2)
    return _filter(x, w, bias).to(kind)


def _modrelu_filter(x, w, bias):
    if w.shape != (x.shape[0], x.shape[2]) or bias.shape != (x.shape[2],):
        return None
    kind = x.dtype
    return _filter(*_wide(x, w, bias)).to(kind)


def _wide(*tensors):
    """Of a type that PyTorch has transforms of."""
    return [tensor if tensor.dtype == torch.float64 else tensor.float() for tensor in tensors]


def _filter(x, w, bias):
    bins = torch.fft.rfft(x, dim=1) * w[:, None]
    magnitude = bins.abs()
    bins *= torch.relu(magnitude + bias) / (magnitude + 1e-10)
    return torch.fft.irfft(bins, n=x.shape[1], dim=1).contiguous()


_PLAIN = {"spectral_filter": _spectral_filter, "modrelu_filter": _modrelu_filter}
