# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The mixers with their parameters, and the networks that are made of them."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from ._functions import butterfly_attention, spectral_filter

MAX_TOKENS = 65536  # what FFT-IA's module has weights for, in 16 stages


class _Renaming(nn.Module):
    """A module that takes its parameters by the names and shapes of public checkpoints too."""

    def _rename_checkpoint(self, state_dict, prefix):
        raise NotImplementedError

    def _load_from_state_dict(self, state_dict, prefix, *rest):
        self._rename_checkpoint(state_dict, prefix)
        super()._load_from_state_dict(state_dict, prefix, *rest)


class AdaptiveFilter(_Renaming):
    """The parameters of what FFTNet's filter multiplies each bin with: W_base (dim), and an MLP of the tokens' mean."""

    def __init__(self, dim: int, hidden: int | None = None):
        super().__init__()
        hidden = 4 * dim if hidden is None else hidden
        self.W_base = nn.Parameter(torch.ones(dim))
        self.mlp = nn.Sequential(nn.Linear(dim, hidden), nn.ReLU(), nn.Linear(hidden, dim))

    def _rename_checkpoint(self, state_dict, prefix):
        """Public checkpoints have (1, 1, dim)."""
        name = prefix + "W_base"
        value = state_dict.get(name)
        if isinstance(value, Tensor) and value.dim() > 1 and set(value.shape[:-1]) == {1}:
            state_dict[name] = value.reshape(-1)


class ModReLU(nn.Module):
    """The bias (dim) of modReLU."""

    def __init__(self, dim: int):
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(dim))


class SpectralFilter(nn.Module):
    """FFTNet's spectral filter with its parameters: (…, N, dim) to the same.

    dim     channels.
    hidden  of the context's MLP; None: 4 · dim.
    axis    the tokens' dimension.

    Parameters: adaptive_filter.W_base, adaptive_filter.mlp.0.weight, .0.bias, .2.weight, .2.bias, modrelu.bias.
    """

    def __init__(self, dim: int, hidden: int | None = None, *, axis: int = -2):
        super().__init__()
        self.axis = axis
        self.adaptive_filter = AdaptiveFilter(dim, hidden)
        self.modrelu = ModReLU(dim)

    def forward(self, x: Tensor, mean: Tensor | None = None) -> Tensor:
        """`mean` (…, dim) takes the place of the mean of the tokens."""
        return self._filter(x, mean)

    def _filter(self, x, mean=None):
        first, _, second = self.adaptive_filter.mlp
        return spectral_filter(
            x,
            self.adaptive_filter.W_base,
            first.weight,
            first.bias,
            second.weight,
            second.bias,
            self.modrelu.bias,
            mean=mean,
            axis=self.axis,
        )


class FFTNetLayer(SpectralFilter):
    """An FFTNet layer, (…, N, dim) to the same: LayerNorm_out(x + dropout(filter(LayerNorm_in(x)))).

    dim, hidden  as SpectralFilter has them.
    dropout      the share of the filter's result that is set to zero in training.
    norm         whether there are the two LayerNorms, input_norm and output_norm.
    """

    def __init__(self, dim: int, hidden: int | None = None, dropout: float = 0.0, *, norm: bool = True):
        super().__init__(dim, hidden)
        self.input_norm = nn.LayerNorm(dim) if norm else nn.Identity()
        self.output_norm = nn.LayerNorm(dim) if norm else nn.Identity()
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, mean: Tensor | None = None) -> Tensor:
        """`mean` (…, dim) takes the place of the mean of the normed tokens."""
        return self.output_norm(x + self.dropout(self._filter(self.input_norm(x), mean)))


class FFTNet(nn.Module):
    """FFTNet's model, tokens (B, N) to logits (B, N, vocabulary): embedding · sqrt(dim) + positions, layers, LayerNorm,
    projection. The positions are sines and cosines, made for the N at hand.

    vocabulary, dim, layers  sizes.
    hidden, dropout          as FFTNetLayer has them.
    """

    def __init__(self, vocabulary: int, dim: int, layers: int, hidden: int | None = None, dropout: float = 0.0):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, dim)
        self.layers = nn.ModuleList([FFTNetLayer(dim, hidden, dropout) for _ in range(layers)])
        self.output_norm = nn.LayerNorm(dim)
        self.output_proj = nn.Linear(dim, vocabulary)

    def forward(self, tokens: Tensor) -> Tensor:
        dim = self.embedding.embedding_dim
        table = positions(tokens.shape[-1], dim, tokens.device)
        x = self.embedding(tokens) * math.sqrt(dim)
        x = x + table.to(x.dtype)
        for layer in self.layers:
            x = layer(x)
        return self.output_proj(self.output_norm(x))


