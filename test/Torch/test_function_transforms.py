# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""torch.func's transforms, and derivatives that there are none of: a right result or an error, never a gradient that is lost."""

import plain
import pytest
import torch
from torch.autograd import forward_ad

from bfly.torch import butterfly_attention, spectral_filter

pytestmark = pytest.mark.filterwarnings("ignore:There is a performance drop")


@pytest.fixture
def arguments(device):
    return plain.filter_arguments(2, 6, 4, device=device)


def near(ours, theirs):
    for mine, its in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine, its, rtol=1e-4, atol=1e-4)


def test_gradients_of_torch_func(arguments):
    def gradients(function):
        return torch.func.grad(lambda *a: function(*a).square().sum(), argnums=tuple(range(7)))(*arguments)

    near(gradients(spectral_filter), gradients(plain.spectral_filter))


def test_gradients_of_attention(device):
    values = [torch.randn(shape, device=device) for shape in ((2, 5, 4), (3, 4, 4), (3, 4, 4))]

    def gradients(function):
        return torch.func.grad(lambda *a: function(*a, 2).square().sum(), argnums=(0, 1, 2))(*values)

    near(gradients(butterfly_attention), gradients(plain.butterfly_attention))


def test_gradients_of_each_sample(arguments):
    """The transforms within each other, over x and over the parameters."""
    x, *rest = arguments
    many_x, many = torch.stack([x, 2 * x, x.flip(0)]), [torch.stack([value, -value]) for value in rest]

    def gradients(function):
        gradient = torch.func.grad(lambda p, x: function(x, *p).square().sum())
        return *torch.func.vmap(gradient, (None, 0))(rest, many_x), *torch.func.vmap(gradient, (0, None))(many, x)

    near(gradients(spectral_filter), gradients(plain.spectral_filter))


def test_gradients_outside_of_vmap(arguments):
    """What is a batch within vmap does not say itself that it wants a gradient."""
    x, *rest = [value.requires_grad_() for value in arguments]

    def gradients(function):
        many = torch.stack([x, 2 * x])
        y = torch.func.vmap(lambda x: function(x, *rest))(many)
        return torch.autograd.grad(y.square().sum(), [x, *rest])

    near(gradients(spectral_filter), gradients(plain.spectral_filter))


@pytest.mark.parametrize("compiled", [False, True])
def test_forward_mode(arguments, compiled):
    x, *rest = arguments

    def filter(x):
        return spectral_filter(x, *rest)

    def derivative(x):
        return torch.func.jvp(filter, (x,), (x,))[1]

    with pytest.raises(RuntimeError, match="spectral_filter: there is no derivative in forward mode"):
        torch.compile(derivative, backend="eager")(x) if compiled else derivative(x)
    with forward_ad.dual_level():
        filter(x)
        with pytest.raises(RuntimeError, match="spectral_filter: there is no derivative in forward mode"):
            filter(forward_ad.make_dual(x, x))


def test_second_derivative_of_a_linear_loss(arguments):
    """Whose gradient with respect to the result wants none itself."""
    x, *rest = arguments
    x.requires_grad_()
    (g,) = torch.autograd.grad(spectral_filter(x, *rest).sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="spectral_filter: there is no second derivative"):
        (g.square().sum() + x.sum()).backward()

    def gradient(x):
        return torch.func.grad(lambda x: spectral_filter(x, *rest).sum())(x)

    with pytest.raises(RuntimeError, match="spectral_filter: there is no second derivative"):
        torch.func.grad(lambda x: gradient(x).sum())(x.detach())
