# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The oracle's derivatives of transforms, maps and filters: against central differences, complex steps, adjoint
identities, the formulas of docs/derivatives.md, and each other."""

import math

import numpy as np
import pytest
from derivatives import (
    FILTER,
    analytic_filter,
    check,
    check_complex_step,
    filter_off_kinks,
    forall,
    inner,
    lengths,
    normal,
    same,
)
from hypothesis import strategies as st
from test_reference import filter_problem, seeds

from bfly import reference

# --------------------------------------------------------------------------------------------------------------------
# Transforms: linear maps, whose derivative is their adjoint


@forall(seed=seeds, n=lengths, axis=st.integers(-3, 2), form=st.sampled_from(["complex", "real", "half"]))
def test_fft_is_the_adjoint_of_its_derivative(seed, n, axis, form):
    rng = np.random.default_rng(seed)
    shape = [2, 3, 2]
    shape[axis] = n
    x = normal(rng, shape, form == "complex")
    bins = reference.fft(x, form == "half", axis)
    assert bins.shape[axis] == (n // 2 + 1 if form == "half" else n)
    g = normal(rng, bins.shape, True)
    gx = reference.fft_vjp(g, n, form != "complex", axis)
    assert gx.shape == x.shape and np.iscomplexobj(gx) == (form == "complex")
    assert abs(inner(g, bins) - inner(gx, x)) <= 1e-13 * np.linalg.norm(g) * np.linalg.norm(bins)


@forall(seed=seeds, n=lengths, axis=st.integers(-3, 2), form=st.sampled_from(["complex", "real", "half"]))
def test_ifft_is_the_adjoint_of_its_derivative(seed, n, axis, form):
    rng = np.random.default_rng(seed)
    shape = [2, 3, 2]
    shape[axis] = n // 2 + 1 if form == "half" else n
    bins = normal(rng, shape, True)
    y = reference.ifft(bins, n, form != "complex", axis)
    g = normal(rng, y.shape, form == "complex")
    gbins = reference.ifft_vjp(g, shape[axis], axis)
    assert gbins.shape == bins.shape
    assert abs(inner(g, y) - inner(gbins, bins)) <= 1e-13 * np.linalg.norm(g) * np.linalg.norm(y) + 1e-15
    if form == "half":
        # What ifft ignores has no gradient.
        own = np.moveaxis(gbins, axis, 0)[[0, -1] if n % 2 == 0 else [0]]
        assert np.abs(own.imag).max() <= 1e-14 * np.abs(g).max()


@forall(seed=seeds, n=lengths, d=st.integers(1, 7))
def test_fnet_mixing_is_its_own_transpose(seed, n, d):
    rng = np.random.default_rng(seed)
    x, g = normal(rng, (2, n, d)), normal(rng, (2, n, d))
    y = reference.fnet_mixing(x)
    distance = abs(inner(g, y) - inner(reference.fnet_mixing_vjp(g), x))
    assert distance <= 1e-13 * np.linalg.norm(g) * np.linalg.norm(y) + 1e-15


# --------------------------------------------------------------------------------------------------------------------
# Filters with any region

# What is done to a bin z of index k, and the parameters that it takes: real or complex, broadcast or by bin.
REGIONS = {
    "window": (lambda z, k, p: z * p, [("real", "bin")]),
    "complex filter": (lambda z, k, p: z * p, [("complex", "bin channel")]),
    "its index": (lambda z, k, p: z * np.exp(1j * p * k), [("real", "channel")]),
    "modReLU": (lambda z, k, w, b: np.maximum(abs(z * w) + b, 0.0) * (z * w) / (abs(z * w) + 1e-10), [("not small", "batch channel"), ("positive", "channel")]),
    "modReLU by phase": (lambda z, k, b: np.maximum(abs(z) + b, 0.0) * np.exp(1j * np.angle(z)), [("positive", "channel")]),
    "soft shrinkage": (lambda z, k, p: np.where(abs(z) > p, (abs(z) - p) * np.sign(z), z.conj()), [("threshold", "channel")]),
    "its parts": (lambda z, k, p, q: np.tanh(z.real * p) + 1j * z.imag / np.sqrt(1 + q * q), [("real", "bin channel"), ("real", "batch")]),
    "quotient": (lambda z, k, p: z / (1 + abs(z) ** 2) + p / (2 + z * z.conj()), [("complex", "channel")]),
    "no bin": (lambda z, k, p: p * np.cos(k), [("complex", "channel")]),
    "no number": (lambda z, k: np.cos(k), []),
}  # fmt: skip
DIMENSIONS = ("batch", "bin", "channel")


def parameter(rng, kind, names, sizes):
    """Of the named dimensions, size 1 in the others."""
    shape = [size if dimension in names.split() else 1 for dimension, size in zip(DIMENSIONS, sizes)]
    if kind == "positive":
        return rng.uniform(0.1, 2, shape)
    if kind == "not small":
        return rng.uniform(0.5, 2, shape) * rng.choice([-1, 1], shape)
    if kind == "threshold":
        return rng.uniform(0.1, 2, shape) + rng.choice([0, 6], shape)
    return normal(rng, shape, kind == "complex")


def away_from_kinks(rng, shape, is_complex):
    """Bins of about 1, none near 0 or a size at which a region above changes."""
    phase = np.exp(2j * np.pi * rng.random(shape))
    return rng.uniform(3, 4, shape) * phase if is_complex else normal(rng, shape)


@pytest.mark.parametrize("name", REGIONS)
@forall(examples=8, seed=seeds, n=lengths, half=st.booleans(), hermitian=st.booleans())
def test_map_of_a_spectrum(name, seed, n, half, hermitian):
    rng = np.random.default_rng(seed)
    f, kinds = REGIONS[name]
    bins = away_from_kinks(rng, (2, n // 2 + 1 if half else n, 2), True)
    parameters = {f"p{i}": parameter(rng, *kind, (2, n, 2)) for i, kind in enumerate(kinds)}
    # Those of all batches may lack the dimension.
    parameters = {key: p[0] if len(p) == 1 and rng.random() < 0.5 else p for key, p in parameters.items()}

    def apply(bins, **parameters):
        return reference.spectrum_map(bins, f, *parameters.values(), tokens=n, hermitian=hermitian)

    arguments = {"bins": bins} | parameters
    a = apply(**arguments)
    g = normal(rng, a.shape, np.iscomplexobj(a))
    got = reference.spectrum_map_vjp(g, bins, f, *parameters.values(), tokens=n, hermitian=hermitian)
    check(apply, dict(zip(arguments, got, strict=True)), arguments, g, rng, step=1e-4)


def test_the_hermitian_part_by_hand():
    # Three tokens, bins 0 and 1, f multiplies by its parameter: bin 1's is (p[1] + conj p[2]) / 2, bin 0's Re p[0].
    bins, p = np.array([[[2.0 + 0j], [1 + 1j]]]), np.array([[[1 + 5j], [2j], [4.0 + 0j]]])
    f = lambda z, k, p: z * p  # noqa: E731
    a = reference.spectrum_map(bins, f, p, tokens=3, hermitian=True)
    same(a, bins * np.array([[[1.0], [2 + 1j]]]))
    gbins, gp = reference.spectrum_map_vjp(np.ones_like(a), bins, f, p, tokens=3, hermitian=True)
    same(gbins, np.array([[[1.0 + 0j], [2 - 1j]]]))
    same(gp, np.array([[[2.0 + 0j], [(1 - 1j) / 2], [(1 + 1j) / 2]]]))


def test_a_real_bin_and_its_mirror_are_on_one_side_of_a_cut():
    # log(−1 + 0i) is iπ for both, whose Hermitian part is 0; on the other side conj(log(−1 − 0i)) would add up.
    assert reference.spectrum_map(np.full((1, 1, 1), -1.0), lambda z, k: np.log(z), tokens=1, hermitian=True) == 0


@pytest.mark.parametrize("name", REGIONS)
@forall(examples=8, seed=seeds, n=lengths, axis=st.integers(-3, 2), real=st.booleans(), real_part=st.booleans())
def test_fourier_filter(name, seed, n, axis, real, real_part):
    rng = np.random.default_rng(seed)
    f, kinds = REGIONS[name]
    # The dimension that is transformed is the parameters' bins.
    sizes = [2, 2, 2]
    sizes[axis] = n
    order = [0, 1, 2]
    order.remove(axis % 3)
    order.insert(1, axis % 3)
    turned = [sizes[i] for i in order]
    parameters = {}
    for i, kind in enumerate(kinds):
        parameters[f"p{i}"] = np.transpose(parameter(rng, *kind, turned), np.argsort(order))
    # Bins away from kinks, whatever x is: also of a real one, but for the two that are real.
    x = np.fft.ifft(away_from_kinks(rng, sizes, True), axis=axis)
    if real:
        half = away_from_kinks(rng, [n // 2 + 1 if i == axis % 3 else size for i, size in enumerate(sizes)], True)
        x = np.fft.irfft(half, n=n, axis=axis)
        bins = np.abs(np.fft.rfft(x, axis=axis))
        if bins.min() < 0.3 or (name == "soft shrinkage" and np.abs(bins - parameters["p0"]).min() < 0.1):
            return

    def apply(x, **parameters):
        return reference.fourier_filter(x, f, *parameters.values(), axis=axis, real_part=real_part)

    y = apply(x, **parameters)
    g = normal(rng, y.shape, not real_part)
    got = reference.fourier_filter_vjp(g, x, f, *parameters.values(), axis=axis, real_part=real_part)
    arguments = {"x": x} | parameters
    check(apply, dict(zip(arguments, got, strict=True)), arguments, g, rng, step=1e-4)


@forall(seed=seeds, batch=st.integers(1, 3), n=lengths, d=st.integers(1, 3))
def test_global_filter_by_its_formulas(seed, batch, n, d):
    """GFNet: irfft(rfft(x) H). gH = 1/N Σ_b c_k conj(F) Y, gx = irfft(conj(H) Y), by the pieces and by hand."""
    rng = np.random.default_rng(seed)
    half = n // 2 + 1
    x, g, h = normal(rng, (batch, n, d)), normal(rng, (batch, n, d)), normal(rng, (1, half, d), True)
    bins, outer = reference.fft(x, half=True), reference.fft(g, half=True)
    f = lambda z, k, h: z * h  # noqa: E731
    ga = reference.ifft_vjp(g, half)
    gbins, gh = reference.spectrum_map_vjp(ga, bins, f, h, tokens=n)
    count = np.array([1.0 if k in (0, n - k) else 2.0 for k in range(half)])[:, None]
    same(gh, (count * np.conj(bins) * outer).sum(axis=0, keepdims=True) / n)
    same(reference.fft_vjp(gbins, n), np.fft.irfft(np.conj(h) * outer, n=n, axis=1))


@forall(seed=seeds, n=lengths, d=st.integers(1, 3))
def test_long_convolution_by_its_formulas(seed, n, d):
    """y = irfft_M(rfft(u) rfft(k))[:N], M = 2N: correlations, cut to N."""
    rng = np.random.default_rng(seed)
    u, k, g = normal(rng, (2, n, d)), normal(rng, (1, n, d)), normal(rng, (2, n, d))
    pad = lambda t: np.pad(t, ((0, 0), (0, n), (0, 0)))  # noqa: E731
    kernel = reference.fft(pad(k), half=True)
    f = lambda z, _k, p: z * p  # noqa: E731
    both = np.concatenate([kernel, np.conj(kernel[:, n - 1 : 0 : -1])], axis=1)
    gu, gboth = reference.fourier_filter_vjp(pad(g), pad(u), f, both)
    by_hand = np.fft.irfft(np.conj(kernel) * np.fft.rfft(pad(g), axis=1), axis=1)[:, :n]
    same(gu[:, :n], by_hand)
    gk = reference.fft_vjp(gboth, 2 * n)
    correlation = [[[(g[:, t:, c] * u[:, : n - t, c]).sum() for c in range(d)] for t in range(n)]]
    same(gk[:, :n], np.array(correlation))


# --------------------------------------------------------------------------------------------------------------------
# FFTNet's filter

filters = {"seed": seeds, "batch": st.integers(1, 2), "n": lengths, "d": st.integers(1, 2), "hidden": st.integers(1, 3)}


@forall(**filters)
def test_spectral_filter(seed, batch, n, d, hidden):
    problem = filter_off_kinks(seed, batch, n, d, hidden)
    rng = np.random.default_rng(seed)
    g = normal(rng, problem["x"].shape)
    gradients = dict(zip(FILTER, reference.spectral_filter_vjp(g, **problem), strict=True))
    check(reference.spectral_filter, gradients, problem, g, rng, step=1e-4)
    check_complex_step(analytic_filter, gradients, problem, g, rng, 1e-10)


@forall(**filters, context=st.sampled_from(["mean", "bin"]), spectrum=st.sampled_from(["whole", "half"]))
def test_spectral_filter_from_its_pieces(seed, batch, n, d, hidden, context, spectrum):
    """The rules one after another, as the compiler's network level has the operations, make the formulas of the whole."""
    p = filter_problem(seed, batch, n, d, hidden)
    x, g = p["x"], normal(np.random.default_rng(seed), p["x"].shape)
    f = lambda z, k, w, b: np.maximum(abs(z * w) + b, 0.0) * (z * w) / (abs(z * w) + 1e-10)  # noqa: E731
    half = spectrum == "half"
    bins = reference.fft(x, half)
    m = reference.mean(x) if context == "mean" else reference.spectrum_bin(bins, 0, 1 / n)
    h = reference.linear(m, p["w1"], p["b1"], relu=True)
    w = p["w_base"] + reference.linear(h, p["w2"], p["b2"])

    ga = reference.ifft_vjp(g, bins.shape[1])
    gbins, gw, gbias = reference.spectrum_map_vjp(ga, bins, f, w[:, None], p["bias"], tokens=n)
    gh, gw2, gb2 = reference.linear_vjp(gw[:, 0], h, p["w2"], p["b2"])
    gm, gw1, gb1 = reference.linear_vjp(gh, m, p["w1"], p["b1"], relu=True)
    if context == "bin":
        gx = reference.fft_vjp(gbins + reference.spectrum_bin_vjp(gm, bins.shape[1], 0, 1 / n), n)
    else:
        gx = reference.fft_vjp(gbins, n) + reference.mean_vjp(gm, n)

    whole = reference.spectral_filter_vjp(g, **p)
    for got, ref in zip((gx, gw[:, 0].sum(axis=0), gw1, gb1, gw2, gb2, gbias), whole, strict=True):
        same(got, ref, 1e-10)
    gx_apart, gm_apart, *rest = reference.spectral_filter_vjp_apart(g, **p)
    same(gx_apart + gm_apart[:, None] / n, whole[0])
    assert all(np.array_equal(a, b) for a, b in zip(rest, whole[1:], strict=True))


