# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The oracle's derivative of butterfly attention: against central differences and complex steps, of all forms of the
weights, by each scoring's rule and any groups; and as a type evaluates it, with the bounds."""

import math

import numpy as np
import pytest
from derivatives import analytic_attention, check, check_complex_step, forall, inner, lengths, normal, same
from hypothesis import strategies as st
from test_reference import butterfly_problem, seeds

from bfly import reference

FORMS = ["dense", "per_head", "shared_heads"]
NAMES = ("x", "wq", "wk", "scale")
problems = {
    "seed": seeds,
    "batch": st.integers(1, 2),
    "n": lengths,
    "heads": st.integers(1, 3),
    "dh": st.integers(1, 3),
    "form": st.sampled_from(FORMS),
    "shared_stages": st.booleans(),
    "scale": st.sampled_from([1.0, 0.0, 0.37, -2.0]),
}


def problem(seed, batch, n, heads, dh, form, shared_stages, scale):
    """The arguments that have gradients, those that have none, g, and random numbers for what follows."""
    x, wq, wk = butterfly_problem(seed, batch, n, heads, dh, form, shared_stages)
    rng = np.random.default_rng([seed, 1])
    rest = {"heads": heads, "weights": "dense" if form == "dense" else "per_head"}
    return {"x": x, "wq": wq, "wk": wk, "scale": scale}, rest, normal(rng, x.shape), rng


def agree(gradients, others, tolerance):
    """All four are the same, relative to the largest of each."""
    for name, a, b in zip(NAMES, gradients, others, strict=True):
        assert np.shape(a) == np.shape(b), name
        assert np.linalg.norm(a - b) <= tolerance * (np.linalg.norm(b) + 1), name


# --------------------------------------------------------------------------------------------------------------------
# The whole


@forall(40, **problems)
def test_butterfly_attention(**p):
    arguments, rest, g, rng = problem(**p)
    gradients = dict(zip(NAMES, reference.butterfly_attention_vjp(g, **arguments, **rest), strict=True))
    check(lambda **a: reference.butterfly_attention(**a, **rest), gradients, arguments, g, rng, 1e-4, 1e-6)
    check_complex_step(lambda **a: analytic_attention(**a, **rest), gradients, arguments, g, rng)


@forall(40, **problems, scoring=st.sampled_from(["pair_difference", "chained"]))
def test_scorings_have_one_derivative(scoring, **p):
    arguments, rest, g, _ = problem(**p)
    ref = reference.butterfly_attention_vjp(g, **arguments, **rest)
    agree(reference.butterfly_attention_vjp(g, **arguments, **rest, scoring=scoring), ref, 1e-11)


@forall(40, **problems)
def test_folded_and_carried_scores(**p):
    """Of one head or weights per head; carried ones also of weights that all stages share."""
    if p["form"] == "dense":
        p["heads"] = 1
    arguments, rest, g, _ = problem(**p)
    ref = reference.butterfly_attention_vjp(g, **arguments, **rest)
    agree(reference.butterfly_attention_vjp(g, **arguments, **rest, scoring="folded"), ref, 1e-11)
    if p["shared_stages"]:
        agree(reference.butterfly_attention_vjp(g, **arguments, **rest, scoring="carried"), ref, 1e-11)


@forall(40, **problems, cuts=st.sets(st.integers(1, 3)), scoring=st.sampled_from(["definition", "pair_difference"]))
def test_groups_replay_their_states(cuts, scoring, **p):
    """The inputs of any groups are enough, and make the same bits but for the order of sums that stages share."""
    arguments, rest, g, _ = problem(**p)
    count = reference.stages(p["n"])
    edges = [0, *sorted(cut for cut in cuts if cut < count), count]
    groups = list(zip(edges, edges[1:]))
    whole = reference.butterfly_attention_vjp(g, **arguments, **rest, scoring=scoring)
    parts = reference.butterfly_attention_vjp(g, **arguments, **rest, scoring=scoring, groups=groups)
    agree(parts, whole, 1e-13)
    assert np.array_equal(parts[0], whole[0])


