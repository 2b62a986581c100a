# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The oracle's derivatives of dense layers and of FFTNet: against central differences, complex steps, and each other."""

import math

import numpy as np
import pytest
from derivatives import FILTER, analytic_layer_norm, check, check_complex_step, forall, inner, lengths, normal, same
from hypothesis import strategies as st
from test_reference import filter_problem, layer_parameters, seeds

from bfly import reference

# --------------------------------------------------------------------------------------------------------------------
# Dense layers, norms, means


@forall(
    seed=seeds,
    rank=st.integers(1, 3),
    out=st.integers(1, 4),
    d=st.integers(1, 4),
    bias=st.booleans(),
    relu=st.booleans(),
)
def test_linear(seed, rank, out, d, bias, relu):
    rng = np.random.default_rng(seed)
    arguments = {"x": normal(rng, (2, 3)[: rank - 1] + (d,)), "weight": normal(rng, (out, d))}
    if bias:
        # Far from the relu's kink, on both sides of it.
        arguments["bias"] = rng.choice([-20.0, 20.0], out) + normal(rng, out)
    elif relu:
        arguments["x"] = np.abs(arguments["x"]) + 0.1
        arguments["weight"] = rng.choice([-1.0, 1.0], (out, 1)) * (np.abs(arguments["weight"]) + 0.1)
    g = normal(rng, reference.linear(**arguments).shape)
    gradients = reference.linear_vjp(g, **arguments, relu=relu)
    assert (gradients[2] is None) != bias
    named = {name: gradient for name, gradient in zip(("x", "weight", "bias"), gradients) if gradient is not None}
    check(lambda **a: reference.linear(**a, relu=relu), named, arguments, g, rng)


def test_relu_at_zero():
    # PyTorch's relu has derivative 0 there; a NaN goes on.
    x, weight = np.array([[0.0, 1.0], [0.0, -1.0], [0.0, math.nan]]), np.array([[0.0, 1.0], [1.0, 0.0]])
    gx, gweight, _ = reference.linear_vjp(np.ones((2, 2)), x[:2], weight, relu=True)
    assert np.array_equal(gx, [[0, 1], [0, 0]]) and np.array_equal(gweight, [[0, 1], [0, 0]])
    gx, _, gbias = reference.linear_vjp(np.ones((1, 2)), x[2:], weight, np.zeros(2), relu=True)
    assert np.array_equal(gx, [[1, 1]]) and np.array_equal(gbias, [1, 1])


@forall(
    seed=seeds, n=st.integers(1, 3), d=st.integers(1, 6), affine=st.sampled_from(["both", "weight", "bias", "none"])
)
def test_layer_norm(seed, n, d, affine):
    rng = np.random.default_rng(seed)
    arguments = {"x": normal(rng, (2, n, d))}
    # Of one channel the result is the bias alone: all but its own gradient are 0. Two channels need some distance.
    arguments["x"] += np.arange(d)
    if affine in ("both", "weight"):
        arguments["weight"] = normal(rng, d)
    if affine in ("both", "bias"):
        arguments["bias"] = normal(rng, d)
    g = normal(rng, (2, n, d))
    gx, gweight, gbias = reference.layer_norm_vjp(g, **arguments)
    assert ("weight" in arguments) == (gweight is not None) and ("bias" in arguments) == (gbias is not None)
    named = {"x": gx, "weight": gweight, "bias": gbias}
    named = {name: gradient for name, gradient in named.items() if gradient is not None}
    check(reference.layer_norm, named, arguments, g, rng, step=1e-4, tolerance=1e-6)
    check_complex_step(analytic_layer_norm, named, arguments, g, rng, 1e-10)
    if d == 1:
        assert not gx.any()