def test_spectral_filter_of_inputs_as_stored():
    problem = {name: reference.store(value, "f16") for name, value in filter_problem(3, 2, 6, 2, 3).items()}
    g = reference.store(normal(np.random.default_rng(4), (2, 6, 2)), "bf16")
    wide = {name: reference.load(value) for name, value in problem.items()}
    pairs = zip(reference.spectral_filter_vjp(g, **problem), reference.spectral_filter_vjp(reference.load(g), **wide))
    assert all(a.dtype == np.float64 and np.array_equal(a, b) for a, b in pairs)


# modReLU where it has no derivative, or an extreme one


@forall(seed=seeds, bias=st.sampled_from([-0.7, 0.0, 0.4]), size=st.sampled_from([1e-12, 1e-10, 3e-9, 1e-3, 2.0]))
def test_mod_relu_at_every_size(seed, bias, size):
    """Down to |z| below ε, where a bias > 0 has a derivative of up to bias/ε."""
    rng = np.random.default_rng(seed)
    z = size * np.exp(2j * np.pi * rng.random((3, 2)))
    arguments = {"z": z, "bias": np.full(2, bias)}
    g = normal(rng, (3, 2), True)
    gz, gbias = reference.mod_relu_vjp(g, **arguments)
    scaled = lambda z, bias: reference.mod_relu(z * size, bias)  # noqa: E731
    check(scaled, {"z": gz * size}, arguments | {"z": z / size}, g, rng, 1e-3, 1e-6)
    # With bias 0 the threshold is as near as 0 is.
    check(reference.mod_relu, {"bias": gbias}, arguments, g, rng, 1e-4 if bias else 1e-2 * size, 1e-6)
    named = reference.pullback(lambda z, b: np.maximum(abs(z) + b, 0.0) * z / (abs(z) + 1e-10), z, arguments["bias"])
    for got, ref in zip(named[1](g), (gz, gbias)):
        same(got, ref, 1e-11)


