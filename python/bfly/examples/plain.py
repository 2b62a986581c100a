# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Both mixers, and the models that are made of them, as a user of PyTorch writes them: no part of bfly computes here.

The functions are the definitions (docs/definitions.md), written as well as torch lets one write them. What torch.compile
cannot fuse is written so that it can: complex numbers as pairs of reals. The modules have the parameters of bfly.torch's,
by the same names and of the same shapes, so that a state_dict of one is one of the other.
"""

import math

import torch
from torch import nn
from torch.nn.functional import linear, pad, scaled_dot_product_attention

MAX_STAGES = 16  # that FFT-IA's module has weights for: up to 65536 tokens


def spectral_filter(x, w_base, w1, b1, w2, b2, bias):
    """FFTNet's spectral filter by real transforms, over the tokens of x (B, N, D). It computes in float32 at least,
    since torch has no transforms of 16-bit types on a CPU."""
    stored = x.dtype
    wide = stored if stored == torch.float64 else torch.float32
    x, w_base, w1, b1, w2, b2, bias = (array.to(wide) for array in (x, w_base, w1, b1, w2, b2, bias))
    n = x.shape[1]
    with torch.autocast(x.device.type, enabled=False):
        bins = torch.view_as_real(torch.fft.rfft(x, dim=1))
        context = bins[:, 0, :, 0] / n
        w = w_base + linear(torch.relu(linear(context, w1, b1)), w2, b2)
        w = w[:, None, :]
        # Of a norm the derivative at 0 is 0; of a square root it is infinite.
        magnitude = torch.linalg.vector_norm(bins, dim=-1) * w.abs()
        gain = torch.relu(magnitude + bias) / (magnitude + 1e-10) * w
        return torch.fft.irfft(torch.view_as_complex(bins * gain[..., None]), n=n, dim=1).to(stored)


def butterfly_attention(x, wq, wk, heads, scale=None):
    """Butterfly attention over the tokens of x (B, N, D), N a power of two. Weights are (L, D, D), or per head
    (L, H, dh, dh); L may be 1."""
    batch, n, d = x.shape
    dh = d // heads
    factor = dh**-0.5 if scale is None else scale

    def project(v, w):
        if w.dim() == 2:
            return linear(v, w)
        return torch.einsum("bnhi,hoi->bnho", v.view(batch, n, heads, dh), w)

    v = x
    for stage in range(n.bit_length() - 1):
        weight = stage if len(wq) > 1 else 0
        stride = 1 << stage
        pairs = (batch, n // (2 * stride), 2, stride, heads, dh)
        q, k = project(v, wq[weight]).reshape(pairs), project(v, wk[weight]).reshape(pairs)
        v = v.view(pairs)
        scores = torch.stack([(q * k).sum(-1), (q * k.flip(2)).sum(-1)])
        own, other = torch.softmax(factor * scores, dim=0).to(v.dtype)[..., None]
        v = (own * v + other * v.flip(2)).view(batch, n, d)
    return v


def attention(x, w_in, w_out, heads, backend=None):
    """Multi-head attention: projection to Q, K and V at once, scaled dot products, projection of the result.
    `backend` is a torch.nn.attention.SDPBackend; None: whatever torch takes."""
    batch, n, d = x.shape
    q, k, v = linear(x, w_in).view(batch, n, 3, heads, d // heads).permute(2, 0, 3, 1, 4)
    if backend is None:
        mixed = scaled_dot_product_attention(q, k, v)
    else:
        from torch.nn.attention import sdpa_kernel

        with sdpa_kernel(backend):
            mixed = scaled_dot_product_attention(q, k, v)
    return linear(mixed.transpose(1, 2).reshape(batch, n, d), w_out)


def sinusoidal_table(n, d, device=None):
    """The positions' table (n, d), float64: sines in the even channels, cosines in the odd ones."""
    position = torch.arange(n, dtype=torch.float64, device=device)[:, None]
    angle = position * 10000.0 ** (-torch.arange(0, d, 2, dtype=torch.float64, device=device) / d)
    return torch.stack([torch.sin(angle), torch.cos(angle)], dim=-1).flatten(1)[:, :d]


class AdaptiveFilter(nn.Module):
    """What FFTNet's filter multiplies each bin with: W_base and, from the mean of the tokens, an MLP's result."""

    def __init__(self, dim, hidden):
        super().__init__()
        self.W_base = nn.Parameter(torch.ones(dim))
        self.mlp = nn.Sequential(nn.Linear(dim, hidden), nn.ReLU(), nn.Linear(hidden, dim))


class ModReLU(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(dim))