@forall(40, **problems, first=st.integers(0, 4), last=st.integers(0, 4))
def test_a_group(first, last, **p):
    """Its gradient alone; what other stages' weights have is 0."""
    p["n"] = 1 << reference.stages(p["n"])
    count = reference.stages(p["n"])
    first, last = sorted((min(first, count), min(last, count)))
    arguments, rest, g, rng = problem(**p)
    arguments = {"v": arguments.pop("x")} | arguments
    rest |= {"first": first, "last": last}
    for scoring in ("definition", "pair_difference"):
        gradients = reference.attention_group_vjp(g, **arguments, **rest, scoring=scoring)
        named = dict(zip(arguments, gradients, strict=True))
        check(lambda **a: reference.attention_group(**a, **rest), named, arguments, g, rng, 1e-4, 1e-6)
        if not p["shared_stages"]:
            others = [stage for stage in range(count) if not first <= stage < last]
            assert not named["wq"][others].any() and not named["wk"][others].any()


def test_one_token_passes_through():
    x, wq, wk = butterfly_problem(1, 3, 1, 2, 2, "per_head", True)
    for scoring in ("definition", "pair_difference", "chained", "folded", "carried"):
        gx, gwq, gwk, gscale = reference.butterfly_attention_vjp(x + 1, x, wq, wk, 2, "per_head", scoring=scoring)
        assert np.array_equal(gx, x + 1) and not gwq.any() and not gwk.any() and gscale == 0
        assert gwq.shape == gwk.shape == wq.shape


def test_two_tokens_by_hand():
    # V = (1, 2), Q = 2V, K = 3V, scale 0.1: scores s = 6 and −12 times 0.1, δ = 1; out_a = 1 + σ(0.6), g = (1, 0).
    x = np.array([[[1.0], [2.0]]])
    g = np.array([[[1.0], [0.0]]])
    gx, gwq, gwk, gscale = reference.butterfly_attention_vjp(g, x, [[[2.0]]], [[[3.0]]], 1, scale=0.1)
    alpha = 1 / (1 + math.exp(-0.6))
    slope = alpha * (1 - alpha)
    # s = 0.1 · 2V_a · 3(V_b − V_a): its derivatives are 0.6 (V_b − 2 V_a) = 0 and 0.6 V_a.
    same(gx, np.array([[[1 - alpha], [alpha + 0.6 * slope]]]))
    same(gwq, np.array([[[0.3 * slope]]]))
    same(gwk, np.array([[[0.2 * slope]]]))
    same(gscale, 6 * slope)


@pytest.mark.parametrize("n", [3, 5, 6, 11])
def test_padding_is_ordinary_tokens(n):
    """They count in the weights' gradients, and have gradients of their own, which are cut."""
    x, wq, wk = butterfly_problem(5, 2, n, 2, 2, "dense")
    g = normal(np.random.default_rng(n), x.shape)
    full = [np.concatenate([t, np.zeros((2, (1 << reference.stages(n)) - n, 4))], axis=1) for t in (g, x)]
    gx, *rest = reference.butterfly_attention_vjp(g, x, wq, wk, 2)
    full_gx, *full_rest = reference.butterfly_attention_vjp(*full, wq, wk, 2)
    assert np.array_equal(gx, full_gx[:, :n]) and full_gx[:, n:].any()
    assert all(np.array_equal(a, b) for a, b in zip(rest, full_rest))


def test_shared_weights_have_the_sum():
    x, wq, wk = butterfly_problem(6, 2, 8, 2, 3, "shared_heads", shared_stages=True)
    g = normal(np.random.default_rng(6), x.shape)
    _, gwq, gwk, _ = reference.butterfly_attention_vjp(g, x, wq, wk, 2, "per_head")
    each = [np.broadcast_to(w[:, None], (3, 2, 3, 3)) for w in (wq, wk)]
    _, *by_head, _ = reference.butterfly_attention_vjp(g, x, *each, 2, "per_head")
    for shared, own in zip((gwq, gwk), by_head):
        same(shared, own.sum(axis=(0, 1))[None])


@pytest.mark.parametrize("scoring", ["definition", "pair_difference", "chained", "folded", "carried"])
def test_large_scores_do_not_overflow(scoring):
    # Of two tokens one has all the weight: the map is a choice, and g goes to what was chosen.
    x, wq, wk = butterfly_problem(4, 1, 16, 1, 4, "dense", True)
    g = normal(np.random.default_rng(4), x.shape)
    with np.errstate(over="raise"):
        gx, gwq, _, _ = reference.butterfly_attention_vjp(g, x, wq, wk, 1, scale=1e6, scoring=scoring)
    assert np.isfinite(gx).all() and np.linalg.norm(gwq) < 1e-6
    same(gx.sum(axis=1), g.sum(axis=1), 1e-6)


