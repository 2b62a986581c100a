# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""bf16 without ml_dtypes: the same bytes as with it, through a kernel too."""

import numpy as np
import pytest

import bfly
from bfly import _bfloat16, reference

NORM = """
func.func @norm(%x: tensor<3x8xbf16>, %scale: bf16) -> tensor<3x8xbf16> {
  %y = bfly.layer_norm %x epsilon(1.0e-5) : tensor<3x8xbf16>
  return %y : tensor<3x8xbf16>
}
"""


@pytest.fixture
def bare(monkeypatch):
    """The type that stands in where ml_dtypes is not installed."""
    monkeypatch.setattr(_bfloat16, "dtype", lambda: np.dtype((_bfloat16.bfloat, "V2")))


def bits():
    """Every pattern of the upper half, with lower halves on both sides of a tie."""
    high = np.arange(2**16, dtype=np.uint32)[:, None] << 16
    return (high | np.array([0, 1, 0x7FFF, 0x8000, 0x8001, 0xFFFF], np.uint32)).view(np.float32)


def test_rounding_is_that_of_ml_dtypes(bare):
    import ml_dtypes

    values = bits()
    with np.errstate(invalid="ignore"):
        want = values.astype(ml_dtypes.bfloat16)
    ours = _bfloat16.from_float(values)
    number = ~np.isnan(values)
    assert (ours.view(np.uint16) == want.view(np.uint16))[number].all()
    assert np.isnan(_bfloat16.to_float(ours)[~number]).all()
    assert np.array_equal(_bfloat16.to_float(want), want.astype(np.float32), equal_nan=True)


def test_what_is_stored_is_not_rounded_again(bare):
    values = bits()[::257]
    stored = reference.store(values, "bf16")
    assert stored.shape == values.shape and stored.dtype.name == "bfloat16"
    assert reference.store(stored, "bf16") is stored
    back = reference.store(_bfloat16.to_float(stored), "bf16")
    assert np.array_equal(back.view(np.uint16), stored.view(np.uint16))


def test_a_scalar(bare):
    stored = reference.store(1.5, "bf16")
    assert stored.shape == () and _bfloat16.to_float(stored) == 1.5


def test_a_kernel_takes_and_gives_it(bare):
    kernel = bfly.compile(NORM)
    values = np.linspace(-2, 5, 24).reshape(3, 8)
    out = kernel(reference.store(values, "bf16"), 1.0)
    assert out.dtype.name == "bfloat16"
    want = reference.layer_norm(reference.rounding("bf16")(values))
    assert reference.error(out, want) < 2**-8
