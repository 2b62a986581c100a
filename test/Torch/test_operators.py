# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The operators: values and gradients beside plain PyTorch, in every type, of every layout, and what torch asks of them."""

import threading

import plain
import pytest
import torch
from torch.library import opcheck

from bfly.torch import butterfly_attention, modrelu_filter, spectral_filter

# In units of the type's own: of the largest number of each result.
TOLERANCE = {torch.float64: 1e-12, torch.float32: 2e-5, torch.bfloat16: 4e-2, torch.float16: 6e-3}


def near(actual, expected, dtype=None):
    dtype = dtype or actual.dtype
    assert actual.shape == expected.shape
    error = (actual.double() - expected.double()).abs().max() if actual.numel() else 0.0
    scale = expected.double().abs().max() if actual.numel() else 1.0
    assert error <= TOLERANCE[dtype] * max(scale, 1e-3), f"error {error} of {scale}"


def compare(ours, theirs, arguments, *rest):
    """Values and all gradients, of tensors that want one, beside those of plain PyTorch in float64."""
    exact = [value.detach().double().requires_grad_(value.requires_grad) for value in arguments]
    y, wanted = ours(*arguments, *rest), theirs(*exact, *rest)
    assert y.dtype == arguments[0].dtype and y.is_contiguous()
    near(y, wanted)
    g = torch.randn_like(y)
    inputs = [value for value in arguments if value.requires_grad]
    ours_g = torch.autograd.grad(y, inputs, g)
    theirs_g = torch.autograd.grad(wanted, [value for value in exact if value.requires_grad], g.double())
    for value, ours_one, theirs_one in zip(inputs, ours_g, theirs_g):
        assert ours_one.dtype == value.dtype and ours_one.is_contiguous()
        near(ours_one, theirs_one)


def dtypes(device):
    return [torch.float32] if device == "cuda" else [torch.float32, torch.float64]


def test_spectral_filter(device):
    for dtype in dtypes(device):
        compare(
            spectral_filter,
            plain.spectral_filter,
            plain.filter_arguments(2, 8, 4, dtype=dtype, device=device, grad=True),
        )
    compare(spectral_filter, plain.spectral_filter, plain.filter_arguments(1, 5, 3, device=device, grad=True))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_16_bits(device, dtype):
    arguments = plain.filter_arguments(2, 8, 4, dtype=dtype, device=device, grad=True)
    compare(spectral_filter, plain.spectral_filter, arguments)


def test_modrelu_filter(device):
    x, w, bias = (torch.randn(shape, device=device, requires_grad=True) for shape in ((2, 6, 4), (2, 4), (4,)))
    compare(modrelu_filter, plain.modrelu_filter, (x, w, bias))


@pytest.mark.parametrize("weights", [(2, 4, 4), (2, 2, 2, 2), (1, 2, 2)])
def test_butterfly_attention(device, weights):
    for dtype in dtypes(device)[-1:]:
        arguments = plain.attention_arguments(2, 3, 4, weights=weights, dtype=dtype, device=device, grad=True)
        compare(butterfly_attention, plain.butterfly_attention, arguments, 2)


def test_weights_for_more_stages_than_there_are(device):
    """Their gradients are zeros."""
    arguments = plain.attention_arguments(2, 4, 4, weights=(5, 4, 4), device=device, grad=True)
    compare(butterfly_attention, plain.butterfly_attention, arguments, 2)
    assert butterfly_attention(*arguments, 2, scale=0.25).shape == (2, 4, 4)


@pytest.mark.parametrize("shape", [(5, 4), (2, 3, 5, 4), (0, 5, 4), (2, 0, 5, 4)])
def test_leading_dimensions(device, shape):
    arguments = plain.filter_arguments(*shape, device=device, grad=True)
    compare(spectral_filter, plain.spectral_filter, arguments)
    weights = plain.attention_arguments(*shape, weights=(3, 4, 4), device=device)
    near(butterfly_attention(*weights, 2), plain.butterfly_attention(*weights, 2))