def positions(n: int, dim: int, device: torch.device | str | None = None) -> Tensor:
    """FFTNet's table of positions (n, dim), float64: sin(t · 10000^(−2i/dim)) in channel 2i, its cosine in 2i + 1."""
    token = torch.arange(n, dtype=torch.float64, device=device)[:, None]
    angle = token * 10000.0 ** (-torch.arange(0, dim, 2, dtype=torch.float64, device=device) / dim)
    return torch.stack([torch.sin(angle), torch.cos(angle)], dim=-1).flatten(1)[:, :dim]


class StageWeights(nn.Module):
    """One matrix, or one a head, for each stage: weight (stages, …, out, in), drawn as nn.Linear draws its own."""

    def __init__(self, *shape: int):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(shape))
        nn.init.uniform_(self.weight, -(shape[-1] ** -0.5), shape[-1] ** -0.5)


class ButterflyAttention(nn.Module):
    """Butterfly attention with its parameters: (…, N, dim) to the same, N up to `max_tokens`.

    dim, heads   channels, and heads that share them.
    weights      "dense": each head's queries and keys see all channels; "per_head": its own.
    shared       one set of weights for all stages.
    scale        of the scores; None: 1 / sqrt(dim / heads).
    axis         the tokens' dimension.

    Parameters: to_q.weight and to_k.weight, (stages, dim, dim) or (stages, heads, dim_head, dim_head). Stages that N tokens
    do not need get gradients of zeros.
    """

    def __init__(
        self,
        dim: int,
        heads: int = 8,
        *,
        weights: str = "dense",
        shared: bool = False,
        scale: float | None = None,
        max_tokens: int = MAX_TOKENS,
        axis: int = -2,
    ):
        super().__init__()
        if not isinstance(heads, int) or heads < 1 or dim < 1 or dim % heads:
            raise ValueError(f"heads: {heads!r}, expected a divisor of the {dim} channels")
        if weights not in ("dense", "per_head"):
            raise ValueError(f'weights: {weights!r}, expected "dense" or "per_head"')
        if not isinstance(max_tokens, int) or max_tokens < 1:
            raise ValueError(f"max_tokens: {max_tokens!r}, expected a whole number from 1")
        self.heads, self.scale, self.axis = heads, scale, axis
        inner = dim // heads
        shape = (dim, dim) if weights == "dense" else (heads, inner, inner)
        stages = 1 if shared else max((max_tokens - 1).bit_length(), 1)
        self.to_q = StageWeights(stages, *shape)
        self.to_k = StageWeights(stages, *shape)

    def forward(self, x: Tensor) -> Tensor:
        return butterfly_attention(x, self.to_q.weight, self.to_k.weight, self.heads, scale=self.scale, axis=self.axis)


class FFTInspiredAttention(_Renaming, ButterflyAttention):
    """FFT-IA's drop-in attention, (…, N, dim) to (…, N, heads · dim_head): a projection, butterfly attention with dense
    weights, dropout.

    max_tokens  the largest N: there are weights for so many stages, by default for the 16 that the public module has.

    Parameters: to_v.weight (inner, dim), to_q.weight and to_k.weight (stages, inner, inner), inner = heads · dim_head. The
    public module's to_qk.<stage>.weight, [Wq; Wk], is taken for them by load_state_dict.
    """

    def __init__(
        self, dim: int, heads: int = 8, dim_head: int = 64, dropout: float = 0.0, *, max_tokens: int = MAX_TOKENS
    ):
        inner = heads * dim_head
        super().__init__(inner, heads, max_tokens=max_tokens)
        self.to_v = nn.Linear(dim, inner, bias=False)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        return self.dropout(super().forward(self.to_v(x)))

    def _rename_checkpoint(self, state_dict, prefix):
        """to_qk.<stage>.weight of each stage becomes to_q.weight and to_k.weight."""
        if f"{prefix}to_q.weight" in state_dict or f"{prefix}to_k.weight" in state_dict:
            return  # then to_qk is one too many
        stages, inner, _ = self.to_q.weight.shape
        names = [f"{prefix}to_qk.{stage}.weight" for stage in range(stages)]
        if all(getattr(state_dict.get(name), "shape", None) == (2 * inner, inner) for name in names):
            pairs = torch.stack([state_dict.pop(name) for name in names])
            state_dict[prefix + "to_q.weight"], state_dict[prefix + "to_k.weight"] = pairs.split(inner, dim=1)
