# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The oracle against a second writing of each definition: loops over tokens, heads and bins, a sum for each DFT
bin. And every exact rewrite that the compiler may use, against the oracle, to 1e-12."""

import cmath
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bfly import reference

TOLERANCE = 1e-12

seeds = st.integers(0, 2**32 - 1)
# Lengths of each kind: 1, 2, powers of two, primes, products.
lengths = st.one_of(st.sampled_from([1, 2, 3, 4, 5, 7, 8, 12, 16, 17, 30, 31, 32]), st.integers(1, 40))


def forall(**strategies):
    """Hypothesis' given, without a time limit for one example (a busy machine is no failure) and without its folder of
    earlier failures, which would land wherever the tests are started."""
    return lambda test: settings(deadline=None, database=None, max_examples=50)(given(**strategies)(test))


def close(out, ref, tolerance=TOLERANCE):
    assert out.shape == ref.shape
    assert reference.error(out, ref) <= tolerance


# --------------------------------------------------------------------------------------------------------------------
# Brute force


def dft_by_sums(x, sign=-1):
    """DFT along the first axis, a sum for each bin. The angle is reduced as an integer, so that it stays exact."""
    n = len(x)
    out = np.zeros(x.shape, np.complex128)
    for k in range(n):
        for t in range(n):
            out[k] += x[t] * cmath.exp(sign * 2j * math.pi * (k * t % n) / n)
    return out


def butterfly_by_tokens(x, wq, wk, heads, weights, scale):
    """The definition, a token and a head at a time, in plain Python."""
    batch, n, d = x.shape
    dh = d // heads
    scale = 1 / math.sqrt(dh) if scale is None else scale
    padded = 1
    while padded < n:
        padded *= 2
    out = np.empty(x.shape)

    def projection(w, stage, token, head):
        w = w[0 if len(w) == 1 else stage]
        channels = slice(head * dh, (head + 1) * dh)
        if weights == "dense":
            return [sum(w[o, c] * token[c] for c in range(d)) for o in range(d)][channels]
        w = w[head] if w.ndim == 3 else w
        return [sum(w[o, c] * token[channels][c] for c in range(dh)) for o in range(dh)]

    for b in range(batch):
        v = [x[b, j].copy() if j < n else np.zeros(d) for j in range(padded)]
        stage, stride = 0, 1
        while stride < padded:
            mixed = [np.zeros(d) for _ in range(padded)]
            for j in range(padded):
                p = j + stride if (j // stride) % 2 == 0 else j - stride
                for h in range(heads):
                    q = projection(wq, stage, v[j], h)
                    own = scale * sum(a * c for a, c in zip(q, projection(wk, stage, v[j], h)))
                    other = scale * sum(a * c for a, c in zip(q, projection(wk, stage, v[p], h)))
                    top = max(own, other)
                    e_own, e_other = math.exp(own - top), math.exp(other - top)
                    for c in range(h * dh, (h + 1) * dh):
                        mixed[j][c] = (e_own * v[j][c] + e_other * v[p][c]) / (e_own + e_other)
            v = mixed
            stage, stride = stage + 1, 2 * stride
        out[b] = v[:n]
    return out


def spectral_filter_by_sums(x, w_base, w1, b1, w2, b2, bias):
    batch, n, d = x.shape
    out = np.empty(x.shape)
    for b in range(batch):
        context = sum(x[b, t] for t in range(n)) / n
        hidden = [max(0.0, b1[i] + sum(w1[i, c] * context[c] for c in range(d))) for i in range(len(b1))]
        w = [w_base[c] + b2[c] + sum(w2[c, i] * hidden[i] for i in range(len(b1))) for c in range(d)]
        bins = dft_by_sums(x[b])
        for k in range(n):
            for c in range(d):
                g = bins[k, c] * w[c]
                bins[k, c] = max(0.0, abs(g) + bias[c]) * g / (abs(g) + 1e-10)
        out[b] = dft_by_sums(bins, sign=1).real / n
    return out


# --------------------------------------------------------------------------------------------------------------------
# Random problems


def butterfly_problem(seed, batch, n, heads, dh, weights, shared_stages=False):
    """x, wq, wk in float64 whose scores are about 1. `weights`: dense, per_head or shared_heads."""
    rng = np.random.default_rng(seed)
    d = heads * dh
    count = 1 if shared_stages else reference.stages(n)
    shape = {"dense": (d, d), "per_head": (heads, dh, dh), "shared_heads": (dh, dh)}[weights]
    wq, wk = (rng.standard_normal((count, *shape)) / math.sqrt(shape[-1]) for _ in range(2))
    return rng.standard_normal((batch, n, d)), wq, wk


def filter_problem(seed, batch, n, d, hidden):
    rng = np.random.default_rng(seed)
    normal = rng.standard_normal
    return {
        "x": normal((batch, n, d)),
        "w_base": normal(d),
        "w1": normal((hidden, d)),
        "b1": normal(hidden),
        "w2": normal((d, hidden)),
        "b2": normal(d),
        "bias": math.sqrt(n) * normal(d),
    }


# --------------------------------------------------------------------------------------------------------------------
# Butterfly attention


@forall(
    seed=seeds,
    batch=st.integers(1, 2),
    n=st.integers(1, 17),
    heads=st.integers(1, 4),
    dh=st.integers(1, 3),
    weights=st.sampled_from(["dense", "per_head", "shared_heads"]),
    shared_stages=st.booleans(),
    scale=st.sampled_from([None, 0.0, 0.37, -2.0]),
)
def test_butterfly_is_its_definition(seed, batch, n, heads, dh, weights, shared_stages, scale):
    x, wq, wk = butterfly_problem(seed, batch, n, heads, dh, weights, shared_stages)
    form = "dense" if weights == "dense" else "per_head"
    out = reference.butterfly_attention(x, wq, wk, heads, form, scale)
    close(out, butterfly_by_tokens(x, wq, wk, heads, form, scale))


def test_one_token_passes_through():
    x, wq, wk = butterfly_problem(1, 3, 1, 2, 2, "dense")
    assert wq.shape == (0, 4, 4)
    assert np.array_equal(reference.butterfly_attention(x, wq, wk, 2), x)
    assert np.array_equal(reference.butterfly_attention(x, *butterfly_problem(1, 3, 1, 2, 2, "dense", True)[1:], 2), x)


def test_two_tokens_by_hand():
    # One channel: Q = 2v, K = 3v, so that the scores of v = (1, 2) are (6, 12) and (12, 24), times the scale.
    x = np.array([[[1.0], [2.0]]])
    out = reference.butterfly_attention(x, [[[2.0]]], [[[3.0]]], 1, scale=0.1)
    sigmoid = lambda t: 1 / (1 + math.exp(-t))  # noqa: E731
    close(out, np.array([[[1 + sigmoid(0.6)], [2 - sigmoid(-1.2)]]]))


def test_scale_none_is_one_over_root_dh():
    x, wq, wk = butterfly_problem(2, 1, 8, 2, 4, "dense")
    explicit = reference.butterfly_attention(x, wq, wk, 2, scale=0.5)
    assert np.array_equal(reference.butterfly_attention(x, wq, wk, 2), explicit)


def test_scale_zero_is_the_mean_of_all_padded_tokens():
    x, wq, wk = butterfly_problem(3, 2, 6, 1, 3, "dense")
    out = reference.butterfly_attention(x, wq, wk, 1, scale=0.0)
    close(out, np.broadcast_to(x.sum(axis=1, keepdims=True) / 8, x.shape))


def test_large_scores_do_not_overflow():
    x, wq, wk = butterfly_problem(4, 1, 16, 1, 4, "dense")
    out = reference.butterfly_attention(x, wq, wk, 1, scale=1e6)
    assert np.isfinite(out).all() and np.abs(out).max() <= np.abs(x).max()


def test_padding_is_zero_tokens():
    x, wq, wk = butterfly_problem(5, 2, 11, 2, 2, "dense")
    full = np.concatenate([x, np.zeros((2, 5, 4))], axis=1)
    out = reference.butterfly_attention(x, wq, wk, 2)
    assert np.array_equal(out, reference.butterfly_attention(full, wq, wk, 2)[:, :11])


def test_shared_weights_are_repeated_weights():
    x, wq, wk = butterfly_problem(6, 2, 8, 2, 3, "shared_heads", shared_stages=True)
    out = reference.butterfly_attention(x, wq, wk, 2, "per_head")
    by_head = [np.broadcast_to(w[:, None], (3, 2, 3, 3)) for w in (wq, wk)]
    close(out, reference.butterfly_attention(x, *by_head, 2, "per_head"))
    # And a head that sees only its own channels is a dense matrix of blocks.
    dense = [np.stack([np.kron(np.eye(2), w[0])] * 3) for w in (wq, wk)]
    close(out, reference.butterfly_attention(x, *dense, 2, "dense"))


def test_a_nan_stays_in_its_sequence():
    x, wq, wk = butterfly_problem(7, 2, 8, 2, 2, "dense")
    clean = reference.butterfly_attention(x, wq, wk, 2)
    x[0, 3, 1] = math.nan
    out = reference.butterfly_attention(x, wq, wk, 2)
    assert np.isnan(out[0]).any() and np.array_equal(out[1], clean[1])


# The exact rewrites. Each returns one stage's state from the state before, v (B, N, D).


def pairs_of(v, stage, heads):
    """The two halves of every pair, (B, N/2, H, dh) each, and a function that puts results back in token order."""
    batch, n, d = v.shape
    low = [j for j in range(n) if not j >> stage & 1]
    high = [j | 1 << stage for j in low]

    def together(v_low, v_high):
        out = np.empty(v.shape)
        out[:, low], out[:, high] = v_low.reshape(batch, -1, d), v_high.reshape(batch, -1, d)
        return out

    by_head = v.reshape(batch, n, heads, d // heads)
    return by_head[:, low], by_head[:, high], together


def sigmoid(t):
    return 0.5 * (1 + np.tanh(0.5 * t))


def mix(score_low, score_high, v_low, v_high):
    """V_j + a_jp δ and V_p − a_pj δ from scale · Q · K δ of both tokens. For p the difference is −δ."""
    delta = v_high - v_low
    return v_low + sigmoid(score_low)[..., None] * delta, v_high - sigmoid(-score_high)[..., None] * delta


def pair_difference(v, wq, wk, heads, scale, stage):
    d = v.shape[2]
    low, high, together = pairs_of(v, stage, heads)
    q_low, q_high, k = (
        (t.reshape(*t.shape[:2], d) @ w.T).reshape(t.shape) for t, w in ((low, wq), (high, wq), (high - low, wk))
    )
    return together(*mix(scale * (q_low * k).sum(-1), scale * (q_high * k).sum(-1), low, high))


def chained(v, wq, wk, heads, scale, stage):
    d = v.shape[2]
    low, high, together = pairs_of(v, stage, heads)
    kappa = ((high - low).reshape(*low.shape[:2], d) @ wk.T).reshape(low.shape)
    # r^h = (Wq^h)ᵀ κ^h: all D channels, for every head.
    r = np.einsum("bnho,hoc->bnhc", kappa, wq.reshape(heads, d // heads, d))
    score = lambda t: scale * np.einsum("bnhc,bnc->bnh", r, t.reshape(*t.shape[:2], d))  # noqa: E731
    return together(*mix(score(low), score(high), low, high))


def fold(v, m, heads, scale, stage):
    """m (H, dh, dh) = (Wq^h)ᵀ Wk^h ahead of time; dense weights fold where H = 1."""
    low, high, together = pairs_of(v, stage, heads)
    r = np.einsum("bnhc,hoc->bnho", high - low, m)
    return together(*mix(scale * (low * r).sum(-1), scale * (high * r).sum(-1), low, high))


@forall(seed=seeds, count=st.integers(1, 5), heads=st.integers(1, 4), dh=st.integers(1, 5))
def test_dense_rewrites(seed, count, heads, dh):
    x, wq, wk = butterfly_problem(seed, 2, 1 << count, heads, dh, "dense")
    ref = reference.butterfly_attention(x, wq, wk, heads)
    for rewrite in (pair_difference, chained):
        v = x
        for stage in range(count):
            v = rewrite(v, wq[stage], wk[stage], heads, dh**-0.5, stage)
        close(v, ref)


@forall(seed=seeds, count=st.integers(1, 5), dh=st.integers(1, 6))
def test_fold_of_one_head(seed, count, dh):
    x, wq, wk = butterfly_problem(seed, 2, 1 << count, 1, dh, "dense")
    v = x
    for stage in range(count):
        v = fold(v, (wq[stage].T @ wk[stage])[None], 1, dh**-0.5, stage)
    close(v, reference.butterfly_attention(x, wq, wk, 1))


@forall(seed=seeds, count=st.integers(1, 5), heads=st.integers(1, 4), dh=st.integers(1, 4))
def test_fold_per_head(seed, count, heads, dh):
    x, wq, wk = butterfly_problem(seed, 2, 1 << count, heads, dh, "per_head")
    v = x
    for stage in range(count):
        v = fold(v, wq[stage].transpose(0, 2, 1) @ wk[stage], heads, dh**-0.5, stage)
    close(v, reference.butterfly_attention(x, wq, wk, heads, "per_head"))


@forall(
    seed=seeds,
    count=st.integers(1, 5),
    heads=st.integers(1, 4),
    dh=st.integers(1, 4),
    weights=st.sampled_from(["dense", "per_head", "shared_heads"]),
)
def test_commute(seed, count, heads, dh, weights):
    """With weights that all stages share, and H = 1 or per head, Q and K are mixed as V is, and projected once."""
    if weights == "dense":
        heads = 1
    n = 1 << count
    x, wq, wk = butterfly_problem(seed, 2, n, heads, dh, weights, shared_stages=True)
    blocks = [np.broadcast_to(w[0], (heads, dh, dh)) for w in (wq, wk)]
    v = x.reshape(2, n, heads, dh)
    q, k = (np.einsum("bnhc,hoc->bnho", v, w) for w in blocks)
    for stage in range(count):
        partner = np.arange(n) ^ (1 << stage)
        a = sigmoid(dh**-0.5 * (q * (k[:, partner] - k)).sum(-1))[..., None]
        v, q, k = (t + a * (t[:, partner] - t) for t in (v, q, k))
    form = "dense" if weights == "dense" else "per_head"
    close(v.reshape(x.shape), reference.butterfly_attention(x, wq, wk, heads, form))


# The drop-in module


@forall(seed=seeds, n=st.integers(1, 13), heads=st.integers(1, 3), dh=st.integers(1, 3), dim=st.integers(1, 5))
def test_fft_inspired_attention(seed, n, heads, dh, dim):
    rng = np.random.default_rng(seed)
    inner = heads * dh
    x, wv = rng.standard_normal((2, n, dim)), rng.standard_normal((inner, dim))
    wq, wk = rng.standard_normal((2, 16, inner, inner)) / math.sqrt(inner)
    v = np.array([[[sum(wv[o, c] * t[c] for c in range(dim)) for o in range(inner)] for t in s] for s in x])
    out = reference.fft_inspired_attention(x, wv, wq, wk, heads)
    close(out, butterfly_by_tokens(v, wq, wk, heads, "dense", None))


def test_fft_inspired_attention_wants_a_weight_for_every_stage():
    x, w = np.zeros((1, 9, 2)), np.zeros((3, 2, 2))
    with pytest.raises(ValueError, match="wq"):
        reference.fft_inspired_attention(x, w[0], w, w, 1)


# --------------------------------------------------------------------------------------------------------------------
# Spectral filters


@forall(seed=seeds, batch=st.integers(1, 2), n=lengths, d=st.integers(1, 4), hidden=st.integers(1, 6))
def test_spectral_filter_is_its_definition(seed, batch, n, d, hidden):
    problem = filter_problem(seed, batch, n, d, hidden)
    ref = spectral_filter_by_sums(**problem)
    floor = problem.copy()
    floor.pop("bias")
    assert reference.error(reference.spectral_filter(**problem), ref, reference.spectral_filter_floor(**floor)) <= 1e-12


@forall(seed=seeds, n=lengths, axis=st.integers(-3, 2), real=st.booleans(), real_part=st.booleans())
def test_fourier_filter_is_its_definition(seed, n, axis, real, real_part):
    rng = np.random.default_rng(seed)
    shape = [2, 3, 2]
    shape[axis] = n
    x = rng.standard_normal(shape) + (0 if real else 1j * rng.standard_normal(shape))
    p = rng.standard_normal(shape) + 1j * rng.standard_normal(shape)
    # Anything element-wise: not linear, not analytic, of the bin, its index and a parameter.
    f = lambda bins, k, p: bins * p + np.conj(bins) * np.sin(k) + abs(bins) * k  # noqa: E731
    out = reference.fourier_filter(x, f, p, axis=axis, real_part=real_part)

    bins = dft_by_sums(np.moveaxis(x, axis, 0))
    k = np.arange(n)[:, None, None]
    ref = dft_by_sums(f(bins, k, np.moveaxis(p, axis, 0)), sign=1) / n
    ref = np.moveaxis(ref, 0, axis)
    assert out.dtype == (np.float64 if real_part else np.complex128)
    ref = ref.real if real_part else ref
    assert np.linalg.norm(out - ref) <= TOLERANCE * max(1.0, np.linalg.norm(ref))


def test_one_token_of_the_filter():
    # N = 1: the transform is nothing, the bin is the token, and modReLU is left.
    out = reference.spectral_filter(
        [[[3.0, -0.5]]], [2.0, 2.0], np.zeros((1, 2)), [0.0], np.zeros((2, 1)), [0.0, 0.0], [-1.0, -1.5]
    )
    close(out, np.array([[[5.0, 0.0]]]), 1e-9)


def test_nothing_is_left_by_a_large_negative_bias():
    problem = filter_problem(8, 1, 12, 3, 4)
    problem["bias"] = np.full(3, -1e6)
    out = reference.spectral_filter(**problem)
    assert not out.any()
    floor = reference.spectral_filter_floor(**{k: v for k, v in problem.items() if k != "bias"})
    assert floor > 1
    assert reference.error(out + 1e-9, out, floor) < 1e-7 and reference.error(out + 1e-9, out) == math.inf


def test_silence_stays_silence():
    # A bin of 0 has no direction: the 1e-10 keeps it 0 whatever the bias.
    problem = filter_problem(9, 1, 8, 2, 3)
    problem["x"][:] = 0.0
    assert not reference.spectral_filter(**problem).any()


@forall(seed=seeds, n=lengths, d=st.integers(1, 4))
def test_without_the_nonlinearity_the_filter_needs_no_transform(seed, n, d):
    problem = filter_problem(seed, 2, n, d, 3)
    w = problem["w_base"] + reference.linear(
        reference.linear(problem["x"].mean(axis=1), problem["w1"], problem["b1"], relu=True),
        problem["w2"],
        problem["b2"],
    )
    out = reference.fourier_filter(problem["x"], lambda bins, _k, w: bins * w, w[:, None, :])
    close(out, problem["x"] * w[:, None, :])


@forall(seed=seeds, n=lengths)
def test_bin_zero_is_the_mean(seed, n):
    x = np.random.default_rng(seed).standard_normal((n, 3))
    close(dft_by_sums(x)[0].real / n, x.mean(axis=0), 1e-11)


@forall(seed=seeds, n=lengths)
def test_two_real_channels_in_one_transform(seed, n):
    x, y = np.random.default_rng(seed).standard_normal((2, n))
    both = np.fft.fft(x + 1j * y)
    mirrored = np.conj(np.roll(both[::-1], 1))
    for out, ref in (((both + mirrored) / 2, dft_by_sums(x)), ((both - mirrored) / 2j, dft_by_sums(y))):
        assert np.linalg.norm(out - ref) <= TOLERANCE * max(1.0, np.linalg.norm(ref))


@forall(seed=seeds, n=lengths)
def test_half_a_spectrum_is_enough_for_any_filter(seed, n):
    """F[N−k] = conj F[k]: filter k and N−k, keep the Hermitian half of the result, invert as real."""
    rng = np.random.default_rng(seed)
    x, p = rng.standard_normal((n, 3)), rng.standard_normal((n, 3)) + 1j * rng.standard_normal((n, 3))
    f = lambda bins, k, p: bins * p * np.exp(1j * k) + abs(bins) * np.cos(3 * k)  # noqa: E731
    ref = reference.fourier_filter(x, f, p, axis=0)

    half = np.fft.rfft(x, axis=0)
    k = np.arange(n // 2 + 1)[:, None]
    opposite = -k % n
    a = f(half, k, p[k[:, 0]])
    b = f(np.conj(half), opposite, p[opposite[:, 0]])
    out = np.fft.irfft((a + np.conj(b)) / 2, n=n, axis=0)
    assert np.linalg.norm(out - ref) <= TOLERANCE * max(1.0, np.linalg.norm(ref))


@forall(seed=seeds, n=st.integers(1, 9), d=st.integers(1, 6))
def test_fnet_mixing(seed, n, d):
    x = np.random.default_rng(seed).standard_normal((2, n, d))
    ref = np.stack([dft_by_sums(dft_by_sums(s.T).T).real for s in x])
    out = reference.fnet_mixing(x)
    assert np.linalg.norm(out - ref) <= TOLERANCE * max(1.0, np.linalg.norm(ref))


def test_a_nan_in_a_filter_stays_in_its_batch():
    problem = filter_problem(10, 2, 8, 3, 4)
    clean = reference.spectral_filter(**problem)
    problem["x"][1, 2, 0] = math.nan
    with np.errstate(invalid="ignore"):
        out = reference.spectral_filter(**problem)
    assert np.array_equal(out[0], clean[0]) and np.isnan(out[1, :, 0]).all()


# --------------------------------------------------------------------------------------------------------------------
# Small parts, layer and model


@forall(seed=seeds, d=st.integers(1, 7))
def test_layer_norm_and_linear(seed, d):
    rng = np.random.default_rng(seed)
    x, weight, bias = rng.standard_normal((2, 3, d)), rng.standard_normal(d), rng.standard_normal(d)
    w, b = rng.standard_normal((4, d)), rng.standard_normal(4)
    normed, projected = np.empty(x.shape), np.empty((2, 3, 4))
    for i in np.ndindex(2, 3):
        mean = sum(x[i]) / d
        variance = sum((x[i] - mean) ** 2) / d
        for c in range(d):
            normed[i][c] = (x[i][c] - mean) / math.sqrt(variance + 1e-5) * weight[c] + bias[c]
        for o in range(4):
            projected[i][o] = sum(w[o, c] * x[i][c] for c in range(d)) + b[o]
    assert np.linalg.norm(reference.layer_norm(x, weight, bias) - normed) <= 1e-11 * max(1, np.linalg.norm(normed))
    close(reference.linear(x, w, b), projected)
    close(reference.linear(x, w, b, relu=True) + 1, np.where(projected > 0, projected, 0) + 1)


@pytest.mark.parametrize("d", [1, 2, 5, 8])
def test_sinusoidal_table(d):
    table = reference.sinusoidal_table(6, d)
    assert table.shape == (6, d)
    for n in range(6):
        for c in range(d):
            angle = n * 10000 ** (-2 * (c // 2) / d)
            assert table[n, c] == pytest.approx(math.cos(angle) if c % 2 else math.sin(angle), abs=1e-15)


def layer_parameters(rng, d, hidden, prefix="", norms=True):
    p = {
        "adaptive_filter.W_base": rng.standard_normal(d),
        "adaptive_filter.mlp.0.weight": rng.standard_normal((hidden, d)),
        "adaptive_filter.mlp.0.bias": rng.standard_normal(hidden),
        "adaptive_filter.mlp.2.weight": rng.standard_normal((d, hidden)),
        "adaptive_filter.mlp.2.bias": rng.standard_normal(d),
        "modrelu.bias": rng.standard_normal(d),
    }
    for name in ("input_norm.", "output_norm.") if norms else ():
        p |= {name + "weight": rng.standard_normal(d), name + "bias": rng.standard_normal(d)}
    return {prefix + name: value for name, value in p.items()}


def layer_by_sums(x, p, prefix=""):
    q = {name[len(prefix) :]: value for name, value in p.items() if name.startswith(prefix)}

    def norm(v, name):
        if name + ".weight" not in q:
            return v
        centred = v - v.mean(-1, keepdims=True)
        return centred / np.sqrt(v.var(-1, keepdims=True) + 1e-5) * q[name + ".weight"] + q[name + ".bias"]

    mlp = [q["adaptive_filter.mlp." + s] for s in ("0.weight", "0.bias", "2.weight", "2.bias")]
    y = spectral_filter_by_sums(norm(x, "input_norm"), q["adaptive_filter.W_base"], *mlp, q["modrelu.bias"])
    return norm(y + x, "output_norm")


@forall(seed=seeds, n=st.integers(1, 12), d=st.integers(3, 5), norms=st.booleans())
def test_fftnet_layer(seed, n, d, norms):
    rng = np.random.default_rng(seed)
    p = layer_parameters(rng, d, 6, "layers.3.", norms)
    x = rng.standard_normal((2, n, d))
    close(reference.fftnet_layer(x, p, "layers.3."), layer_by_sums(x, p, "layers.3."), 1e-10)


@forall(seed=seeds, n=st.integers(1, 9), layers=st.integers(0, 3))
def test_fftnet_model(seed, n, layers):
    rng = np.random.default_rng(seed)
    d, vocabulary = 4, 7
    p = {"embedding.weight": rng.standard_normal((vocabulary, d))}
    for i in range(layers):
        p |= layer_parameters(rng, d, 5, f"layers.{i}.")
    p |= {"output_norm.weight": rng.standard_normal(d), "output_norm.bias": rng.standard_normal(d)}
    p["output_proj.weight"] = rng.standard_normal((vocabulary, d))
    p["output_proj.bias"] = rng.standard_normal(vocabulary)
    tokens = rng.integers(0, vocabulary, (2, n))

    x = np.empty((2, n, d))
    for b, t, c in np.ndindex(*x.shape):
        angle = t * 10000 ** (-(c - c % 2) / d)
        x[b, t, c] = p["embedding.weight"][tokens[b, t], c] * math.sqrt(d) + (
            math.cos(angle) if c % 2 else math.sin(angle)
        )
    for i in range(layers):
        x = layer_by_sums(x, p, f"layers.{i}.")
    x = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5)
    x = x * p["output_norm.weight"] + p["output_norm.bias"]
    ref = np.einsum("bnd,vd->bnv", x, p["output_proj.weight"]) + p["output_proj.bias"]
    close(reference.fftnet_model(tokens, p), ref, 1e-10)


# --------------------------------------------------------------------------------------------------------------------
# Errors, bounds, types and arguments


def test_error():
    ref = np.array([3.0, 4.0])
    assert reference.error(ref, ref) == 0
    assert reference.error(np.array([3.0, 4.5]), ref) == pytest.approx(0.1)
    assert reference.error(np.array([3.0, 4.5]), ref, floor=50.0) == pytest.approx(0.01)
    assert reference.error(np.array([3.0, 4.5]), ref, floor=1.0) == pytest.approx(0.1)
    assert reference.error(np.zeros(2), np.zeros(2)) == 0
    assert reference.error(np.ones(2), np.zeros(2)) == math.inf
    assert reference.error(np.empty((0, 3)), np.empty((0, 3))) == 0
    assert reference.error(np.array([3.0, 4.0], np.float16), ref) == 0
    assert reference.error(reference.store([3.0, 4.0], "bf16"), ref) == 0
    with pytest.raises(ValueError, match="out"):
        reference.error(np.zeros(3), ref)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_what_is_not_a_number_never_passes(bad):
    ref = np.array([3.0, 4.0])
    wrong = np.array([3.0, bad])
    for pair in ((wrong, ref), (ref, wrong), (wrong, wrong)):
        assert reference.error(*pair) == math.inf
        assert reference.error(*pair, floor=1e300) == math.inf


def test_bounds():
    assert reference.bound("spectral_filter", "f64", 1) == 1e-13
    assert reference.bound("butterfly_attention", "f64", 1024) == pytest.approx(1e-12, abs=0)
    assert reference.bound("spectral_filter", "f32", 256) == pytest.approx(2.4e-6)
    assert reference.bound("spectral_filter", "f32", 1) == 3e-7
    assert reference.bound("butterfly_attention", "f32", 1024) == pytest.approx(1e-5)
    assert reference.bound("butterfly_attention", "f32", 1000) == pytest.approx(1e-5)  # padded: ten stages
    assert reference.bound("butterfly_attention", "f32", 1) == 0
    assert reference.bound("spectral_filter", "bf16", 64) == 2.5e-3
    assert reference.bound("spectral_filter", "f16", 64) == 7e-4
    assert reference.bound("butterfly_attention", "bf16", 64, definition_error=0.01) == pytest.approx(0.0125)
    # The definition's own error counts where it is more, in every type; 16 bits that are not fused have twice the bound.
    assert reference.bound("butterfly_attention", "f32", 64, definition_error=1e-9) == pytest.approx(6e-6)
    assert reference.bound("butterfly_attention", "f32", 64, definition_error=1e-3) == pytest.approx(1.25e-3)
    assert reference.bound("butterfly_attention", "f64", 64, definition_error=1e-9) == pytest.approx(1.25e-9)
    assert reference.bound("spectral_filter", "bf16", 64, definition_error=0.01) == pytest.approx(0.0125)
    assert reference.bound("spectral_filter", "f16", 64, fused=False) == pytest.approx(1.4e-3)
    assert reference.bound("butterfly_attention", "bf16", 64, 0.01, fused=False) == pytest.approx(0.025)
    assert reference.bound("spectral_filter", "f32", 64, fused=False) == reference.bound("spectral_filter", "f32", 64)
    with pytest.raises(ValueError, match="definition_error"):
        reference.bound("butterfly_attention", "f16", 64)
    with pytest.raises(ValueError, match="op"):
        reference.bound("spectral", "f32", 64)
    with pytest.raises(ValueError, match="dtype"):
        reference.bound("spectral_filter", "fp32", 64)
    with pytest.raises(ValueError, match="n:"):
        reference.bound("spectral_filter", "f32", 0)


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 1023, 1024, 1025, 65536])
def test_stages(n):
    assert 1 << reference.stages(n) >= n > (1 << reference.stages(n)) // 2


@pytest.mark.parametrize("dtype, unit", [("f16", 2.0**-11), ("bf16", 2.0**-8)])
def test_rounded_definition(dtype, unit):
    x, wq, wk = butterfly_problem(11, 2, 32, 2, 8, "dense")
    rounded = reference.rounding(dtype)
    x, wq, wk = rounded(x), rounded(wq), rounded(wk)
    ref = reference.butterfly_attention(x, wq, wk, 2)
    out = reference.butterfly_attention_rounded(x, wq, wk, 2, dtype)
    # Five stages, a handful of roundings each; nearer than one rounding it cannot be.
    assert unit / 4 < reference.error(out, ref) < 10 * unit
    assert np.array_equal(rounded(out), out)
    assert np.array_equal(reference.butterfly_attention_rounded(x, wq, wk, 2, "f64"), ref)
    # In twice the unit everything is twice as large; in others the roundings are others, of the same function.
    assert np.array_equal(reference.butterfly_attention_rounded(x, wq, wk, 2, dtype, unit=2.0), out)
    other = reference.butterfly_attention_rounded(x, wq, wk, 2, dtype, unit=1.3)
    assert not np.array_equal(other, out)
    assert unit / 4 < reference.error(other, ref) < 10 * unit
    with pytest.raises(ValueError, match="unit: 1.3 in f32, expected 1"):
        reference.butterfly_attention_rounded(x, wq, wk, 2, "f32", unit=1.3)


@pytest.mark.parametrize("dtype", ["f32", "f16", "bf16"])
def test_inputs_are_taken_as_stored(dtype):
    x, wq, wk = (reference.store(a, dtype) for a in butterfly_problem(12, 1, 6, 2, 2, "dense"))
    out = reference.butterfly_attention(x, wq, wk, 2)
    assert out.dtype == np.float64
    assert np.array_equal(out, reference.butterfly_attention(*map(reference.load, (x, wq, wk)), 2))
    problem = {name: reference.store(a, dtype) for name, a in filter_problem(13, 1, 6, 2, 3).items()}
    wide = {name: reference.load(a) for name, a in problem.items()}
    assert np.array_equal(reference.spectral_filter(**problem), reference.spectral_filter(**wide))


def test_wrong_arguments_are_named():
    x, w = np.zeros((1, 4, 6)), np.zeros((2, 6, 6))
    call = reference.butterfly_attention
    for name, arguments in {
        "x": (np.zeros((4, 6)), w, w, 2),
        "x ": (np.zeros((1, 0, 6)), w, w, 2),
        "heads": (x, w, w, 4),
        "heads ": (x, w, w, 0),
        "wq": (x, w[:, :3], w, 2),
        "wk": (x, w, np.zeros((3, 6, 6)), 2),
        "wq ": (x, w, w, 2, "per_head"),
        "weights": (x, w, w, 2, "sparse"),
    }.items():
        with pytest.raises(ValueError, match=name.strip() + ":"):
            call(*arguments)
    good = filter_problem(14, 1, 4, 3, 5)
    for name in ("w_base", "w1", "b1", "w2", "b2", "bias"):
        with pytest.raises(ValueError, match=name + ":|w1:" if name == "w1" else name + ":"):
            reference.spectral_filter(**(good | {name: np.zeros(good[name].shape + (2,))}))
    with pytest.raises(ValueError, match="x:"):
        reference.spectral_filter(**(good | {"x": np.zeros((1, 4, 3), np.complex128)}))
    with pytest.raises(ValueError, match="tokens:"):
        reference.fftnet_model(np.array([[-1]]), {"embedding.weight": np.zeros((3, 2))})
    with pytest.raises(ValueError, match="tokens:"):
        reference.fftnet_model(np.array([[0.5]]), {"embedding.weight": np.zeros((3, 2))})


def test_the_definition_in_a_type():
    """f32 is done in f32, and what is longer than f64 agrees with it where nothing is chaotic."""
    rng = np.random.default_rng(3)
    x, wq, wk = rng.standard_normal((2, 8, 6)), rng.standard_normal((3, 6, 6)), rng.standard_normal((3, 6, 6))
    exact = reference.butterfly_attention(x, wq, wk, 2)
    extended = reference.butterfly_attention_extended(x, wq, wk, 2)
    assert reference.error(extended, exact) < 1e-13
    narrow = reference.butterfly_attention_rounded(x, wq, wk, 2, "f32")
    assert np.array_equal(narrow, narrow.astype(np.float32)) and 1e-9 < reference.error(narrow, exact) < 1e-4
