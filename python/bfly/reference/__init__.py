# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The float64 oracle: what every operation computes, written from its definition.

Nothing here is fast, and nothing is shared with the compiler: an answer that both give is an answer. Inputs may
be of any floating type that NumPy can convert (ml_dtypes.bfloat16 included); they are taken as stored, all
arithmetic is float64 or complex128, and so is the result.

Shapes: B batch, N tokens, D channels, H heads, dh = D/H, L = log2 N stages. Tensors are (B, N, D), row major.
Weights are (out, in), as torch.nn.Linear stores them: y = x · Wᵀ.

Beside each operation X stands X_vjp, its derivative (docs/derivatives.md): it takes g, the gradient of X's result, then
X's arguments, or of those what the result depends on, and gives a tuple of gradients in the order of the arguments.
Gradients of complex numbers are PyTorch's, ∂L/∂Re + i ∂L/∂Im. `RULES` has those of the operations of regions.

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
from ._attention_stage import fold_weights, fold_weights_vjp, project, project_vjp
from ._attention_vjp import (
    attention_group,
    attention_group_vjp,
    butterfly_attention_vjp,
    butterfly_attention_vjp_rounded,
    fft_inspired_attention_vjp,
)
from ._dense import layer_norm, layer_norm_vjp, linear, linear_vjp, mean, mean_vjp
from ._errors import bound, error, load, rounding, storage_type, store
from ._fftnet import fftnet_layer, fftnet_layer_vjp, fftnet_model, fftnet_model_vjp, sinusoidal_table
from ._filters import (
    fnet_mixing,
    fnet_mixing_vjp,
    fourier_filter,
    fourier_filter_vjp,
    spectral_filter,
    spectral_filter_floor,
    spectral_filter_vjp,
    spectral_filter_vjp_apart,
    spectral_filter_vjp_rounded,
)
from ._hadamard import hadamard, hadamard_vjp
from ._pullback import pullback
from ._rules import RULES, Rule
from ._spectra import (
    fft,
    fft_vjp,
    ifft,
    ifft_vjp,
    mod_relu,
    mod_relu_vjp,
    spectrum_bin,
    spectrum_bin_vjp,
    spectrum_map,
    spectrum_map_vjp,
)

__all__ = [
    "RULES",
    "Rule",
    "attention_group",
    "attention_group_vjp",
    "bound",
    "butterfly_attention",
    "butterfly_attention_extended",
    "butterfly_attention_rounded",
    "butterfly_attention_vjp",
    "butterfly_attention_vjp_rounded",
    "error",
    "fft",
    "fft_inspired_attention",
    "fft_inspired_attention_vjp",
    "fft_vjp",
    "fftnet_layer",
    "fftnet_layer_vjp",
    "fftnet_model",
    "fftnet_model_vjp",
    "fnet_mixing",
    "fnet_mixing_vjp",
    "fold_weights",
    "fold_weights_vjp",
    "fourier_filter",
    "fourier_filter_vjp",
    "hadamard",
    "hadamard_vjp",
    "ifft",
    "ifft_vjp",
    "layer_norm",
    "layer_norm_vjp",
    "linear",
    "linear_vjp",
    "load",
    "mean",
    "mean_vjp",
    "mod_relu",
    "mod_relu_vjp",
    "project",
    "project_vjp",
    "pullback",
    "rounding",
    "sinusoidal_table",
    "spectral_filter",
    "spectral_filter_floor",
    "spectral_filter_vjp",
    "spectral_filter_vjp_apart",
    "spectral_filter_vjp_rounded",
    "spectrum_bin",
    "spectrum_bin_vjp",
    "spectrum_map",
    "spectrum_map_vjp",
    "stages",
    "storage_type",
    "store",
]