@pytest.mark.parametrize("bias, slope", [(0.5, 0.5e10), (0.0, 0.0), (-0.5, 0.0)])
def test_mod_relu_at_zero(bias, slope):
    # There it has a derivative: relu(bias)/ε, the same in all directions. |z| has none, and counts 0.
    g = np.array([1 - 2j])
    gz, gbias = reference.mod_relu_vjp(g, np.zeros(1, complex), np.array([bias]))
    same(gz, slope * g)
    assert gbias == 0
    for direction in (1, 1j, np.exp(0.3j)):
        step = 1e-16
        change = (reference.mod_relu(step * direction, bias) - reference.mod_relu(-step * direction, bias)) / (2 * step)
        assert abs(change - slope * direction) <= 1e-5 * slope + 1e-5


def test_mod_relu_at_its_threshold():
    # |3 + 4i| − 5 is 0 exactly; PyTorch's relu has derivative 0 there. On either side it is that side's.
    z, g = np.array([3.0 + 4j]), np.array([1.0 + 1j])
    gz, gbias = reference.mod_relu_vjp(g, z, np.array([-5.0]))
    assert gz == 0 and gbias == 0
    gz, gbias = reference.mod_relu_vjp(g, z, np.array([-5.0 + 1e-9]))
    same(gz, (7 / 25) * z, 1e-8)
    same(gbias, np.array([7 / 5]), 1e-8)
    # The region that is written with a maximum and a constant is the same function, here too.
    f = lambda z, b: np.maximum(abs(z) + b, 0.0) * z / (abs(z) + 1e-10)  # noqa: E731
    assert not any(gradient.any() for gradient in reference.pullback(f, z, np.array([-5.0]))[1](g))


