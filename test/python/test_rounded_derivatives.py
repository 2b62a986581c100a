# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The derivatives that are evaluated in a type: what they are rounded from, and, where torch is installed, that their
errors are those of PyTorch's own backward."""

import numpy as np
import pytest

from bfly import reference

TYPES = ("f32", "bf16", "f16")


def filter_problem(rng, dtype):
    batch, n, d, hidden = 3, 13, 6, 5

    def draw(*shape, scale=1.0):
        return reference.store(scale * rng.standard_normal(shape), dtype)

    problem = (
        draw(batch, n, d), draw(d), draw(hidden, d, scale=0.4), draw(hidden), draw(d, hidden, scale=0.4),
        reference.store(3 + rng.uniform(size=d), dtype), reference.store(rng.uniform(-1, -0.1, d), dtype),
    )  # fmt: skip
    return draw(batch, n, d), problem


def attention_problem(rng, dtype):
    shapes = (2, 8, 6), (3, 6, 6), (3, 6, 6)
    problem = [
        reference.store(rng.standard_normal(shape) * (1 if i == 0 else 0.4), dtype) for i, shape in enumerate(shapes)
    ]
    return reference.store(rng.standard_normal(shapes[0]), dtype), problem


def errors(gradients, wanted):
    return [np.linalg.norm(one - other) / np.linalg.norm(other) for one, other in zip(gradients, wanted, strict=True)]


def test_of_f64_they_are_the_derivatives():
    rng = np.random.default_rng(1)
    g, problem = filter_problem(rng, "f64")
    exact = reference.spectral_filter_vjp(g, *problem)
    assert max(errors(reference.spectral_filter_vjp_rounded(g, *problem, "f64"), exact)) < 1e-13
    g, problem = attention_problem(rng, "f64")
    exact = reference.butterfly_attention_vjp(g, *problem, 2)[:3]
    assert max(errors(reference.butterfly_attention_vjp_rounded(g, *problem, 2, "f64")[:3], exact)) < 1e-13


@pytest.mark.parametrize("dtype", TYPES)
def test_a_unit_changes_nothing_but_roundings(dtype):
    size = {"f32": 1e-5, "f16": 0.03, "bf16": 0.2}[dtype]
    rng = np.random.default_rng(2)
    g, problem = filter_problem(rng, dtype)
    exact = reference.spectral_filter_vjp(g, *problem)
    for unit in (1.0, 0.7):
        assert max(errors(reference.spectral_filter_vjp_rounded(g, *problem, dtype, unit=unit), exact)) < size
    g, problem = attention_problem(rng, dtype)
    exact = reference.butterfly_attention_vjp(g, *problem, 2)[:3]
    for unit in (1.0,) if dtype == "f32" else (1.0, 0.7):
        found = reference.butterfly_attention_vjp_rounded(g, *problem, 2, dtype, unit=unit)[:3]
        assert max(errors(found, exact)) < size


def eager_filter(torch, x, w_base, w1, b1, w2, b2, bias):
    """FFTNet's, as its public implementation has it; transforms of 16 bits are done in f32."""
    linear = torch.nn.functional.linear
    bins = torch.fft.rfft(x if x.dtype == torch.float32 else x.float(), dim=1)
    w = w_base + linear(torch.relu(linear(x.mean(1), w1, b1)), w2, b2)
    z = bins * w[:, None]
    size = z.abs()
    a = torch.relu(size + bias) / (size + 1e-10) * z
    return torch.fft.irfft(a, n=x.shape[1], dim=1).to(x.dtype)


def eager_attention(torch, x, wq, wk):
    batch, n, d = x.shape
    heads, v = 2, x
    for stage in range(len(wq)):
        partner = torch.arange(n) ^ (1 << stage)
        q, k = ((v @ w[stage].T).view(batch, n, heads, -1) for w in (wq, wk))
        scores = torch.stack([(q * k).sum(-1), (q * k[:, partner]).sum(-1)], -1)
        a = torch.softmax(scores * (d // heads) ** -0.5, -1)
        by_head = v.view(batch, n, heads, -1)
        v = (a[..., :1] * by_head + a[..., 1:] * by_head[:, partner]).reshape(batch, n, d)
    return v


@pytest.mark.parametrize("name", ["filter", "attention"])
@pytest.mark.parametrize("dtype", ["bf16", "f16"])
def test_errors_are_those_of_pytorch(name, dtype):
    """The root of the mean of their squares, over problems."""
    torch = pytest.importorskip("torch")
    of = {"bf16": torch.bfloat16, "f16": torch.float16}[dtype]
    rng, theirs, ours = np.random.default_rng(3), [], []
    for _ in range(40):
        g, problem = (filter_problem if name == "filter" else attention_problem)(rng, dtype)
        leaves = [torch.tensor(reference.load(array)).to(of).requires_grad_() for array in problem]
        result = (eager_filter if name == "filter" else eager_attention)(torch, *leaves)
        result.backward(torch.tensor(reference.load(g)).to(of))
        if name == "filter":
            exact = reference.spectral_filter_vjp(g, *problem)
            rounded = reference.spectral_filter_vjp_rounded(g, *problem, dtype)
        else:
            exact = reference.butterfly_attention_vjp(g, *problem, 2)[:3]
            rounded = reference.butterfly_attention_vjp_rounded(g, *problem, 2, dtype)[:3]
        theirs.append(errors([leaf.grad.double().numpy() for leaf in leaves], exact))
        ours.append(errors(rounded, exact))
    ratio = np.sqrt(np.mean(np.square(ours), axis=0) / np.mean(np.square(theirs), axis=0))
    assert ratio.min() > 0.8 and ratio.max() < 1.1, ratio
