# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""bfly: compile and run token mixers that are shaped like a Fourier transform.

    import bfly

    kernel = bfly.compile("layer.mlir", function="layer")       # a file, or the IR itself
    y = kernel(x, parameters={"w": w})                           # arrays of NumPy, torch, or anything with DLPack
    print(kernel.ir("affine"), kernel.report)

    print(bfly.tune("layer.mlir", [x], {"w": w}).text)           # how good its plans are on this machine

    backward = bfly.compile(bfly.differentiate("layer.mlir"))    # its gradients; bfly.torch trains with them

    y = bfly.spectral_filter(x, w_base, w1, b1, w2, b2, bias)    # FFTNet's mixer
    y = bfly.butterfly_attention(x, wq, wk, heads=8)             # FFT-IA's

Arrays are taken where they lie, never copied, and so have to be contiguous. For a GPU (device="cuda"), those of torch and
cupy stay on it, and the caller's stream is used; those of NumPy are copied there and back. What fails raises BflyError,
which names the argument. `bfly.reference` has the definitions in NumPy; it works without the compiled library.
"""

from ._cache import CacheInfo, cache_info, clear_cache
from ._derivative import differentiate
from ._errors import BflyError
from ._kernel import Kernel, Value, compile, is_available, version
from ._mixers import butterfly_attention, spectral_filter
from ._tuning import TriedPlan, Tuning, tune

__all__ = [
    "BflyError",
    "CacheInfo",
    "Kernel",
    "TriedPlan",
    "Tuning",
    "Value",
    "butterfly_attention",
    "cache_info",
    "clear_cache",
    "compile",
    "differentiate",
    "is_available",
    "spectral_filter",
    "tune",
    "version",
]
