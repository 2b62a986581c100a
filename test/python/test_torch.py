# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""torch's tensors by DLPack: read where they lie, given back as tensors. Collected where torch is installed."""

import numpy as np
import pytest
import torch

import bfly
from bfly import reference

NORM = """
func.func @norm(%x: tensor<?x4x8xDTYPE>) -> tensor<?x4x8xDTYPE> {
  %y = bfly.layer_norm %x epsilon(1.0e-5) : tensor<?x4x8xDTYPE>
  return %y : tensor<?x4x8xDTYPE>
}
"""
DTYPES = {"f64": torch.float64, "f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16}


@pytest.fixture(scope="module")
def norm():
    return bfly.compile(NORM.replace("DTYPE", "f32"))


@pytest.fixture
def x():
    return torch.randn(2, 4, 8)


@pytest.mark.parametrize("name, dtype", DTYPES.items())
def test_tensors_in_and_out(name, dtype):
    x = torch.randn(3, 4, 8).to(dtype)
    out = bfly.compile(NORM.replace("DTYPE", name))(x)
    assert type(out) is torch.Tensor and out.dtype == dtype and out.shape == x.shape
    oracle = reference.layer_norm(x.double().numpy())
    assert reference.error(out.double().numpy(), oracle) < {"f64": 1e-15, "f32": 1e-6, "f16": 1e-3, "bf16": 8e-3}[name]


def test_results_share_no_memory_and_can_be_written(norm, x):
    first, second = norm(x), norm(x)
    assert first.data_ptr() not in (second.data_ptr(), x.data_ptr())
    assert first.data_ptr() % 64 == 0
    kept = second.clone()
    first.zero_()
    assert torch.equal(second, kept)


def test_out(norm, x):
    out = torch.full_like(x, float("nan"))
    assert norm(x, out=out) is out
    assert torch.equal(out, norm(x))
    with pytest.raises(bfly.BflyError, match="^out: not contiguous"):
        norm(x, out=torch.empty(2, 8, 4).transpose(1, 2))


def test_numpy_and_torch_mix(norm, x):
    """The first array says what comes back."""
    out = np.empty((2, 4, 8), np.float32)
    norm(x, out=out)
    np.testing.assert_array_equal(out, norm(x).numpy())
    wq, wk = (np.random.default_rng(0).standard_normal((2, 8, 8)).astype(np.float32) for _ in range(2))
    assert type(bfly.butterfly_attention(x, wq, wk, heads=2)) is torch.Tensor
    tensors = torch.from_numpy(wq), torch.from_numpy(wk)
    assert type(bfly.butterfly_attention(x.numpy(), *tensors, heads=2)) is np.ndarray


def test_errors(norm, x):
    for bad, message in (
        (
            x.transpose(1, 2),
            r"input 0: shape 2x8x4xf32|input 0: not contiguous in row-major order; give it.contiguous\(\)",
        ),
        (x[..., ::2], "input 0: not contiguous"),
        (x.double(), "input 0: dtype f64, expected f32"),
        (x.int(), "input 0: dtype i32, expected f32"),
        (x.clone().requires_grad_(), "input 0: torch.Tensor cannot be shared: .*grad"),
        (torch.complex(x, x).conj(), "input 0: "),
        (x.to_sparse(), "input 0: "),
        (x.to("meta"), "input 0: "),
    ):
        with pytest.raises(bfly.BflyError, match="^(" + message + ")"):
            norm(bad)
    with pytest.raises(bfly.BflyError, match=r"^x: not contiguous in row-major order; give x.contiguous\(\)"):
        w = torch.randn(2, 8, 8)
        bfly.butterfly_attention(torch.randn(2, 8, 4).transpose(1, 2), w, w, heads=2)


@pytest.mark.parametrize("dtype", DTYPES.values())
@pytest.mark.parametrize("n", [16, 13])
def test_mixers_are_the_definition(dtype, n):
    d, heads = 16, 4
    stages = reference.stages(n)
    x = torch.randn(2, n, d).to(dtype)
    wq, wk = (torch.randn(stages, d, d).mul(d**-0.5).to(dtype) for _ in range(2))
    out = bfly.butterfly_attention(x, wq, wk, heads=heads)
    assert out.dtype == dtype
    wide = [tensor.double().numpy() for tensor in (x, wq, wk)]
    name = next(name for name, one in DTYPES.items() if one == dtype)
    oracle = reference.butterfly_attention(*wide, heads)
    definition = None
    if name in ("f16", "bf16"):
        definition = reference.error(definition_in_torch(x, wq, wk, heads).double().numpy(), oracle)
    limit = reference.bound("butterfly_attention", name, n, definition)
    assert reference.error(out.double().numpy(), oracle) <= limit

    hidden = 20
    shapes = ((d,), (hidden, d), (hidden,), (d, hidden), (d,), (d,))
    weights = [torch.randn(shape).mul(shape[-1] ** -0.5 if len(shape) == 2 else 1.0).to(dtype) for shape in shapes]
    out = bfly.spectral_filter(x, *weights)
    wide = [tensor.double().numpy() for tensor in (x, *weights)]
    floor = reference.spectral_filter_floor(*wide[:-1])
    limit = reference.bound("spectral_filter", name, n)
    assert reference.error(out.double().numpy(), reference.spectral_filter(*wide), floor) <= limit


def definition_in_torch(x, wq, wk, heads):
    """Butterfly attention as it is defined, by torch in x's type: what the bounds for 16 bits are relative to."""
    batch, n, d = x.shape
    padded = 1 << reference.stages(n)
    v = torch.cat([x, x.new_zeros(batch, padded - n, d)], dim=1)
    dh = d // heads
    for stage in range(len(wq)):
        partner = torch.arange(padded) ^ (1 << stage)
        q, k = ((v @ w[stage].T).view(batch, padded, heads, dh) for w in (wq, wk))
        scores = torch.stack([(q * k).sum(-1), (q * k[:, partner]).sum(-1)], dim=-1) * dh**-0.5
        own, other = torch.softmax(scores, dim=-1)[..., None].unbind(-2)
        by_head = v.view(batch, padded, heads, dh)
        v = (own * by_head + other * by_head[:, partner]).view(batch, padded, d)
    return v[:, :n]
