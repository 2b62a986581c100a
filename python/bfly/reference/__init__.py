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

from ._arguments import stages
from ._attention import (
    butterfly_attention,
    butterfly_attention_extended,
    butterfly_attention_rounded,
    fft_inspired_attention,
)
from ._dense import layer_norm, linear
from ._errors import bound, error, load, rounding, storage_type, store
from ._fftnet import fftnet_layer, fftnet_model, sinusoidal_table
from ._filters import fnet_mixing, fourier_filter, spectral_filter, spectral_filter_floor

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