@pytest.mark.parametrize("scoring", ["definition", "pair_difference", "chained", "folded"])
def test_what_is_nearly_saturated_keeps_its_digits(scoring):
    # α = 1 − 1e-20: the derivative is α (1 − α) = 1e-20, which 1.0 − α has lost. Q · K δ = 46 of the first token.
    x = np.array([[[1.0], [2.0]]])
    weights = np.array([[[math.log(1e20)]]]), np.array([[[1.0]]])
    gscale = reference.butterfly_attention_vjp(np.array([[[1.0], [0.0]]]), x, *weights, 1, scale=1.0, scoring=scoring)[
        3
    ]
    same(gscale, np.float64(math.log(1e20) * 1e-20), 1e-12)


# --------------------------------------------------------------------------------------------------------------------
# Projections and the drop-in module


@forall(40, seed=seeds, n=st.integers(1, 5), heads=st.integers(1, 3), dh=st.integers(1, 3), form=st.sampled_from(FORMS))
def test_project_and_fold(seed, n, heads, dh, form):
    rng = np.random.default_rng(seed)
    x, wq, wk = butterfly_problem(seed, 2, n, heads, dh, form, True)
    weights = "dense" if form == "dense" else "per_head"
    g = normal(rng, x.shape)
    gradients = dict(zip(("x", "matrix"), reference.project_vjp(g, x, wq[0], heads, weights)))
    arguments = {"x": x, "matrix": wq[0]}
    # Linear in either: differences are exact, whatever the step.
    check(lambda **a: reference.project(**a, heads=heads, weights=weights), gradients, arguments, g, rng, 1, 1e-12)
    g = normal(rng, wq.shape)
    gradients = dict(zip(("wq", "wk"), reference.fold_weights_vjp(g, wq, wk)))
    check(reference.fold_weights, gradients, {"wq": wq, "wk": wk}, g, rng, 1, 1e-12)


@forall(10, seed=seeds, n=lengths, heads=st.integers(1, 2), dh=st.integers(1, 2), dim=st.integers(1, 3))
def test_fft_inspired_attention(seed, n, heads, dh, dim):
    rng = np.random.default_rng(seed)
    inner_dim = heads * dh
    arguments = {"x": normal(rng, (2, n, dim)), "wv": normal(rng, (inner_dim, dim))}
    arguments |= {name: normal(rng, (6, inner_dim, inner_dim)) / math.sqrt(inner_dim) for name in ("wq", "wk")}
    arguments["scale"] = 0.4
    g = normal(rng, (2, n, inner_dim))
    gradients = dict(zip(arguments, reference.fft_inspired_attention_vjp(g, **arguments, heads=heads), strict=True))
    f = lambda **a: reference.fft_inspired_attention(**a, heads=heads)  # noqa: E731
    check(f, gradients, arguments, g, rng, 1e-4, 1e-6)
    assert not gradients["wq"][reference.stages(n) :].any()


# --------------------------------------------------------------------------------------------------------------------
# In a type, and the bounds


def errors(gradients, ref):
    return [reference.error(np.atleast_1d(a), np.atleast_1d(b)) for a, b in zip(gradients, ref)]


@pytest.mark.parametrize("dtype, unit", [("f16", 2.0**-11), ("bf16", 2.0**-8), ("f32", 2.0**-24)])
def test_in_a_type(dtype, unit):
    x, wq, wk = butterfly_problem(11, 2, 32, 2, 8, "dense")
    g = normal(np.random.default_rng(11), x.shape)
    rounded = reference.rounding(dtype)
    g, x, wq, wk = map(rounded, (g, x, wq, wk))
    ref = reference.butterfly_attention_vjp(g, x, wq, wk, 2)
    out = reference.butterfly_attention_vjp_rounded(g, x, wq, wk, 2, dtype)
    # Some dozens of roundings, and nearer than one it cannot be; the scale's is one number that cancels.
    assert all(unit / 8 < wrong < 40 * unit for wrong in errors(out[:3], ref))
    assert 0 < errors(out[3:], ref[3:])[0] < 400 * unit
    assert all(np.array_equal(rounded(a), a) and np.asarray(a).dtype == np.float64 for a in out)
    agree(reference.butterfly_attention_vjp_rounded(g, x, wq, wk, 2, "f64"), ref, 1e-13)


