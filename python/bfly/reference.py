# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The float64 oracle: what every operation computes, written from its definition.

Nothing here is fast, and nothing is shared with the compiler: an answer that both give is an answer. Inputs may
be of any floating type that NumPy can convert (ml_dtypes.bfloat16 included); they are taken as stored, all
arithmetic is float64 or complex128, and so is the result.

Shapes: B batch, N tokens, D channels, H heads, dh = D/H, L = log2 N stages. Tensors are (B, N, D), row major.
Weights are (out, in), as torch.nn.Linear stores them: y = x · Wᵀ.

Sources: FFT-IA (FFT-Inspired Attention, Tantisukarom 2025); FFTNet ("The FFT Strikes Back", arXiv 2502.18394, and
its public PyTorch implementation, whose state_dict names `fftnet_layer` and `fftnet_model` use); FNet (arXiv
2105.03824).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from . import _bfloat16

__all__ = [
    "bound",
    "butterfly_attention",
    "butterfly_attention_extended",
    "butterfly_attention_rounded",
    "error",
    "fft_inspired_attention",
    "fftnet_layer",
    "fftnet_model",
    "fnet_mixing",
    "fourier_filter",
    "layer_norm",
    "linear",
    "load",
    "rounding",
    "sinusoidal_table",
    "spectral_filter",
    "spectral_filter_floor",
    "stages",
    "storage_type",
    "store",
]


def _f64(array, name, shape=None):
    """`array` as float64. With `shape`, ValueError that names `name` unless the shape is that one."""
    array = np.asarray(array)
    if np.issubdtype(array.dtype, np.complexfloating):
        raise ValueError(f"{name}: real numbers are expected, got {array.dtype}")
    array = (_bfloat16.to_float(array) if _bfloat16.is_bfloat16(array) else array).astype(np.float64)
    # NumPy would broadcast a wrong shape into a plausible answer; an oracle must not.
    if shape is not None and array.shape != tuple(shape):
        raise ValueError(f"{name}: shape {array.shape}, expected {tuple(shape)}")
    return array


def _tokens(x):
    """x as float64 (B, N, D), none of N and D zero; ValueError otherwise."""
    x = _f64(x, "x")
    if x.ndim != 3 or x.shape[1] < 1 or x.shape[2] < 1:
        raise ValueError(f"x: shape {x.shape}, expected (B, N, D) with N and D at least 1")
    return x


# --------------------------------------------------------------------------------------------------------------------
# Small parts


def linear(x: ArrayLike, weight: ArrayLike, bias: ArrayLike | None = None, relu: bool = False) -> np.ndarray:
    """y = x · Wᵀ (+ bias), then max(y, 0) if `relu`.

    x (…, in); weight (out, in); bias (out). Returns (…, out). Source: torch.nn.Linear.
    """
    weight = _f64(weight, "weight")
    x = _f64(x, "x")
    if weight.ndim != 2 or x.ndim < 1 or x.shape[-1] != weight.shape[1]:
        raise ValueError(f"weight: shape {weight.shape} does not fit x {x.shape}, expected (out, in)")
    y = x @ weight.T
    if bias is not None:
        y = y + _f64(bias, "bias", weight.shape[:1])
    # np.maximum, like torch.relu, lets a NaN through.
    return np.maximum(y, 0.0) if relu else y


def layer_norm(
    x: ArrayLike, weight: ArrayLike | None = None, bias: ArrayLike | None = None, eps: float = 1e-5
) -> np.ndarray:
    """(x − mean) / sqrt(var + eps) · weight + bias over the last axis, var being the mean squared deviation.

    x (…, D); weight and bias (D) or None. Returns (…, D). Source: torch.nn.LayerNorm.
    """
    x = _f64(x, "x")
    mean = x.mean(axis=-1, keepdims=True)
    variance = ((x - mean) ** 2).mean(axis=-1, keepdims=True)
    y = (x - mean) / np.sqrt(variance + eps)
    if weight is not None:
        y = y * _f64(weight, "weight", x.shape[-1:])
    if bias is not None:
        y = y + _f64(bias, "bias", x.shape[-1:])
    return y


