# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What is wrong with a call is said in one exception that names the argument."""

import plain
import pytest
import torch

from bfly.torch import ButterflyAttention, FFTNetLayer, butterfly_attention, modrelu_filter, spectral_filter


@pytest.fixture
def arguments(device):
    return plain.filter_arguments(2, 4, 4, device=device)


@pytest.mark.parametrize(
    "index, change, message",
    [
        (0, lambda x: x.to(torch.int64), "spectral_filter: x: .*int64|spectral_filter: x: its dtype"),
        (0, lambda x: x.to(torch.complex64), "spectral_filter: x: "),
        (0, lambda x: x[:, :0], r"spectral_filter: x: shape \(2, 0, 4\), expected \(B, N, D\)"),
        (0, lambda x: x.double(), "spectral_filter: w_base: dtype f32, but x has f64"),
        (2, lambda w1: w1.bfloat16(), "spectral_filter: w1: dtype bf16, but x has f32"),
        (3, lambda b1: b1.long(), "spectral_filter: b1: dtype of no floating-point number, but x has f32"),
        (1, lambda w: w[None, None], r"spectral_filter: w_base: shape \(1, 1, 4\), expected \(4\)"),
        (2, lambda w1: w1.mT, r"spectral_filter: w1: shape \(4, 5\), expected \(hidden, 4\)"),
        (4, lambda w2: w2[:3], r"spectral_filter: w2: shape \(3, 5\), expected \(4, 5\)"),
        (6, lambda b: b.expand(1, 1, 1, 1, 4), "bias: shape .* has too many dimensions"),
    ],
)
def test_arguments(arguments, index, change, message):
    arguments[index] = change(arguments[index])
    with pytest.raises(RuntimeError, match=message):
        spectral_filter(*arguments)


def test_one_dimension(arguments):
    arguments[0] = arguments[0][0, 0]
    with pytest.raises(RuntimeError, match=r"x: shape \(4,\), expected"):
        spectral_filter(*arguments)
    with pytest.raises(RuntimeError, match="axis: 3"):
        spectral_filter(torch.zeros(2, 4, 4), *arguments[1:], axis=3)


def test_attention(device):
    x, q = torch.randn(2, 8, 4, device=device), torch.randn(3, 4, 4, device=device)
    for heads in (3, 0, -2):
        with pytest.raises(RuntimeError, match=f"heads: {heads}, expected a divisor"):
            butterfly_attention(x, q, q, heads)
    with pytest.raises(RuntimeError, match="wq: weights for 2 stages, but 8 tokens have 3"):
        butterfly_attention(x, q[:2], q[:2], 2)
    with pytest.raises(RuntimeError, match=r"wk: shape \(2, 4, 4\), expected \(3, 4, 4\)"):
        butterfly_attention(x, q, q[:2], 2)
    with pytest.raises(RuntimeError, match=r"wq: shape \(3, 4\), expected \(S, 4, 4\), \(S, 2, 2, 2\) or"):
        butterfly_attention(x, q[0, :3], q, 2)
    for scale in (float("nan"), 1e300):
        with pytest.raises(RuntimeError, match="scale: a finite number is expected"):
            butterfly_attention(x, q, q, 2, scale=scale)
    for wrong in ({"heads": 3}, {"weights": "sparse"}, {"max_tokens": 0}):
        with pytest.raises(ValueError, match=f"^{next(iter(wrong))}: "):
            ButterflyAttention(4, **{"heads": 2, **wrong})


def test_what_is_no_tensor(arguments):
    for index, name in enumerate(plain.FILTER_NAMES):
        for value in (None, 1.0, arguments[index].tolist()):
            message = f"spectral_filter: {name}: {type(value).__name__}, expected a tensor"
            with pytest.raises(RuntimeError, match=message):
                spectral_filter(*(value if i == index else argument for i, argument in enumerate(arguments)))
    with pytest.raises(RuntimeError, match=r"butterfly_attention: x: shape \(\), expected \(…, N, D\)"):
        butterfly_attention(torch.tensor(1.0), arguments[4], arguments[4], 2)
    with pytest.raises(RuntimeError, match="axis: 1.5, but x"):
        spectral_filter(*arguments, axis=1.5)


def test_numbers_of_attention(device):
    """A scale that is a tensor would lose its gradient."""
    x, q = torch.randn(2, 8, 4, device=device), torch.randn(3, 4, 4, device=device)
    for scale in (torch.nn.Parameter(torch.tensor(0.5)), torch.tensor(0.5), "1", 1j):
        with pytest.raises(RuntimeError, match=f"scale: {type(scale).__name__}, expected a number"):
            butterfly_attention(x, q, q, 2, scale=scale)
    for heads in (2.0, "2", None, 1 << 70, torch.tensor(2)):
        for scale in (None, 1.0):
            with pytest.raises(RuntimeError, match="heads: .*, expected a divisor"):
                butterfly_attention(x, q, q, heads, scale=scale)
    for wrong in ({"heads": 2.0}, {"max_tokens": 2.5}):
        with pytest.raises(ValueError, match=f"^{next(iter(wrong))}: "):
            ButterflyAttention(4, **{"heads": 2, **wrong})