def test_in_a_type_with_shared_weights():
    """The sum over the stages rounds too."""
    x, wq, wk = map(reference.rounding("f16"), butterfly_problem(12, 2, 16, 2, 4, "per_head", True))
    g = reference.rounding("f16")(normal(np.random.default_rng(12), x.shape))
    out = reference.butterfly_attention_vjp_rounded(g, x, wq, wk, 2, "f16", "per_head", 0.3)
    ref = reference.butterfly_attention_vjp(g, x, wq, wk, 2, "per_head", 0.3)
    assert all(1e-5 < wrong < 0.05 for wrong in errors(out[:3], ref))
    assert np.array_equal(out[1], reference.rounding("f16")(out[1]))


def test_bounds_of_gradients():
    call = lambda *a, **k: reference.bound(*a, **k, backward=True)  # noqa: E731
    for op in ("spectral_filter", "butterfly_attention"):
        assert call(op, "f64", 4096) == 1e-12
        assert call(op, "f32", 256) == pytest.approx(20 * reference.bound(op, "f32", 256))
        assert call(op, "f32", 256, definition_error=1e-3) == pytest.approx(1.25e-3)
        assert call(op, "bf16", 256, definition_error=0.01) == pytest.approx(0.0125)
        assert call(op, "f16", 256, definition_error=0.01, fused=False) == pytest.approx(0.025)
        with pytest.raises(ValueError, match="definition_error: needed for a gradient in f16"):
            call(op, "f16", 64)
    assert call("butterfly_attention", "f32", 1) == 0


def test_a_nan_stays_in_its_sequence():
    x, wq, wk = butterfly_problem(7, 2, 8, 2, 2, "dense")
    g = normal(np.random.default_rng(7), x.shape)
    clean = reference.butterfly_attention_vjp(g, x, wq, wk, 2)[0]
    x[0, 3, 1] = math.nan
    gx = reference.butterfly_attention_vjp(g, x, wq, wk, 2)[0]
    assert np.isnan(gx[0]).any() and np.array_equal(gx[1], clean[1])


def test_a_direction_that_changes_nothing():
    """All tokens moved alike move the result alike: the sum of gx over the tokens is that of g where no weight sees it."""
    x, _, _ = butterfly_problem(8, 2, 8, 1, 4, "dense")
    zero = np.zeros((3, 4, 4))
    g = normal(np.random.default_rng(8), x.shape)
    gx, gwq, gwk, gscale = reference.butterfly_attention_vjp(g, x, zero, zero, 1)
    same(gx, np.broadcast_to(g.mean(axis=1, keepdims=True), x.shape))
    assert not gwq.any() and not gwk.any() and gscale == 0
    assert abs(inner(gx, x) - inner(g, reference.butterfly_attention(x, zero, zero, 1))) < 1e-12


def test_wrong_arguments_are_named():
    x, w = np.zeros((1, 4, 6)), np.zeros((2, 6, 6))
    call = reference.butterfly_attention_vjp
    for name, arguments, options in (
        ("g", (x[:, :3], x, w, w, 2), {}),
        ("x", (x[0], x[0], w, w, 2), {}),
        ("wq", (x, x, w[:, :3], w, 2), {}),
        ("heads", (x, x, w, w, 4), {}),
        ("scoring", (x, x, w, w, 2), {"scoring": "guess"}),
        ("weights", (x, x, w, w, 2), {"scoring": "folded"}),
        ("weights", (x, x, w[:1], w[:1], 2), {"scoring": "carried"}),
        ("wq, wk", (x, x, w, w, 1), {"scoring": "carried"}),
        ("groups", (x, x, w, w, 2), {"groups": [(0, 1)]}),
        ("groups", (x, x, w, w, 2), {"groups": [(1, 2), (0, 1)]}),
    ):
        with pytest.raises(ValueError, match=f"^{name}: "):
            call(*arguments, **options)
    group = reference.attention_group_vjp
    for name, arguments in {"v": (x[:, :3], x[:, :3], w, w, 0, 1, 2), "first, last": (x, x, w, w, 1, 3, 2)}.items():
        with pytest.raises(ValueError, match=f"^{name}: "):
            group(*arguments)
    with pytest.raises(ValueError, match="wq"):
        reference.fft_inspired_attention_vjp(x, x, w[0], w[:1], w[:1], 1)
