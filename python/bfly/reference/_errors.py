# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Storage types, the error of a result, and the largest that it may have."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from .. import _bfloat16
from ._arguments import as_float64, stages


def storage_type(name: str) -> np.dtype:
    """NumPy's type for a storage type by its MLIR name: f64, f32, f16 or bf16 (ml_dtypes' if installed, else bytes)."""
    if name == "bf16":
        return _bfloat16.dtype()
    known = {"f64": np.float64, "f32": np.float32, "f16": np.float16}
    if name not in known:
        raise ValueError(f"dtype: {name!r}, expected one of f64, f32, f16, bf16")
    return np.dtype(known[name])


def store(values: ArrayLike, name: str) -> np.ndarray:
    """Real numbers rounded to the storage type `name`, as an array of that type."""
    return _bfloat16.from_float(values) if name == "bf16" else np.asarray(values).astype(storage_type(name))


def load(array: ArrayLike) -> np.ndarray:
    """What an array of a storage type holds, as float64, or complex128 if it is complex."""
    array = np.asarray(array)
    return array.astype(np.complex128) if np.iscomplexobj(array) else as_float64(array, "array")


def rounding(name: str) -> Callable[[ArrayLike], np.ndarray]:
    """A function that rounds an array to the storage type `name` and gives it back as float64."""
    storage_type(name)
    return lambda value: load(store(value, name))


def error(out: ArrayLike, ref: ArrayLike, floor: float | None = None) -> float:
    """‖out − ref‖₂ / max(‖ref‖₂, floor): the error of a result.

    out, ref   real arrays of one shape (ValueError otherwise); any floating type.
    floor      a least denominator, for a spectral filter that of `spectral_filter_floor`.

    A NaN or Inf on either side gives inf, so that it passes no bound. Two all-zero results differ by 0.
    """
    out, ref = as_float64(out, "out"), as_float64(ref, "ref")
    if out.shape != ref.shape:
        raise ValueError(f"out: shape {out.shape}, expected {ref.shape}")
    # Compared first: `nan <= bound` is false, but `max` and sorting of errors would lose it.
    if not (np.isfinite(out).all() and np.isfinite(ref).all()):
        return math.inf
    difference = float(np.linalg.norm(out - ref))
    size = max(float(np.linalg.norm(ref)), 0.0 if floor is None else float(floor))
    if difference == 0.0:
        return 0.0
    return difference / size if size > 0.0 else math.inf


def bound(
    op: str,
    dtype: str,
    n: int,
    definition_error: float | None = None,
    fused: bool = True,
    backward: bool = False,
) -> float:
    """The largest `error` that a result may have, or, with `backward`, a gradient.

    op       "spectral_filter", "butterfly_attention" or "hadamard".
    dtype    storage type: "f64", "f32", "f16" or "bf16".
    n        tokens N, before padding.
    definition_error  the error of the definition evaluated in that type on the same inputs (by PyTorch, or by
             `butterfly_attention_rounded`; its derivative, by `butterfly_attention_vjp_rounded`). 1.25 times that is
             allowed where it is more than the type's bound: of scores that saturate the definition itself is chaotic.
             Butterfly attention in 16 bits has no other bound, nor has a gradient in 16 bits.
    fused    whether the network is compiled as a whole. With `fuse=False` one in 16 bits rounds after each operation
             and may err twice as much.

        f64: 1e-13 · max(1, log2 N)     f32: 3e-7 · max(1, log2 N) filter, 1e-6 · L butterfly, 6e-8 · (L + 2) Hadamard
        16 bits: 2.5e-3 (bf16), 7e-4 (f16) filter, 1.25 · definition_error butterfly, 4e-3 and 5e-4 Hadamard
        gradients: f64: 1e-12     f32: 20 times the above     16 bits: 1.25 · definition_error

    One token passes through a butterfly untouched (L = 0), so its bound in f32 is 0.
    """
    storage_type(dtype)
    if op not in ("spectral_filter", "butterfly_attention", "hadamard"):
        raise ValueError(f'op: {op!r}, expected "spectral_filter", "butterfly_attention" or "hadamard"')
    count = stages(n)
    narrow = dtype in ("bf16", "f16")
    if narrow and (backward or op == "butterfly_attention"):
        if definition_error is None:
            what = "a gradient" if backward else "butterfly attention"
            raise ValueError(f"definition_error: needed for {what} in {dtype}")
        stated = 0.0
    elif dtype == "f64":
        stated = 1e-12 if backward else 1e-13 * max(1.0, math.log2(n))
    elif narrow:
        stated = ({"bf16": 4e-3, "f16": 5e-4} if op == "hadamard" else {"bf16": 2.5e-3, "f16": 7e-4})[dtype]
    else:
        attention, filters, hadamard = 1e-6 * count, 3e-7 * max(1.0, math.log2(n)), 6e-8 * (count + 2)
        stated = {"butterfly_attention": attention, "spectral_filter": filters, "hadamard": hadamard}[op]
        stated *= 20 if backward else 1
    if definition_error is not None:
        stated = max(stated, 1.25 * definition_error)
    return stated if fused or not narrow else 2 * stated
