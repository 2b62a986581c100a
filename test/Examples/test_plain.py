# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The plain models are what the oracle defines, and ours have their parameters."""

import numpy as np
import pytest
import torch
from layers import MODELS

from bfly import reference
from bfly.examples import _training, plain


def drawn(module, seed=0):
    """The module in float64, none of its parameters what it begins with."""
    module.double()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            parameter.add_(torch.randn(parameter.shape, dtype=torch.float64, generator=generator), alpha=0.2)
            if name.endswith("modrelu.bias"):
                parameter.sub_(1.0)
    return module


def arrays(module):
    return {name: value.numpy() for name, value in module.state_dict().items()}


def close(ours, theirs):
    np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("n, d", [(1, 4), (12, 6), (16, 8)])
def test_fftnet_is_the_oracle_s(n, d):
    model = drawn(plain.FFTNet(11, d, 2, hidden=5))
    tokens = torch.randint(11, (3, n), generator=torch.Generator().manual_seed(n))
    logits = model(tokens)
    gradient = torch.randn(logits.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    logits.backward(gradient)
    close(logits.detach().numpy(), reference.fftnet_model(tokens.numpy(), arrays(model)))
    wanted = reference.fftnet_model_vjp(gradient.numpy(), tokens.numpy(), arrays(model))
    assert wanted.keys() == dict(model.named_parameters()).keys()
    for name, parameter in model.named_parameters():
        close(parameter.grad.numpy(), wanted[name])


@pytest.mark.parametrize("n", [1, 2, 6, 16])
def test_fft_inspired_attention_is_the_oracle_s(n):
    module = drawn(plain.FFTInspiredAttention(6, heads=2, dim_head=4))
    x = torch.randn(3, n, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(n), requires_grad=True)
    y = module(x)
    stages = reference.stages(n)
    # Of one token there is no stage, and nothing to project.
    weights = [getattr(module, name).weight.detach().numpy()[: max(stages, 1)] for name in ("to_q", "to_k")]
    v = x.detach().numpy() @ module.to_v.weight.detach().numpy().T
    close(y.detach().numpy(), reference.butterfly_attention(v, *weights, 2) if stages else v)
    gradient = torch.randn(y.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    y.backward(gradient)
    if stages:
        gv, gq, gk, *_ = reference.butterfly_attention_vjp(gradient.numpy(), v, *weights, 2)
        close(x.grad.numpy(), gv @ module.to_v.weight.detach().numpy())
        close(module.to_q.weight.grad[:stages].numpy(), gq)
        close(module.to_k.weight.grad[:stages].numpy(), gk)
        assert not module.to_q.weight.grad[stages:].any()


def test_bins_of_zero_have_a_gradient():
    """All tokens alike: every bin but the first is 0."""
    x = torch.ones(1, 8, 4, dtype=torch.float64, requires_grad=True)
    values = [torch.ones(shape, dtype=torch.float64) for shape in ((4,), (4, 4), (4,), (4, 4), (4,))]
    plain.spectral_filter(x, *values, torch.zeros(4, dtype=torch.float64)).sum().backward()
    assert torch.isfinite(x.grad).all()


@pytest.mark.parametrize("kind", ["fft-ia", "softmax"])
def test_one_attention_stands_in_for_the_other(kind):
    attention = plain.FFTInspiredAttention if kind == "fft-ia" else plain.SoftmaxAttention
    model = plain.Transformer(attention, 9, 3, dim=8, layers=2, heads=2)
    assert model(torch.zeros(2, 16, dtype=torch.long)).shape == (2, 3)


@pytest.mark.skipif("bfly" not in MODELS, reason="bfly.torch is not there")
def test_parameters_are_those_of_bfly_torch():
    ours = _training.layers_of("bfly")
    for one, other in (
        (plain.FFTNet(7, 8, 2, hidden=5), ours.FFTNet(7, 8, 2, hidden=5)),
        (plain.FFTInspiredAttention(8, 2, 4), ours.FFTInspiredAttention(8, 2, 4)),
    ):
        shapes = [{name: value.shape for name, value in model.state_dict().items()} for model in (one, other)]
        assert shapes[0] == shapes[1]
        other.load_state_dict(one.state_dict())
        tokens = torch.arange(16).remainder(7).view(2, 8)
        x = tokens if isinstance(one, plain.FFTNet) else torch.nn.functional.one_hot(tokens, 8).float()
        torch.testing.assert_close(one(x), other(x), rtol=1e-4, atol=1e-5)