class FFTNetLayer(nn.Module):
    """LayerNorm_out(x + dropout(spectral_filter(LayerNorm_in(x))))."""

    def __init__(self, dim, hidden=None, dropout=0.0):
        super().__init__()
        self.input_norm = nn.LayerNorm(dim)
        self.adaptive_filter = AdaptiveFilter(dim, 4 * dim if hidden is None else hidden)
        self.modrelu = ModReLU(dim)
        self.dropout = nn.Dropout(dropout)
        self.output_norm = nn.LayerNorm(dim)

    def forward(self, x):
        mlp = self.adaptive_filter.mlp
        y = spectral_filter(
            self.input_norm(x),
            self.adaptive_filter.W_base,
            mlp[0].weight,
            mlp[0].bias,
            mlp[2].weight,
            mlp[2].bias,
            self.modrelu.bias,
        )
        return self.output_norm(x + self.dropout(y))


class FFTNet(nn.Module):
    """Tokens (B, N) to logits (B, N, vocabulary): embedding · sqrt(D) + positions, layers, LayerNorm, projection."""

    layer = FFTNetLayer

    def __init__(self, vocabulary, dim, layers, hidden=None, dropout=0.0):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, dim)
        self.layers = nn.ModuleList([self.layer(dim, hidden, dropout) for _ in range(layers)])
        self.output_norm = nn.LayerNorm(dim)
        self.output_proj = nn.Linear(dim, vocabulary)

    def forward(self, tokens):
        table = self.embedding.weight
        d = table.shape[1]
        x = self.embedding(tokens) * math.sqrt(d) + sinusoidal_table(tokens.shape[1], d, tokens.device).to(table.dtype)
        for layer in self.layers:
            x = layer(x)
        return self.output_proj(self.output_norm(x))


class StageWeights(nn.Module):
    """Weights (stages, out, in), each stage's drawn as nn.Linear draws its own."""

    def __init__(self, stages, out, inner):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(stages, out, inner))
        nn.init.uniform_(self.weight, -(inner**-0.5), inner**-0.5)


class FFTInspiredAttention(nn.Module):
    """FFT-IA's drop-in attention, (B, N, dim) to (B, N, heads · dim_head): a projection, then butterfly attention, to
    which tokens of zeros are added up to a power of two."""

    def __init__(self, dim, heads=8, dim_head=64, dropout=0.0):
        super().__init__()
        inner = heads * dim_head
        self.heads = heads
        self.to_v = nn.Linear(dim, inner, bias=False)
        self.to_q = StageWeights(MAX_STAGES, inner, inner)
        self.to_k = StageWeights(MAX_STAGES, inner, inner)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x):
        n = x.shape[1]
        stages = (n - 1).bit_length()
        v = pad(self.to_v(x), (0, 0, 0, (1 << stages) - n))
        y = butterfly_attention(v, self.to_q.weight[: max(stages, 1)], self.to_k.weight[: max(stages, 1)], self.heads)
        return self.dropout(y[:, :n])


class SoftmaxAttention(nn.Module):
    """What FFT-IA stands in for: every token attends to all, (B, N, dim) to (B, N, heads · dim_head)."""

    def __init__(self, dim, heads=8, dim_head=64, dropout=0.0):
        super().__init__()
        self.heads = heads
        self.to_qkv = nn.Linear(dim, 3 * heads * dim_head, bias=False)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x):
        batch, n, _ = x.shape
        q, k, v = self.to_qkv(x).view(batch, n, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        return self.dropout(scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(batch, n, -1))


class Block(nn.Module):
    """x + to_out(attention(LayerNorm(x))), then the same with an MLP."""

    def __init__(self, attention, dim, heads, dropout=0.0):
        super().__init__()
        self.attention_norm = nn.LayerNorm(dim)
        self.attention = attention(dim, heads, dim // heads, dropout)
        self.to_out = nn.Linear(dim, dim)
        self.mlp_norm = nn.LayerNorm(dim)
        self.mlp = nn.Sequential(nn.Linear(dim, 4 * dim), nn.GELU(), nn.Linear(4 * dim, dim))

    def forward(self, x):
        x = x + self.to_out(self.attention(self.attention_norm(x)))
        return x + self.mlp(self.mlp_norm(x))


class Transformer(nn.Module):
    """Tokens (B, N) to the logits (B, answers) of the last token. `attention` makes a layer's attention, from (dim,
    heads, dim_head, dropout)."""

    def __init__(self, attention, vocabulary, answers, dim, layers, heads, dropout=0.0):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, dim)
        self.layers = nn.ModuleList([Block(attention, dim, heads, dropout) for _ in range(layers)])
        self.output_norm = nn.LayerNorm(dim)
        self.output_proj = nn.Linear(dim, answers)

    def forward(self, tokens):
        table = self.embedding.weight
        x = self.embedding(tokens) + sinusoidal_table(tokens.shape[1], table.shape[1], tokens.device).to(table.dtype)
        for layer in self.layers:
            x = layer(x)
        return self.output_proj(self.output_norm(x[:, -1]))