def test_a_channel_of_zeros():
    # Every bin is 0: A = 0, and with a bias > 0 its derivative 1e10 · bias times the weight; the others stay as they were.
    problem = filter_problem(5, 2, 8, 3, 4)
    problem["x"][:, :, 1] = 0.0
    problem["bias"][1] = 0.5
    g = normal(np.random.default_rng(6), (2, 8, 3))
    gx, gm, gw_base, *_ = reference.spectral_filter_vjp_apart(g, **problem)
    context = reference.linear(problem["x"].mean(axis=1), problem["w1"], problem["b1"], relu=True)
    w = problem["w_base"] + reference.linear(context, problem["w2"], problem["b2"])
    same(gx[:, :, 1], 0.5e10 * w[:, None, 1] * g[:, :, 1], 1e-9)
    assert gw_base[1] == 0 and np.isfinite(gm).all()


def test_nothing_passes_what_is_cut_off():
    problem = filter_problem(7, 1, 12, 3, 4)
    problem["bias"] = np.full(3, -1e6)
    assert not any(gradient.any() for gradient in reference.spectral_filter_vjp(np.ones((1, 12, 3)), **problem))


def test_a_nan_stays_in_its_batch():
    problem = filter_problem(8, 2, 8, 3, 4)
    g = normal(np.random.default_rng(9), (2, 8, 3))
    clean = reference.spectral_filter_vjp(g, **problem)[0]
    problem["x"][1, 2, 0] = math.nan
    with np.errstate(invalid="ignore"):
        gx = reference.spectral_filter_vjp(g, **problem)[0]
    assert np.array_equal(gx[0], clean[0]) and np.isnan(gx[1, :, 0]).all()
