# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""bfly's mixers for PyTorch (2.10 or later): operators, functions with gradients, and modules (docs/torch.md).

    import torch
    from bfly.torch import FFTNet

    model = FFTNet(vocabulary=4096, dim=256, layers=4).cuda()
    loss = torch.nn.functional.cross_entropy(model(tokens).flatten(0, 1), targets.flatten())
    loss.backward()

spectral_filter, modrelu_filter, butterfly_attention   functions of tensors
SpectralFilter, ButterflyAttention                     the same with parameters
FFTNetLayer, FFTNet, FFTInspiredAttention              what the public implementations have
load_checkpoint                                        takes the checkpoints of those
changing_lengths                                       for sequences that have another length at each call
"""

from ._functions import butterfly_attention, modrelu_filter, spectral_filter
from ._lengths import changing_lengths
from ._loading import load_checkpoint
from ._modules import (
    AdaptiveFilter,
    ButterflyAttention,
    FFTInspiredAttention,
    FFTNet,
    FFTNetLayer,
    ModReLU,
    SpectralFilter,
    StageWeights,
)

__all__ = [
    "AdaptiveFilter",
    "ButterflyAttention",
    "FFTInspiredAttention",
    "FFTNet",
    "FFTNetLayer",
    "ModReLU",
    "SpectralFilter",
    "StageWeights",
    "butterfly_attention",
    "changing_lengths",
    "load_checkpoint",
    "modrelu_filter",
    "spectral_filter",
]
