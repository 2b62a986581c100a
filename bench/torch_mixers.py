# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Both mixers, and the attention that they stand in for, as a user of PyTorch writes them: functions of tensors.

They are the definitions, written as well as torch lets one write them. What torch.compile cannot fuse is
written so that it can: complex numbers as pairs of reals.
"""

import torch
from torch.nn.functional import linear, scaled_dot_product_attention


def spectral_filter(n, through=None):
    """FFTNet's spectral filter of n tokens by real transforms. `through`: the type to compute in, for storage
    types that torch has no transforms of."""

    def run(x, w_base, w1, b1, w2, b2, bias):
        stored = x.dtype
        if through is not None:
            x, w_base, w1, b1, w2, b2, bias = (array.to(through) for array in (x, w_base, w1, b1, w2, b2, bias))
        bins = torch.view_as_real(torch.fft.rfft(x, dim=1))
        context = bins[:, 0, :, 0] / n
        w = w_base + linear(torch.relu(linear(context, w1, b1)), w2, b2)
        w = w[:, None, :]
        magnitude = bins.square().sum(-1).sqrt() * w.abs()
        gain = torch.relu(magnitude + bias) / (magnitude + 1e-10) * w
        return torch.fft.irfft(torch.view_as_complex(bins * gain[..., None]), n=n, dim=1).to(stored)

    return run


def butterfly(n, heads, scale=None):
    """Butterfly attention of n tokens, a power of two. Weights are (L, D, D), or per head (L, H, dh, dh); L may be 1."""

    def run(x, wq, wk):
        batch, _, d = x.shape
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
            own, other = torch.softmax(factor * scores, dim=0)[..., None]
            v = (own * v + other * v.flip(2)).view(batch, n, d)
        return v

    return run


def attention(heads, backend=None):
    """Multi-head attention: projection to Q, K and V at once, scaled dot products, projection of the result.
    `backend` is a torch.nn.attention.SDPBackend; None: whatever torch takes."""
    from torch.nn.attention import sdpa_kernel

    def run(x, w_in, w_out):
        batch, n, d = x.shape
        q, k, v = linear(x, w_in).view(batch, n, 3, heads, d // heads).permute(2, 0, 3, 1, 4)
        if backend is None:
            mixed = scaled_dot_product_attention(q, k, v)
        else:
            with sdpa_kernel(backend):
                mixed = scaled_dot_product_attention(q, k, v)
        return linear(mixed.transpose(1, 2).reshape(batch, n, d), w_out)

    return run
