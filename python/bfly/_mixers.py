# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The two mixers as functions: each builds its IR, which is compiled once for every signature."""

from __future__ import annotations

import math
import sys
import threading
from collections import OrderedDict
from concurrent.futures import Future
from typing import Any

from . import _arrays
from ._errors import BflyError
from ._kernel import compile

_FLOATS = ("f64", "f32", "bf16", "f16")
_LARGEST_F32 = 3.4028234663852886e38
_CAPACITY = 128  # kernels kept; the one that was not used for the longest time goes first


class _Cache:
    """Kernels by signature. Each is compiled once, whichever threads ask for it; others are not kept waiting."""

    def __init__(self, capacity):
        self._capacity = capacity
        self._lock = threading.Lock()
        self._kernels = OrderedDict()

    def get(self, key, make):
        with self._lock:
            future = self._kernels.get(key)
            mine = future is None
            if mine:
                future = self._kernels[key] = Future()
                while len(self._kernels) > self._capacity:
                    self._kernels.popitem(last=False)
            else:
                self._kernels.move_to_end(key)
        if mine:
            try:
                future.set_result(make())
            except BaseException as error:
                with self._lock:  # the next one tries again: memory may be there then
                    if self._kernels.get(key) is future:
                        del self._kernels[key]
                future.set_exception(error)
        return future.result()

    def __len__(self):
        return len(self._kernels)

    def clear(self):
        with self._lock:
            self._kernels.clear()


cache = _Cache(_CAPACITY)


def _sequence(x, device):
    """The view of x (B, N, D) and the device that it is on; BflyError if it is no such array or on another."""
    view = _arrays.view(x, "x")
    dtype = _arrays.TYPE_NAMES[view.dtype]
    if dtype not in _FLOATS:
        raise BflyError(f"x: dtype {dtype}, expected one of {', '.join(_FLOATS)}")
    if len(view.shape) != 3 or 0 in view.shape[1:]:
        raise BflyError(f"x: shape {view.shape}, expected (B, N, D) with N and D at least 1")
    place = _arrays.device_name(view.device)
    if device is None:
        device = place
    return view, dtype, device


def _expect(array, name, x, *shapes):
    """The shape of an argument that has to have x's type and one of `shapes`, in which None is any size."""
    view = _arrays.view(array, name)
    if view.dtype != x.dtype:
        raise BflyError(f"{name}: dtype {_arrays.TYPE_NAMES[view.dtype]}, but x has {_arrays.TYPE_NAMES[x.dtype]}")
    for shape in shapes:
        if len(shape) == len(view.shape) and all(want in (None, size) for want, size in zip(shape, view.shape)):
            return view.shape
    wanted = " or ".join("(" + ", ".join("…" if s is None else str(s) for s in shape) + ")" for shape in shapes)
    raise BflyError(f"{name}: shape {view.shape}, expected {wanted}")


def _tensor(shape, dtype):
    return f"tensor<{'x'.join(map(str, (*shape, dtype)))}>"


def butterfly_attention(
    x: Any,
    wq: Any,
    wk: Any,
    heads: int,
    weights: str = "dense",
    scale: float | None = None,
    device: str | None = None,
) -> Any:
    """Butterfly attention (FFT-IA, Tantisukarom 2025): log2 N stages of a softmax over two tokens; see
    `bfly.reference.butterfly_attention` for the definition.

    x        (B, N, D), f64, f32, bf16 or f16. N that is no power of two is padded with zero tokens.
    wq, wk   of x's type. weights="dense": (L, D, D), each head sees all channels; weights="per_head": (L, H, dh, dh), or
             (L, dh, dh) shared by the heads. L = ceil(log2 N); 1 in its place shares the weights among the stages.
    heads    H, a divisor of D; dh = D / H.
    scale    of the scores; None: 1 / sqrt(dh).
    device   where to run; None: where x is.

    Returns (B, N, D) of x's type and library. Compiles once for every set of types, shapes, heads, scale and device.
    BflyError names the argument that does not fit.
    """
    view, dtype, device = _sequence(x, device)
    _, n, d = view.shape
    if not isinstance(heads, int) or isinstance(heads, bool) or heads < 1 or d % heads:
        raise BflyError(f"heads: {heads!r}, expected a divisor of the {d} channels")
    dh = d // heads
    if weights == "dense":
        forms = [(d, d)]
    elif weights == "per_head":
        forms = [(heads, dh, dh), (dh, dh)]
    else:
        raise BflyError(f'weights: {weights!r}, expected "dense" or "per_head"')
    stages = (n - 1).bit_length()
    leads = [stages] if stages == 1 else [stages, 1]
    shape = _expect(wq, "wq", view, *((lead, *form) for form in forms for lead in leads))
    _expect(wk, "wk", view, shape)
    if scale is not None:
        try:
            scale = float(scale)
        except (TypeError, ValueError):
            scale = math.nan
        if not abs(scale) <= (sys.float_info.max if dtype == "f64" else _LARGEST_F32):  # a NaN is not either
            raise BflyError("scale: a finite number is expected, finite in f32 where that is what is computed in")

    def make():
        text = attention_text(view.shape, shape, dtype, heads, scale)
        return compile(text, device=device, name="<bfly.butterfly_attention>")

    kernel = cache.get(("butterfly_attention", view.shape, shape, dtype, heads, scale, device), make)
    return kernel._run((x, wq, wk), None, None, ["x", "wq", "wk"])