@pytest.mark.parametrize(
    "name, change, message",
    [
        ("mean", lambda mean: mean[:, :3], r"mean: shape \(2, 3\), expected \(2, 4\)"),
        ("mean", lambda mean: mean[[0, 1, 0]], r"mean: shape \(3, 4\), expected \(2, 4\)"),
        ("mean", lambda mean: mean[:, None], r"mean: shape \(2, 1, 4\), expected \(2, 4\)"),
        ("mean", lambda mean: mean.double(), "mean: dtype torch.float64, but x has torch.float32"),
        ("mean", lambda mean: mean.tolist(), "mean: list, expected a tensor"),
        # These would be broadcast, or x's type would be taken for theirs.
        ("w_base", lambda w: w[:1], r"w_base: shape \(1,\), expected \(4,\)"),
        ("w_base", lambda w: w.long(), "w_base: dtype torch.int64, but x has torch.float32"),
        ("b2", lambda b: b[:1], r"b2: shape \(1,\), expected \(4,\)"),
        ("w1", lambda w: w[:, :3], r"w1: shape \(5, 3\), expected \(5, 4\)"),
    ],
)
def test_arguments_beside_a_mean(arguments, name, change, message):
    named = {**dict(zip(plain.FILTER_NAMES, arguments)), "mean": arguments[0].mean(1)}
    named[name] = change(named[name])
    with pytest.raises(RuntimeError, match="bfly.spectral_filter: " + message):
        spectral_filter(**named)


def test_factors_of_other_batches(arguments):
    x, bias = arguments[0], arguments[6]
    for shape in ((3, 4), (2, 3), (1, 2, 4), ()):
        with pytest.raises(RuntimeError, match=r"modrelu_filter: w: shape .*, expected \(2, 4\)"):
            modrelu_filter(x, torch.zeros(shape, device=x.device), bias)


def test_autocast_takes_real_numbers(device, arguments):
    q = torch.randn(2, 4, 4, device=device)
    with torch.autocast(device):
        for dtype in (torch.int64, torch.complex64):
            with pytest.raises(RuntimeError, match="x: its dtype is none of"):
                spectral_filter(arguments[0].to(dtype), *arguments[1:])
            with pytest.raises(RuntimeError, match="x: its dtype is none of"):
                butterfly_attention(arguments[0].to(dtype), q, q, 2)
        with pytest.raises(RuntimeError, match="w1: dtype f64, but x has f32"):
            spectral_filter(*(value.double() if i == 2 else value for i, value in enumerate(arguments)))


def test_devices(device, arguments):
    if device == "cuda":
        arguments[2] = arguments[2].cpu()
        with pytest.raises(RuntimeError, match="w1: on cpu, but x is on cuda:0"):
            spectral_filter(*arguments)
    with pytest.raises(RuntimeError, match="w1"):
        spectral_filter(*(value.to("meta") if index != 2 else value for index, value in enumerate(arguments)))


def test_float64_on_a_gpu(device):
    if device != "cuda":
        pytest.skip("a GPU's")
    with pytest.raises(RuntimeError, match="f64"):
        modrelu_filter(*(torch.zeros(s, device=device, dtype=torch.float64) for s in ((1, 4, 2), (1, 2), (2,))))


def test_second_derivative(arguments):
    x = arguments[0].requires_grad_()
    for filter in (spectral_filter, torch.ops.bfly.spectral_filter):
        (g,) = torch.autograd.grad(filter(*arguments).square().sum(), x, create_graph=True)
        with pytest.raises(RuntimeError, match="no second derivative"):
            g.sum().backward()


def test_mutation_of_what_is_saved(arguments):
    bias = arguments[6].requires_grad_()
    y = spectral_filter(*arguments)
    with torch.no_grad():
        bias.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


def test_gradient_of_another_shape(arguments):
    with pytest.raises(RuntimeError, match=r"the gradient: shape \(4, 4\), expected \(2, 4, 4\)"):
        torch.ops.bfly.spectral_filter_backward(torch.zeros_like(arguments[0][0]), *arguments, 1)


def test_other_lengths(device):
    """A module takes each length and each batch as it comes."""
    layer = FFTNetLayer(4, 5).to(device)
    for batch, n in ((2, 4), (2, 5), (3, 4), (1, 1), (2, 4)):
        x = torch.randn(batch, n, 4, device=device)
        assert layer(x).shape == x.shape