@forall(seed=seeds, n=lengths, d=st.integers(1, 3))
def test_mean_and_bin(seed, n, d):
    rng = np.random.default_rng(seed)
    x, g = normal(rng, (2, n, d)), normal(rng, (2, d))
    assert math.isclose(inner(g, reference.mean(x)), inner(reference.mean_vjp(g, n), x), abs_tol=1e-12)
    bins = normal(rng, (2, n // 2 + 1, d), True)
    index = int(rng.integers(n // 2 + 1))
    gbins = reference.spectrum_bin_vjp(g, n // 2 + 1, index, 0.7)
    assert math.isclose(inner(g, reference.spectrum_bin(bins, index, 0.7)), inner(gbins, bins), abs_tol=1e-12)
    # The mean is bin 0 over N, and so is its derivative.
    same(reference.fft_vjp(reference.spectrum_bin_vjp(g, n // 2 + 1, 0, 1 / n), n), reference.mean_vjp(g, n))


# --------------------------------------------------------------------------------------------------------------------
# FFTNet's layer and model


def least_size(x, p, prefix):
    """The size of the smallest bin, and of the relu's smallest input, of a layer's filter."""
    get = lambda name: p[prefix + name]  # noqa: E731
    if prefix + "input_norm.weight" in p:
        x = reference.layer_norm(x, get("input_norm.weight"), get("input_norm.bias"))
    before = reference.linear(reference.mean(x), get("adaptive_filter.mlp.0.weight"), get("adaptive_filter.mlp.0.bias"))
    delta = reference.linear(
        np.maximum(before, 0), get("adaptive_filter.mlp.2.weight"), get("adaptive_filter.mlp.2.bias")
    )
    bins = np.fft.rfft(x, axis=1) * (get("adaptive_filter.W_base") + delta)[:, None]
    return min(np.abs(bins).min(), np.abs(before).min())


def layers_off_kinks(seed, make_x, d, prefixes, norms=True):
    """Parameters of layers with modReLU's bias 0, and x: no bin near 0, where it then has its threshold."""
    for attempt in range(1000):
        rng = np.random.default_rng([seed, attempt])
        p = {}
        for prefix in prefixes:
            p |= layer_parameters(rng, d, 3, prefix, norms)
            p[prefix + "modrelu.bias"] = np.zeros(d)
        first = x = make_x(rng)
        least = math.inf
        for prefix in prefixes:
            least = min(least, least_size(x, p, prefix))
            x = reference.fftnet_layer(x, p, prefix)
        if least > 2e-3:
            return p, first, rng
    raise AssertionError("no layers away from kinks")


@forall(examples=15, seed=seeds, n=lengths, d=st.integers(3, 5), norms=st.booleans())
def test_fftnet_layer(seed, n, d, norms):
    p, x, rng = layers_off_kinks(seed, lambda rng: normal(rng, (2, n, d)), d, ["layers.3."], norms)
    g = normal(rng, x.shape)
    gx, gradients = reference.fftnet_layer_vjp(g, x, p, "layers.3.")
    assert gradients.keys() == p.keys()
    f = lambda x, **p: reference.fftnet_layer(x, p, "layers.3.")  # noqa: E731
    check(f, {"x": gx} | gradients, {"x": x} | p, g, rng, 1e-5, 1e-6)


@forall(examples=10, seed=seeds, n=st.integers(1, 6), layers=st.integers(0, 2))
def test_fftnet_model(seed, n, layers):
    d, vocabulary = 3, 4
    rng = np.random.default_rng(seed)
    tokens = rng.integers(0, vocabulary, (2, n))
    position = reference.sinusoidal_table(n, d)
    embed = lambda rng: normal(rng, (vocabulary, d))[tokens] * math.sqrt(d) + position  # noqa: E731
    p, x, rng = layers_off_kinks(seed, embed, d, [f"layers.{i}." for i in range(layers)])
    table = normal(rng, (vocabulary, d))
    table[tokens] = (x - position) / math.sqrt(d)
    p |= {"embedding.weight": table, "output_norm.weight": normal(rng, d), "output_norm.bias": normal(rng, d)}
    p |= {"output_proj.weight": normal(rng, (vocabulary, d)), "output_proj.bias": normal(rng, vocabulary)}
    g = normal(rng, (2, n, vocabulary))
    gradients = reference.fftnet_model_vjp(g, tokens, p)
    assert gradients.keys() == p.keys()
    # A token that is not there has no gradient.
    assert not gradients["embedding.weight"][np.setdiff1d(np.arange(vocabulary), tokens)].any()
    check(lambda **p: reference.fftnet_model(tokens, p), gradients, p, g, rng, 1e-5, 1e-6)


# --------------------------------------------------------------------------------------------------------------------
# Arguments


def test_wrong_arguments_are_named():
    problem = filter_problem(10, 1, 4, 3, 5)
    g = np.zeros((1, 4, 3))
    for name in FILTER[1:]:
        with pytest.raises(ValueError, match=name + ":|w1:" if name == "w1" else name + ":"):
            reference.spectral_filter_vjp(g, **(problem | {name: np.zeros(problem[name].shape + (2,))}))
    for call in (
        lambda: reference.spectral_filter_vjp(g[:, :2], **problem),
        lambda: reference.linear_vjp(np.zeros(3), np.zeros((2, 3)), np.zeros((4, 3))),
        lambda: reference.layer_norm_vjp(np.zeros(3), np.zeros((2, 3))),
        lambda: reference.layer_norm_vjp(np.zeros((2, 3), complex), np.zeros((2, 3))),
        lambda: reference.fourier_filter_vjp(g, problem["x"][:, :3], lambda z, k: z),
        lambda: reference.fftnet_layer_vjp(g[:, :1], problem["x"], layer_parameters(np.random.default_rng(0), 3, 2)),
    ):
        with pytest.raises(ValueError, match="g: "):
            call()
    for call in (
        lambda: reference.ifft(np.zeros((1, 3, 1)), 6),
        lambda: reference.fft_vjp(np.zeros((1, 4, 1)), 6, real=False),
        lambda: reference.ifft_vjp(np.zeros((1, 6, 1), complex), 4),
        lambda: reference.spectrum_map(np.zeros((1, 5, 1)), lambda z, k: z, tokens=6),
    ):
        with pytest.raises(ValueError, match="bins: "):
            call()