def attention_text(shape, weights, dtype, heads, scale=None):
    """The IR of `butterfly_attention` for x and weights of these shapes; dtype by MLIR's name."""
    sequence, matrices = _tensor(shape, dtype), _tensor(weights, dtype)
    # MLIR's numbers have a point, which repr leaves out of 1e-20.
    scaled = "" if scale is None else f" scale({scale:.17e})"
    return f"""func.func @butterfly_attention(%x: {sequence}, %wq: {matrices}, %wk: {matrices}) -> {sequence} {{
  %y = bfly.butterfly_attention %x, %wq, %wk heads({heads}){scaled} : {sequence}, {matrices}
  return %y : {sequence}
}}
"""


def spectral_filter(
    x: Any, w_base: Any, w1: Any, b1: Any, w2: Any, b2: Any, bias: Any, device: str | None = None
) -> Any:
    """FFTNet's spectral filter (arXiv 2502.18394), real input and result, transforms along the tokens:

        F = DFT_n(x)          m = mean over n of x          ΔW = W2 · relu(W1 · m + b1) + b2
        G = F · (W_base + ΔW)          A = relu(|G| + bias) · G / (|G| + 1e-10)          y = Re(IDFT_n(A))

    x        (B, N, D), f64, f32, bf16 or f16; any N ≥ 1.
    w_base   (D); w1 (hidden, D), b1 (hidden); w2 (D, hidden), b2 (D); bias (D): all of x's type.
    device   where to run; None: where x is.

    Returns (B, N, D) of x's type and library. Compiles once for every set of types, shapes and device. BflyError names the
    argument that does not fit.
    """
    view, dtype, device = _sequence(x, device)
    d = view.shape[2]
    _expect(w_base, "w_base", view, (d,))
    hidden = _expect(w1, "w1", view, (None, d))[0]
    if hidden == 0:
        raise BflyError("w1: no hidden channels")
    _expect(b1, "b1", view, (hidden,))
    _expect(w2, "w2", view, (d, hidden))
    _expect(b2, "b2", view, (d,))
    _expect(bias, "bias", view, (d,))

    def make():
        return compile(filter_text(view.shape, hidden, dtype), device=device, name="<bfly.spectral_filter>")

    kernel = cache.get(("spectral_filter", view.shape, hidden, dtype, device), make)
    names = ["x", "w_base", "w1", "b1", "w2", "b2", "bias"]
    return kernel._run((x, w_base, w1, b1, w2, b2, bias), None, None, names)


def filter_text(shape, hidden, dtype):
    """The IR of `spectral_filter` for x of this shape; dtype by MLIR's name."""
    batch, _, d = shape
    sequence, context, inner = _tensor(shape, dtype), _tensor((batch, d), dtype), _tensor((batch, hidden), dtype)
    vector, wide = _tensor((d,), dtype), _tensor((hidden,), dtype)
    first, second = _tensor((hidden, d), dtype), _tensor((d, hidden), dtype)
    real = "f64" if dtype == "f64" else "f32"  # what 16-bit types compute in
    return f"""func.func @spectral_filter(%x: {sequence}, %w_base: {vector}, %w1: {first}, %b1: {wide}, %w2: {second},
                           %b2: {vector}, %bias: {vector}) -> {sequence} {{
  %m = bfly.mean %x : {sequence} -> {context}
  %h = bfly.linear %m, %w1 bias(%b1 : {wide}) relu : {context}, {first} -> {inner}
  %dw = bfly.linear %h, %w2 bias(%b2 : {vector}) : {inner}, {second} -> {context}
  %y = bfly.spectral_filter %x
      params(%w_base[channel] : {vector}, %dw[batch, channel] : {context}, %bias[channel] : {vector})
      : {sequence} -> {sequence} {{
  ^bb0(%bin: complex<{real}>, %k: index, %wb: {real}, %d: {real}, %b: {real}):
    %zero = arith.constant 0.0 : {real}
    %tiny = arith.constant 1.0e-10 : {real}
    %w = arith.addf %wb, %d : {real}
    %wz = complex.create %w, %zero : complex<{real}>
    %g = complex.mul %bin, %wz : complex<{real}>
    %abs = complex.abs %g : complex<{real}>
    %sum = arith.addf %abs, %b : {real}
    %kept = arith.maximumf %sum, %zero : {real}
    %size = arith.addf %abs, %tiny : {real}
    %gain = arith.divf %kept, %size : {real}
    %gz = complex.create %gain, %zero : complex<{real}>
    %a = complex.mul %g, %gz : complex<{real}>
    bfly.yield %a : complex<{real}>
  }}
  return %y : {sequence}
}}
"""
