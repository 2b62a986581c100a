# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""FFTNet's layer and model, and their derivatives."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

from ._arguments import as_float64, as_gradient, as_tokens
from ._dense import layer_norm, layer_norm_vjp, linear, linear_vjp
from ._filters import spectral_filter, spectral_filter_vjp


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
    names = _Names(parameters, prefix)
    return names.norm(names.filter(names.norm(x, "input_norm")) + x, "output_norm")


class _Names:
    """A layer's parameters by their names, in the order of `spectral_filter`'s arguments."""

    FILTER = ("W_base", "mlp.0.weight", "mlp.0.bias", "mlp.2.weight", "mlp.2.bias")

    def __init__(self, parameters, prefix):
        self.parameters, self.prefix = parameters, prefix
        self.filter_names = [prefix + "adaptive_filter." + name for name in self.FILTER] + [prefix + "modrelu.bias"]

    def norm_names(self, name):
        """Of a LayerNorm's weight and bias; none if there is no such norm."""
        names = [f"{self.prefix}{name}.{which}" for which in ("weight", "bias")]
        return names if names[0] in self.parameters else []

    def values(self, names):
        return [self.parameters[name] for name in names]

    def norm(self, x, name):
        names = self.norm_names(name)
        return layer_norm(x, *self.values(names)) if names else x

    def norm_vjp(self, g, x, name):
        """The gradients of x and, by name, of the norm's parameters."""
        names = self.norm_names(name)
        if not names:
            return g, {}
        gx, *gradients = layer_norm_vjp(g, x, *self.values(names))
        return gx, dict(zip(names, gradients))

    def filter(self, u):
        return spectral_filter(u, *self.values(self.filter_names))

    def filter_vjp(self, g, u):
        gu, *gradients = spectral_filter_vjp(g, u, *self.values(self.filter_names))
        return gu, dict(zip(self.filter_names, gradients))


def fftnet_layer_vjp(
    g: ArrayLike, x: ArrayLike, parameters: Mapping[str, ArrayLike], prefix: str = ""
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """The gradient of x, and of each parameter of the layer by its name, from g, that of `fftnet_layer`'s result:

        gz = LN_out'(g; z)        gu = filter'(gz; u)        gx = LN_in'(gu; x) + gz

    Saved: x; u and z = filter(u) + x are made again, or z is saved too.
    """
    x = as_tokens(x)
    names = _Names(parameters, prefix)
    u = names.norm(x, "input_norm")
    gz, of_output = names.norm_vjp(as_gradient(g, x.shape), names.filter(u) + x, "output_norm")
    gu, of_filter = names.filter_vjp(gz, u)
    gx, of_input = names.norm_vjp(gu, x, "input_norm")
    return gx + gz, {**of_input, **of_filter, **of_output}


def fftnet_model(tokens: ArrayLike, parameters: Mapping[str, ArrayLike]) -> np.ndarray:
    """The FFTNet model: Embedding · sqrt(D) + P -> layers -> LayerNorm -> Linear(D, vocabulary).

    tokens   integers (B, N), each in 0 … vocabulary−1.
    parameters  maps names to arrays: embedding.weight (vocabulary, D); layers.<i>.<a name of `fftnet_layer`>, i from
             0; output_norm.weight, output_norm.bias (D); output_proj.weight (vocabulary, D), output_proj.bias
             (vocabulary).

    P is `sinusoidal_table` of the N at hand. Returns the logits, float64 (B, N, vocabulary).
    """
    *_, x = _states(tokens, parameters)
    x = layer_norm(x, parameters["output_norm.weight"], parameters["output_norm.bias"])
    return linear(x, parameters["output_proj.weight"], parameters["output_proj.bias"])


def _states(tokens, parameters):
    """The input of each layer, and the output of the last."""
    tokens = np.asarray(tokens)
    table = as_float64(parameters["embedding.weight"], "embedding.weight")
    if tokens.ndim != 2 or not np.issubdtype(tokens.dtype, np.integer):
        raise ValueError(f"tokens: {tokens.dtype} {tokens.shape}, expected integers (B, N)")
    # A negative index would count from the end.
    if tokens.size and (tokens.min() < 0 or tokens.max() >= table.shape[0]):
        raise ValueError(f"tokens: outside 0 … {table.shape[0] - 1}")
    d = table.shape[1]
    states = [table[tokens] * math.sqrt(d) + sinusoidal_table(tokens.shape[1], d)]
    while any(name.startswith(f"layers.{len(states) - 1}.") for name in parameters):
        states.append(fftnet_layer(states[-1], parameters, f"layers.{len(states) - 1}."))
    return states


def fftnet_model_vjp(g: ArrayLike, tokens: ArrayLike, parameters: Mapping[str, ArrayLike]) -> dict[str, np.ndarray]:
    """The gradient of each parameter by its name from g (B, N, vocabulary), that of `fftnet_model`'s logits.

    gEmbedding[t] = sqrt(D) times the sum of gx over the places where the token is t; P and the tokens have none. Saved:
    each layer's input.
    """
    *inputs, x = _states(tokens, parameters)
    norm = parameters["output_norm.weight"], parameters["output_norm.bias"]
    projection = parameters["output_proj.weight"], parameters["output_proj.bias"]
    gradients = {}
    g, gradients["output_proj.weight"], gradients["output_proj.bias"] = linear_vjp(g, layer_norm(x, *norm), *projection)
    g, gradients["output_norm.weight"], gradients["output_norm.bias"] = layer_norm_vjp(g, x, *norm)
    for layer, x in reversed(list(enumerate(inputs))):
        g, of_layer = fftnet_layer_vjp(g, x, parameters, f"layers.{layer}.")
        gradients.update(of_layer)
    table = np.zeros(np.shape(parameters["embedding.weight"]))
    np.add.at(table, np.asarray(tokens), g * math.sqrt(table.shape[1]))
    return gradients | {"embedding.weight": table}
