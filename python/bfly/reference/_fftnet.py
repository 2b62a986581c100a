# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""FFTNet's layer and model."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

from ._arguments import as_float64, as_tokens
from ._dense import layer_norm, linear
from ._filters import spectral_filter


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


def fftnet_layer(x: ArrayLike, parameters: Mapping[str, ArrayLike], prefix: str = "") -> np.ndarray:
    """One FFTNet layer, dropout being the identity:

        u = LayerNorm_in(x)       y = spectral_filter(u)       z = y + x       out = LayerNorm_out(z)

    x (B, N, D). `parameters` maps names to arrays, each name after `prefix`: input_norm.weight, input_norm.bias (D);
    adaptive_filter.W_base (D); adaptive_filter.mlp.0.weight (hidden, D), .bias (hidden); adaptive_filter.mlp.2.weight
    (D, hidden), .bias (D); modrelu.bias (D); output_norm.weight, output_norm.bias (D). A LayerNorm without
    parameters is left out. Returns float64 (B, N, D). KeyError names a parameter that is missing.
    """
    x = as_tokens(x)

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
    table = as_float64(parameters["embedding.weight"], "embedding.weight")
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
