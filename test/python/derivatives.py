# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What the tests of derivatives share: differences in float64, complex steps, and problems away from kinks."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from test_reference import filter_problem

from bfly import reference

FILTER = ("x", "w_base", "w1", "b1", "w2", "b2", "bias")  # the arguments, in their order

# Lengths that hurt: 1 to 4, primes, and some others.
lengths = st.sampled_from([1, 2, 3, 4, 5, 6, 7, 8, 11, 12, 13, 16])


def forall(examples=25, **strategies):
    """As test_reference's, with a number of examples."""
    return lambda test: settings(deadline=None, database=None, max_examples=examples)(given(**strategies)(test))


def normal(rng, shape, is_complex=False):
    values = rng.standard_normal(shape)
    return values + 1j * rng.standard_normal(shape) if is_complex else values


def inner(a, b):
    """⟨a, b⟩ of gradients: Σ Re a Re b + Im a Im b."""
    return np.vdot(a, b).real


def same(a, b, tolerance=1e-12):
    """a and b agree, relative to b; where b is 0, a is."""
    assert np.shape(a) == np.shape(b)
    assert np.linalg.norm(a - b) <= tolerance * np.linalg.norm(b)


def along(f, arguments, name, direction, step=1e-3):
    """d/dε of f with ε · direction added to one argument, by central differences of the fourth order."""

    def at(epsilon):
        return f(**(arguments | {name: arguments[name] + epsilon * direction}))

    near, far = at(step) - at(-step), at(2 * step) - at(-2 * step)
    return (8 * near - far) / (12 * step)


def check(f, gradients, arguments, g, rng, step=1e-3, tolerance=1e-7):
    """`gradients`, by the names of the arguments, are those of ⟨g, f⟩: along a random direction of each of them.

    Off by more than rounding and the step explain is wrong; the gradient also has its argument's shape and kind.
    """
    rounding = 1e-14 / step * np.linalg.norm(g) * np.linalg.norm(f(**arguments))
    for name, gradient in gradients.items():
        value = np.asarray(arguments[name])
        assert np.shape(gradient) == value.shape, name
        assert np.iscomplexobj(gradient) == np.iscomplexobj(value), name
        direction = normal(rng, value.shape, np.iscomplexobj(value))
        change = along(f, arguments, name, direction, step)
        size = np.linalg.norm(g) * np.linalg.norm(change) + np.linalg.norm(gradient) * np.linalg.norm(direction)
        assert abs(inner(g, change) - inner(gradient, direction)) <= tolerance * size + rounding, name


def check_complex_step(analytic, gradients, arguments, g, rng, tolerance=1e-12):
    """As `check`, to rounding: d/dε is Im f(x + iε)/ε where f is analytic and all arguments are real."""
    step = 1e-40
    for name, gradient in gradients.items():
        direction = normal(rng, np.shape(arguments[name]))
        change = analytic(**(arguments | {name: arguments[name] + 1j * step * direction})).imag / step
        size = np.linalg.norm(g) * np.linalg.norm(change) + np.linalg.norm(gradient) * np.linalg.norm(direction)
        assert abs(inner(g, change) - inner(gradient, direction)) <= tolerance * size, name


def filter_off_kinks(seed, batch, n, d, hidden):
    """`filter_problem` with no bin near 0 or near modReLU's threshold, and no input of the relu near 0."""
    for attempt in range(10000):
        problem = filter_problem([seed, attempt], batch, n, d, hidden)
        context = reference.mean(problem["x"])
        before = reference.linear(context, problem["w1"], problem["b1"])
        delta = reference.linear(np.maximum(before, 0), problem["w2"], problem["b2"])
        w = problem["w_base"] + delta
        size = np.abs(np.fft.rfft(problem["x"], axis=1) * w[:, None])
        rng = np.random.default_rng([seed, attempt, 1])
        for channel in range(d):
            # Between the sizes of two bins, or positive.
            sizes = np.sort(size[:, :, channel].ravel())
            gap = np.argmax(np.diff(sizes)) if sizes.size > 1 else 0
            middle = sizes[gap : gap + 2].mean()
            problem["bias"][channel] = rng.choice([-middle if sizes.size > 1 else -2 * middle, 0.5, 2.0])
        threshold = np.abs(size + problem["bias"]).min()
        if min(np.abs(before).min(), size.min(), threshold) > 0.02:
            return problem
    raise AssertionError("no problem away from kinks")


def analytic_filter(x, w_base, w1, b1, w2, b2, bias):
    """`spectral_filter` by real and imaginary parts, analytic in each: |z| is a root, and relu asks the real part."""
    n = x.shape[1]
    angle = 2 * np.pi * (np.outer(np.arange(n), np.arange(n)) % n) / n
    relu = lambda t: np.where(t.real > 0, t, 0)  # noqa: E731
    context = x.sum(axis=1) / n
    w = (w_base + relu(context @ w1.T + b1) @ w2.T + b2)[:, None]
    real, imaginary = (np.einsum("kn,bnc->bkc", part, x) * w for part in (np.cos(angle), -np.sin(angle)))
    # A real bin, whose imaginary part the angles leave at the size of rounding, is on its axis.
    imaginary[:, [0, n // 2] if n % 2 == 0 else [0]] = 0
    size = np.sqrt(real * real + imaginary * imaginary)
    kept = relu(size + bias) / (size + 1e-10)
    parts = zip((np.cos(angle), -np.sin(angle)), (kept * real, kept * imaginary))
    return sum(np.einsum("kn,bkc->bnc", part, value) for part, value in parts) / n


def analytic_layer_norm(x, weight=1.0, bias=0.0, eps=1e-5):
    centred = x - x.sum(axis=-1, keepdims=True) / x.shape[-1]
    variance = (centred * centred).sum(axis=-1, keepdims=True) / x.shape[-1]
    return centred / np.sqrt(variance + eps) * weight + bias


def analytic_attention(x, wq, wk, scale, heads, weights):
    """`butterfly_attention` by its pairs: V_j + σ(scale Q_j · Wk δ) δ."""
    batch, n, d = x.shape
    count = reference.stages(n)
    v = np.concatenate([x, np.zeros((batch, (1 << count) - n, d))], axis=1)

    def projected(w, stage, t):
        w = w[stage if len(w) > 1 else 0]
        t_by_head = t.reshape(*t.shape[:2], heads, -1)
        if weights == "dense":
            return (t @ w.T).reshape(t_by_head.shape)
        return np.einsum("bnhc,hoc->bnho", t_by_head, np.broadcast_to(w, (heads, *w.shape[-2:])))

    for stage in range(count):
        delta = v[:, np.arange(1 << count) ^ (1 << stage)] - v
        score = scale * (projected(wq, stage, v) * projected(wk, stage, delta)).sum(axis=-1)
        alpha = (0.5 * (1 + np.tanh(0.5 * score)))[..., None]
        v = v + (alpha * delta.reshape(*delta.shape[:2], heads, -1)).reshape(v.shape)
    return v[:, :n]
