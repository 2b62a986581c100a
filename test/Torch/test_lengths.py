# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Lengths that change at every call: bfly.torch.changing_lengths."""

import threading

import pytest
import torch

import bfly
import bfly.torch as bt


@pytest.fixture
def compiled(tmp_path, monkeypatch):
    """How many functions this process has compiled since: each one is a new entry of an empty cache."""
    monkeypatch.setenv("BFLY_CACHE", str(tmp_path / "cache"))
    return lambda: bfly.cache_info().entries


def modules(dim, device):
    torch.manual_seed(0)
    return bt.SpectralFilter(dim).to(device), bt.ButterflyAttention(dim, heads=2, max_tokens=64).to(device)


# Sizes that no other test has: what a process has compiled it keeps.
def test_filters_compile_what_is_used_often(device, compiled):
    module, _ = modules(22, device)
    x = torch.randn(2, 11, 22, device=device)
    with torch.inference_mode(), bt.changing_lengths(first_uses=3):
        first = [module(x) for _ in range(3)]
        assert compiled() == 0
        then = module(x)
        assert compiled() == 1
        module(torch.randn(2, 12, 22, device=device))
        assert compiled() == 1
    assert all(torch.equal(one, first[0]) for one in first)
    torch.testing.assert_close(first[0], then, rtol=1e-5, atol=1e-5)
    assert first[0].is_contiguous()
    with torch.inference_mode():
        assert torch.equal(module(x), then)
        module(torch.randn(2, 12, 22, device=device))  # outside of it, at once
    assert compiled() == 2


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_both_ways_are_the_same(device, compiled, dtype):
    module, _ = modules(18, device)
    module = module.to(dtype)
    x = torch.randn(2, 9, 18, device=device, dtype=dtype)
    w = torch.randn(2, 18, device=device, dtype=dtype)
    bound = {torch.float32: 1e-5, torch.bfloat16: 2e-2, torch.float64: 1e-12}[dtype]
    with torch.no_grad():
        calls = (lambda: module(x), lambda: bt.modrelu_filter(x, w, module.modrelu.bias))
        for call in calls:
            with bt.changing_lengths():
                plain = call()
            assert compiled() == 0 and plain.dtype == dtype
            torch.testing.assert_close(plain, call(), rtol=bound, atol=bound)
            bfly.clear_cache()


def test_attention_has_a_kernel_for_each_power_of_two(device, compiled):
    _, module = modules(20, device)
    with torch.inference_mode():
        inputs = [torch.randn(2, n, 20, device=device) for n in (1, 17, 18, 25, 31, 32)]
        with bt.changing_lengths(first_uses=0):
            padded = [module(x) for x in inputs]
        assert compiled() == 2
        for x, y in zip(inputs, padded):
            assert y.shape == x.shape and y.is_contiguous()
            assert torch.equal(y, module(x))


def test_gradients_are_the_operators_own(device, compiled):
    module, _ = modules(26, device)
    with bt.changing_lengths():
        module(torch.randn(2, 13, 26, device=device)).sum().backward()
    assert compiled() == 2
    assert module.modrelu.bias.grad is not None


def test_what_does_not_fit_is_the_operators_to_say(device, compiled):
    x, weights = torch.randn(2, 7, 6, device=device), [torch.randn(6, device=device)] * 6
    with torch.no_grad(), bt.changing_lengths():
        for call, message in (
            (lambda: bt.spectral_filter(x, *weights), "w1"),
            (lambda: bt.spectral_filter(x.double(), *weights), "w_base"),
            (lambda: bt.modrelu_filter(x, weights[0][:5], weights[1]), "."),
            (lambda: bt.butterfly_attention(x, *[torch.randn(2, 6, 6, device=device)] * 2, heads=2), "stages"),
        ):
            with pytest.raises(RuntimeError, match=message):
                call()
    with pytest.raises(ValueError, match="first_uses: -1, expected an integer from 0"), bt.changing_lengths(-1):
        pass


def test_it_ends_and_is_of_one_thread(device, compiled):
    module, _ = modules(14, device)
    x = torch.randn(1, 5, 14, device=device)
    with pytest.raises(ZeroDivisionError), bt.changing_lengths(), bt.changing_lengths(1):
        raise ZeroDivisionError
    with torch.no_grad(), bt.changing_lengths():
        module(x)
        assert compiled() == 0
        with torch.no_grad():
            other = threading.Thread(target=lambda: module(x))
            other.start()
            other.join()
    assert compiled() == 1