def test_axis(device):
    x, *rest = plain.filter_arguments(2, 8, 4, device=device)
    expected = spectral_filter(x, *rest)
    near(spectral_filter(x.transpose(1, 2), *rest, axis=-1), expected.transpose(1, 2))
    near(spectral_filter(x.transpose(0, 1), *rest, axis=0), expected.transpose(0, 1))
    q = torch.randn(3, 4, 4, device=device)
    near(butterfly_attention(x.mT, q, q, 2, axis=2), butterfly_attention(x, q, q, 2).mT)


def test_mean(device):
    """That of the tokens that are no padding, in the place of the mean of all."""
    x, *rest = plain.filter_arguments(2, 3, 8, 4, device=device, grad=True)
    near(spectral_filter(x, *rest, mean=x.mean(-2)), spectral_filter(x, *rest))
    mean = torch.randn(2, 3, 4, device=device, requires_grad=True)

    def with_mean(spectral, x, w_base, w1, b1, w2, b2, bias, mean):
        return spectral(x, w_base + torch.relu(mean @ w1.T + b1) @ w2.T + b2, bias)

    compare(
        lambda *arguments: spectral_filter(*arguments[:-1], mean=arguments[-1]),
        lambda *arguments: with_mean(plain.modrelu_filter, *arguments),
        [x, *rest, mean],
    )


def test_strides(device):
    """Any of inputs and of the gradient; contiguous results."""
    x, *rest = plain.filter_arguments(2, 8, 4, device=device)
    x = x.transpose(1, 2).contiguous().transpose(1, 2).requires_grad_()
    w1 = rest[1].mT.contiguous().mT.requires_grad_()
    spread = torch.randn(8, device=device)[::2].requires_grad_()
    y = spectral_filter(x, spread, w1, *rest[2:])
    assert y.is_contiguous()
    expected = plain.spectral_filter(x, spread, w1, *rest[2:])
    near(y, expected)
    for ours, theirs in zip(*(torch.autograd.grad(value.sum(), (x, spread, w1)) for value in (y, expected))):
        near(ours, theirs)


def test_addresses_of_any_alignment(device):
    """Parameters that are cut out of one tensor."""
    x, w, bias = torch.randn(2, 6, 4, device=device), torch.randn(9, device=device), torch.randn(5, device=device)
    near(modrelu_filter(x, w[1:].view(2, 4), bias[1:]), plain.modrelu_filter(x, w[1:].view(2, 4), bias[1:]))


@pytest.mark.parametrize("needed", [(0,), (6,), (1, 4), ()])
def test_only_gradients_that_are_needed(device, needed):
    arguments = plain.filter_arguments(2, 8, 4, device=device)
    for index in needed:
        arguments[index].requires_grad_()
    if needed:
        compare(spectral_filter, plain.spectral_filter, arguments)
    else:
        assert not spectral_filter(*arguments).requires_grad
    with torch.no_grad():
        assert not spectral_filter(*arguments).requires_grad


def test_shared_and_viewed_parameters(device):
    """One tensor in two places gets the sum of both gradients; one that is a view gives its own to its base."""
    x, w_base, w1, b1, w2, b2, bias = plain.filter_arguments(2, 8, 4, device=device)
    shared = torch.randn(4, 4, device=device, requires_grad=True)
    base = torch.randn(3, 4, device=device, requires_grad=True)

    def run(filter):
        y = filter(x, base[0], shared, base[1], shared, base[1], base[2] - 1)
        return torch.autograd.grad(y.square().sum(), (shared, base))

    for ours, theirs in zip(run(spectral_filter), run(plain.spectral_filter)):
        near(ours, theirs)


def test_modes(device):
    arguments = plain.filter_arguments(2, 8, 4, device=device, grad=True)
    expected = spectral_filter(*arguments)
    with torch.inference_mode():
        y = spectral_filter(*arguments)
        assert y.is_inference() and torch.equal(y, expected)
        made_here = [value.clone() for value in arguments]
        assert torch.equal(spectral_filter(*made_here), expected)
    assert torch.equal(spectral_filter(*made_here), expected)
    # The same bits each time, and whichever way the operator is called.
    assert torch.equal(torch.ops.bfly.spectral_filter(*arguments), expected)
    g = torch.randn_like(expected)
    first, again, of_operator = (
        torch.autograd.grad(y, arguments, g)
        for y in (expected, spectral_filter(*arguments), torch.ops.bfly.spectral_filter(*arguments))
    )
    for one, two, three in zip(first, again, of_operator):
        assert torch.equal(one, two) and torch.equal(one, three)