def sinusoidal_table(n: int, d: int) -> np.ndarray:
    """The positions' table P (n, d): P[t, 2i] = sin(t · 10000^(−2i/d)), P[t, 2i+1] = cos(the same).

    Source: Vaswani et al. 2017, as FFTNet's model uses it: computed for the length at hand.
    """
    position = np.arange(n, dtype=np.float64)[:, None]
    even = np.arange(0, d, 2, dtype=np.float64)[None, :]
    angle = position * 10000.0 ** (-even / d)
    table = np.empty((n, d))
    table[:, 0::2] = np.sin(angle)
    table[:, 1::2] = np.cos(angle[:, : d // 2])  # an odd d ends on a sine
    return table


def stages(n: int) -> int:
    """L, the stages that a butterfly over n tokens has: log2 of n rounded up to a power of two."""
    if n < 1:
        raise ValueError(f"n: {n} tokens, expected at least 1")
    return (n - 1).bit_length()


# --------------------------------------------------------------------------------------------------------------------
# Butterfly attention (FFT-IA)


def _projection(w, name, weights, heads, d, count, number):
    """A function (stage, v (B, N, D)) -> (B, N, H, dh) that applies the weights of one stage, in `number`."""
    w = _f64(w, name).astype(number)
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

    def project(stage, v):
        by_head = v.reshape(*v.shape[:2], heads, dh)
        matrix = w[stage if w.shape[0] > 1 else 0]
        if weights == "dense":
            return (v @ matrix.T).reshape(by_head.shape)
        if matrix.ndim == 2:
            return by_head @ matrix.T
        return np.einsum("bnhc,hoc->bnho", by_head, matrix)

    return project


def _softmax(scores):
    """Softmax over the last axis. The largest score is taken off first, so that no exponential overflows."""
    exponential = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return exponential / exponential.sum(axis=-1, keepdims=True)


def _butterfly(x, wq, wk, heads, weights, scale, rounded, number=np.float64):
    """The definition of butterfly attention in `number`s, `rounded` being applied to what each operation gives."""
    x = _tokens(x)
    batch, n, d = x.shape
    if heads < 1 or d % heads:
        raise ValueError(f"heads: {heads} does not divide the {d} channels")
    dh = d // heads
    scale = number(1.0 / math.sqrt(dh) if scale is None else scale)
    count = stages(n)
    q_of = _projection(wq, "wq", weights, heads, d, count, number)
    k_of = _projection(wk, "wk", weights, heads, d, count, number)

    padded = 1 << count
    v = np.zeros((batch, padded, d), number)
    v[:, :n] = x
    token = np.arange(padded)
    for stage in range(count):
        partner = token ^ (1 << stage)
        q = rounded(q_of(stage, v))
        k = rounded(k_of(stage, v))
        own = rounded((q * k).sum(axis=-1))
        other = rounded((q * k[:, partner]).sum(axis=-1))
        a = rounded(_softmax(rounded(scale * np.stack([own, other], axis=-1))))
        # A new array: every token must see its partner as the stage before left it.
        before = v.reshape(batch, padded, heads, dh)
        mixed = rounded(rounded(a[..., :1] * before) + rounded(a[..., 1:] * before[:, partner]))
        v = mixed.reshape(batch, padded, d)
    return v[:, :n]


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
    return _butterfly(x, wq, wk, heads, weights, scale, lambda value: value)


def butterfly_attention_extended(
    x: ArrayLike, wq: ArrayLike, wk: ArrayLike, heads: int, weights: str = "dense", scale: float | None = None
) -> np.ndarray:
    """`butterfly_attention` in the longest type that NumPy has here (80 bits on x86), for errors of float64 itself."""
    return _butterfly(x, wq, wk, heads, weights, scale, lambda value: value, np.longdouble).astype(np.float64)


def butterfly_attention_rounded(
    x: ArrayLike,
    wq: ArrayLike,
    wk: ArrayLike,
    heads: int,
    dtype: str,
    weights: str = "dense",
    scale: float | None = None,
) -> np.ndarray:
    """`butterfly_attention` as a framework evaluates it eagerly in a type. In 16 bits each operation's result (both
    projections, dot products, scaling, softmax, each product and the sum of the mix) is rounded to `dtype`, sums
    inside one operation are not; in f32 and f64 everything is done in that type.

    Its error is what `bound` multiplies by 1.25. Arguments and shapes are those of `butterfly_attention`, and `dtype`
    a name that `storage_type` knows; x, wq and wk are rounded to it first. Returns float64 (B, N, D), all of whose
    values `dtype` can hold.
    """
    rounded = rounding(dtype)
    if dtype in ("f32", "f64"):
        number = storage_type(dtype).type
        return _butterfly(x, wq, wk, heads, weights, scale, lambda value: value, number).astype(np.float64)
    return _butterfly(rounded(x), rounded(wq), rounded(wk), heads, weights, scale, rounded)


def fft_inspired_attention(
    x: ArrayLike, wv: ArrayLike, wq: ArrayLike, wk: ArrayLike, heads: int, scale: float | None = None
) -> np.ndarray:
    """The forward of the drop-in module FFTInspiredAttention(dim, heads, dim_head): V_0 = x · Wvᵀ, then butterfly
    attention with dense weights, one Wq and Wk a stage.

    x (B, N, dim); wv (heads · dim_head, dim); wq, wk (S, inner, inner) with inner = heads · dim_head, of whose S
    stages (the module holds 16) the first L are used. Returns float64 (B, N, inner).
    """
    v = linear(_tokens(x), wv)
    count = stages(v.shape[1])
    wq, wk = np.asarray(wq), np.asarray(wk)
    for name, w in (("wq", wq), ("wk", wk)):
        if w.ndim != 3 or w.shape[0] < count:
            raise ValueError(f"{name}: shape {w.shape}, expected (S, inner, inner) with S at least {count}")
    return butterfly_attention(v, wq[:count], wk[:count], heads, "dense", scale)


# --------------------------------------------------------------------------------------------------------------------
# Spectral filters


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
    x = _tokens(x)
    d = x.shape[2]
    w1 = _f64(w1, "w1")
    if w1.ndim != 2:
        raise ValueError(f"w1: shape {w1.shape}, expected (hidden, {d})")
    hidden = w1.shape[0]
    w_base = _f64(w_base, "w_base", (d,))
    w1 = _f64(w1, "w1", (hidden, d))
    b1 = _f64(b1, "b1", (hidden,))
    w2 = _f64(w2, "w2", (d, hidden))
    b2 = _f64(b2, "b2", (d,))
    bias = _f64(bias, "bias", (d,))

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
    return np.fft.fft(np.fft.fft(_f64(x, "x"), axis=-1), axis=-2).real


# --------------------------------------------------------------------------------------------------------------------
# FFTNet


def fftnet_layer(x: ArrayLike, parameters: Mapping[str, ArrayLike], prefix: str = "") -> np.ndarray:
    """One FFTNet layer, dropout being the identity:

        u = LayerNorm_in(x)       y = spectral_filter(u)       z = y + x       out = LayerNorm_out(z)

    x (B, N, D). `parameters` maps names to arrays, each name after `prefix`: input_norm.weight, input_norm.bias (D);
    adaptive_filter.W_base (D); adaptive_filter.mlp.0.weight (hidden, D), .bias (hidden); adaptive_filter.mlp.2.weight
    (D, hidden), .bias (D); modrelu.bias (D); output_norm.weight, output_norm.bias (D). A LayerNorm without
    parameters is left out. Returns float64 (B, N, D). KeyError names a parameter that is missing.
    """
    x = _tokens(x)

    def get(name):
        return parameters[prefix + name]

    def norm(value, name):
        if prefix + name + ".weight" not in parameters:
            return value
        return layer_norm(value, get(name + ".weight"), get(name + ".bias"))

    y = spectral_filter(
        norm(x, "input_norm"),
        get("adaptive_filter.W_base"),
        get("adaptive_filter.mlp.0.weight"),
        get("adaptive_filter.mlp.0.bias"),
        get("adaptive_filter.mlp.2.weight"),
        get("adaptive_filter.mlp.2.bias"),
        get("modrelu.bias"),
    )
    return norm(y + x, "output_norm")


def fftnet_model(tokens: ArrayLike, parameters: Mapping[str, ArrayLike]) -> np.ndarray:
    """The FFTNet model: Embedding · sqrt(D) + P -> layers -> LayerNorm -> Linear(D, vocabulary).

    tokens   integers (B, N), each in 0 … vocabulary−1.
    parameters  maps names to arrays: embedding.weight (vocabulary, D); layers.<i>.<a name of `fftnet_layer`>, i from
             0; output_norm.weight, output_norm.bias (D); output_proj.weight (vocabulary, D), output_proj.bias
             (vocabulary).

    P is `sinusoidal_table` of the N at hand. Returns the logits, float64 (B, N, vocabulary).
    """
    tokens = np.asarray(tokens)
    table = _f64(parameters["embedding.weight"], "embedding.weight")
    if tokens.ndim != 2 or not np.issubdtype(tokens.dtype, np.integer):
        raise ValueError(f"tokens: {tokens.dtype} {tokens.shape}, expected integers (B, N)")
    # A negative index would count from the end.
    if tokens.size and (tokens.min() < 0 or tokens.max() >= table.shape[0]):
        raise ValueError(f"tokens: outside 0 … {table.shape[0] - 1}")
    d = table.shape[1]
    x = table[tokens] * math.sqrt(d) + sinusoidal_table(tokens.shape[1], d)
    layer = 0
    while any(name.startswith(f"layers.{layer}.") for name in parameters):
        x = fftnet_layer(x, parameters, f"layers.{layer}.")
        layer += 1
    x = layer_norm(x, parameters["output_norm.weight"], parameters["output_norm.bias"])
    return linear(x, parameters["output_proj.weight"], parameters["output_proj.bias"])


# --------------------------------------------------------------------------------------------------------------------
# Errors, bounds and storage types


def storage_type(name: str) -> np.dtype:
    """NumPy's type for a storage type by its MLIR name: f64, f32, f16 or bf16 (ml_dtypes' if installed, else bytes)."""
    if name == "bf16":
        return _bfloat16.dtype()
    known = {"f64": np.float64, "f32": np.float32, "f16": np.float16}
    if name not in known:
        raise ValueError(f"dtype: {name!r}, expected one of f64, f32, f16, bf16")
    return np.dtype(known[name])


def store(values: ArrayLike, name: str) -> np.ndarray:
    """Real numbers rounded to the storage type `name`, as an array of that type."""
    return _bfloat16.from_float(values) if name == "bf16" else np.asarray(values).astype(storage_type(name))


def load(array: ArrayLike) -> np.ndarray:
    """What an array of a storage type holds, as float64, or complex128 if it is complex."""
    array = np.asarray(array)
    return array.astype(np.complex128) if np.iscomplexobj(array) else _f64(array, "array")


def rounding(name: str) -> Callable[[ArrayLike], np.ndarray]:
    """A function that rounds an array to the storage type `name` and gives it back as float64."""
    storage_type(name)
    return lambda value: load(store(value, name))


def error(out: ArrayLike, ref: ArrayLike, floor: float | None = None) -> float:
    """‖out − ref‖₂ / max(‖ref‖₂, floor): the error of a result.

    out, ref   real arrays of one shape (ValueError otherwise); any floating type.
    floor      a least denominator, for a spectral filter that of `spectral_filter_floor`.

    A NaN or Inf on either side gives inf, so that it passes no bound. Two all-zero results differ by 0.
    """
    out, ref = _f64(out, "out"), _f64(ref, "ref")
    if out.shape != ref.shape:
        raise ValueError(f"out: shape {out.shape}, expected {ref.shape}")
    # Compared first: `nan <= bound` is false, but `max` and sorting of errors would lose it.
    if not (np.isfinite(out).all() and np.isfinite(ref).all()):
        return math.inf
    difference = float(np.linalg.norm(out - ref))
    size = max(float(np.linalg.norm(ref)), 0.0 if floor is None else float(floor))
    if difference == 0.0:
        return 0.0
    return difference / size if size > 0.0 else math.inf


def bound(op: str, dtype: str, n: int, definition_error: float | None = None, fused: bool = True) -> float:
    """The largest `error` that a result may have.

    op       "spectral_filter" or "butterfly_attention".
    dtype    storage type: "f64", "f32", "f16" or "bf16".
    n        tokens N, before padding.
    definition_error  the error of the definition evaluated in that type on the same inputs (by PyTorch, or by
             `butterfly_attention_rounded`). 1.25 times that is allowed where it is more than the type's bound: of
             scores that saturate the definition itself is chaotic. Butterfly attention in 16 bits has no other bound.
    fused    whether the network is compiled as a whole. With `fuse=False` one in 16 bits rounds after each operation
             and may err twice as much.

        f64: 1e-13 · max(1, log2 N)     f32: 3e-7 · max(1, log2 N) filter, 1e-6 · L butterfly
        16 bits: 2.5e-3 (bf16), 7e-4 (f16) filter, 1.25 · definition_error butterfly

    One token passes through a butterfly untouched (L = 0), so its bound in f32 is 0.
    """
    storage_type(dtype)
    if op not in ("spectral_filter", "butterfly_attention"):
        raise ValueError(f'op: {op!r}, expected "spectral_filter" or "butterfly_attention"')
    count = stages(n)
    narrow = dtype in ("bf16", "f16")
    if dtype == "f64":
        stated = 1e-13 * max(1.0, math.log2(n))
    elif op == "spectral_filter":
        stated = {"f32": 3e-7 * max(1.0, math.log2(n)), "bf16": 2.5e-3, "f16": 7e-4}[dtype]
    elif narrow:
        if definition_error is None:
            raise ValueError(f"definition_error: needed for butterfly attention in {dtype}")
        stated = 0.0
    else:
        stated = 1e-6 * count
    if definition_error is not None:
        stated = max(stated, 1.25 * definition_error)
    return stated if fused or not narrow else 2 * stated
