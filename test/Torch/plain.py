# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The mixers and the models in plain PyTorch, by their definitions (docs/definitions.md), and arguments for them."""

import math

import torch
from torch import nn
from torch.nn.functional import linear, pad

FILTER_NAMES = ("x", "w_base", "w1", "b1", "w2", "b2", "bias")


def modrelu(g, bias):
    return torch.relu(g.abs() + bias) * g / (g.abs() + 1e-10)


def modrelu_filter(x, w, bias):
    n = x.shape[-2]
    return torch.fft.irfft(modrelu(torch.fft.rfft(x, dim=-2) * w[..., None, :], bias), n=n, dim=-2)


def spectral_filter(x, w_base, w1, b1, w2, b2, bias):
    w = w_base + linear(torch.relu(linear(x.mean(-2), w1, b1)), w2, b2)
    return modrelu_filter(x, w, bias)


def spectral_filter_otherwise(x, w_base, w1, b1, w2, b2, bias):
    """The same, its sums in another order: by a product with the matrix of the transform."""
    n = x.shape[-2]
    token = torch.arange(n, dtype=torch.float64, device=x.device)
    angle = (-2 * math.pi / n * (token[:, None] * token[None, :] % n)).to(x.dtype)
    real, imag = torch.cos(angle) @ x, torch.sin(angle) @ x
    hidden = torch.relu((w1.flip(1) * (real[..., 0, :] / n).flip(-1)[..., None, :]).sum(-1) + b1)
    w = w_base + (w2.flip(1) * hidden.flip(-1)[..., None, :]).sum(-1) + b2
    a = modrelu(torch.complex(real, imag) * w[..., None, :], bias)
    return (torch.cos(angle) @ a.real + torch.sin(angle) @ a.imag) / n


def butterfly_attention(x, wq, wk, heads, scale=None):
    n, d = x.shape[-2:]
    dh = d // heads
    stages = (n - 1).bit_length()
    v = pad(x, (0, 0, 0, (1 << stages) - n))

    def project(v, weights, stage):
        w = weights[stage if len(weights) > 1 else 0]
        if w.shape == (d, d):
            return linear(v, w).unflatten(-1, (heads, dh))
        return torch.einsum("...hi,hoi->...ho", v.unflatten(-1, (heads, dh)), w.expand(heads, dh, dh))

    for stage in range(stages):
        partner = torch.arange(1 << stages, device=x.device) ^ (1 << stage)
        q, k, u = project(v, wq, stage), project(v, wk, stage), v.unflatten(-1, (heads, dh))
        scores = torch.stack([(q * k).sum(-1), (q * k[..., partner, :, :]).sum(-1)])
        own, other = torch.softmax((dh**-0.5 if scale is None else scale) * scores, dim=0)[..., None]
        v = (own * u + other * u[..., partner, :, :]).flatten(-2)
    return v[..., :n, :]


def filter_arguments(*shape, hidden=5, dtype=torch.float32, device="cpu", grad=False):
    """x of a shape (…, N, D) and the filter's parameters; thresholds cut some of the bins off."""
    d = shape[-1]
    shapes = (shape, (d,), (hidden, d), (hidden,), (d, hidden), (d,), (d,))
    return [
        torch.randn(size, dtype=torch.float64).sub(0.5 if name == "bias" else 0).to(device, dtype).requires_grad_(grad)
        for name, size in zip(FILTER_NAMES, shapes)
    ]


def attention_arguments(*shape, weights, dtype=torch.float32, device="cpu", grad=False):
    return [
        torch.randn(size, dtype=torch.float64).to(device, dtype).requires_grad_(grad)
        for size in (shape, weights, weights)
    ]


class Plain(nn.Module):
    """A model of bfly.torch with the mixers of plain PyTorch, which shares nothing with it but its modules for parameters.

    model   copied, and left as it is.
    mixer   the filter's function.
    """

    def __init__(self, model, mixer=spectral_filter):
        super().__init__()
        self.mixer = mixer
        for name, child in model.named_children():
            self.add_module(name, child)

    def forward(self, tokens):
        table = self.embedding.weight
        n, d = tokens.shape[1], table.shape[1]
        position = torch.arange(n, dtype=torch.float64)[:, None]
        angle = position / 10000.0 ** (torch.arange(0, d, 2, dtype=torch.float64) / d)
        positions = torch.stack([angle.sin(), angle.cos()], -1).flatten(1)[:, :d].to(table.device, table.dtype)
        x = self.embedding(tokens) * math.sqrt(d) + positions
        for layer in self.layers:
            first, _, second = layer.adaptive_filter.mlp
            y = self.mixer(
                layer.input_norm(x),
                layer.adaptive_filter.W_base,
                first.weight,
                first.bias,
                second.weight,
                second.bias,
                layer.modrelu.bias,
            )
            x = layer.output_norm(x + y)
        return self.output_proj(self.output_norm(x))