def test_autocast(device):
    """The filter in float32, as torch's transforms are; attention in autocast's type, as its products are."""
    arguments = plain.filter_arguments(2, 8, 4, device=device, grad=True)
    q = torch.randn(3, 4, 4, device=device, requires_grad=True)
    with torch.autocast(device, torch.bfloat16):
        y = spectral_filter(arguments[0].bfloat16(), *arguments[1:])
        attended = butterfly_attention(arguments[0].detach(), q, q, 2)
    assert y.dtype == torch.float32 and attended.dtype == torch.bfloat16
    near(y, plain.spectral_filter(arguments[0].bfloat16().float(), *arguments[1:]))
    y.sum().backward()
    assert all(value.grad.dtype == torch.float32 for value in arguments)


def operators(device, dtype):
    rest = plain.filter_arguments(2, 4, 2, hidden=3, dtype=dtype, device=device, grad=True)
    x, w, bias = rest[0], torch.randn(2, 2, dtype=dtype, device=device, requires_grad=True), rest[-1]
    attention = plain.attention_arguments(1, 3, 2, weights=(2, 2, 2), dtype=dtype, device=device, grad=True)
    return {
        "spectral_filter": rest,
        "modrelu_filter": (x, w, bias),
        "butterfly_attention": (*attention, 1, 0.7),
    }


OPERATORS = ("spectral_filter", "modrelu_filter", "butterfly_attention")


@pytest.mark.parametrize("name", OPERATORS)
def test_opcheck(device, name):
    arguments = operators(device, torch.float32)[name]
    opcheck(getattr(torch.ops.bfly, name).default, arguments)
    plain_ones = [value.detach() if torch.is_tensor(value) else value for value in arguments]
    opcheck(getattr(torch.ops.bfly, f"{name}_backward").default, (torch.randn_like(plain_ones[0]), *plain_ones, 5))


@pytest.mark.parametrize("name", OPERATORS)
def test_gradcheck(device, name):
    if device == "cuda":
        pytest.skip("float64 is a CPU's")
    functions = {"spectral_filter": spectral_filter, "modrelu_filter": modrelu_filter}
    tensors = [value for value in operators(device, torch.float64)[name] if torch.is_tensor(value)]

    def run(*values):
        if name in functions:
            return functions[name](*values)
        return butterfly_attention(*values, 1, scale=0.7)

    assert torch.autograd.gradcheck(run, tensors)


def test_threads(device):
    """Calls of several threads at once, each with shapes of its own, and all with the same."""
    problems = [plain.filter_arguments(2, 4 + index // 2, 4, device=device) for index in range(4)]
    expected = [plain.spectral_filter(*problem) for problem in problems]
    wrong = []

    def work(index):
        for _ in range(20):
            y = spectral_filter(*problems[index])
            if not torch.allclose(y, expected[index], atol=1e-5):
                wrong.append(index)

    threads = [threading.Thread(target=work, args=(index,)) for index in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_streams(device):
    """Each call is on the stream of its own thread of control."""
    if device != "cuda":
        pytest.skip("a GPU's")
    arguments = plain.filter_arguments(2, 8, 4, device=device)
    expected = spectral_filter(*arguments)
    side = torch.cuda.Stream()
    late = torch.zeros_like(arguments[0])
    torch.cuda.synchronize()
    with torch.cuda.stream(side):
        torch.cuda._sleep(20_000_000)
        late.copy_(arguments[0])
        y = spectral_filter(late, *arguments[1:])
    side.synchronize()
    assert torch.equal(y, expected)


def test_several_gpus(device):
    if device != "cuda" or torch.cuda.device_count() < 2:
        pytest.skip("for two GPUs")
    arguments = plain.filter_arguments(2, 8, 4, device="cuda:1", grad=True)
    compare(spectral_filter, plain.spectral_filter, arguments)
    assert spectral_filter(*arguments).device == torch.device("cuda:1")
