# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What attention's backward functions are made of, on every target: the derivative of one stage, sums over rows."""

import numpy as np
import pytest
from programs import compile, normal, on_every_target, on_gpu, run, tensor

from bfly import reference

FORMS = ("dense", "per_head", "one_head")
# Relative errors. Gradients of 16-bit states are rounded once, but for the operands of the products.
TOLERANCES = {"f64": 1e-13, "f32": 2e-6, "bf16": 1e-2, "f16": 2e-3}


def stage_text(batch, n, d, heads, weights, stage, dtype, types, scale):
    """`types`: those of the gradient that is given, and of that of the state."""
    v, w = tensor(batch, n, d, of=dtype), tensor(*weights, of=dtype)
    g, gv = (tensor(batch, n, d, of=of) for of in types)
    return f"""func.func @stage(%v: {v}, %g: {g}, %wq: {w}, %wk: {w}) -> ({gv}, {v}, {v}) {{
  %r:3 = bfly.attention_stage_backward %v, %g weights(%wq, %wk : {w})
      stage({stage}) heads({heads}) scale({scale:.17e}) : {v}, {g} -> {gv}
  return %r#0, %r#1, %r#2 : {gv}, {v}, {v}
}}
"""


def relative(result, exact, floor=1e-3):
    """Of all elements. What a sum cancels of its terms, whose size is `floor`, is no error of it."""
    return np.linalg.norm(reference.load(result) - exact) / max(np.linalg.norm(exact), np.linalg.norm(floor))


def sum_rows(a, b, heads):
    """The sum over rows of a times b for each head, and that of the products' sizes."""
    a, b = (reference.load(array).reshape(-1, heads, array.shape[-1] // heads) for array in (a, b))
    return (np.einsum("rho,rhi->hoi", left, right) for left, right in ((a, b), (np.abs(a), np.abs(b))))


def check_stage(rng, batch, n, d, heads, form, stage, dtype, plan, shared=False, dynamic=False, types=None):
    if dtype == "f64" and (plan != "cpu" or on_gpu()):
        return  # a CPU's
    lead, dh = 1 if shared else reference.stages(n), d // heads
    scale = dh**-0.5
    shape = {"dense": (lead, d, d), "per_head": (lead, heads, dh, dh), "one_head": (lead, dh, dh)}[form]
    types = types or (dtype if dtype in ("f64", "f32") else "f32",) * 2
    v, g = normal(rng, dtype, batch, n, d), normal(rng, types[0], batch, n, d)
    wq, wk = (normal(rng, dtype, *shape, scale=shape[-1] ** -0.5) for _ in range(2))
    text = stage_text(None if dynamic else batch, n, d, heads, shape, stage, dtype, types, scale)
    gv, dq, dk = run(compile(text, plan=plan, function="stage"), v, g, wq, wk)
    weights = "dense" if form == "dense" else "per_head"
    exact = reference.attention_group_vjp(
        *map(reference.load, (g, v, wq, wk)), stage, stage + 1, heads, weights=weights, scale=scale
    )
    assert relative(gv, exact[0], reference.load(g)) <= TOLERANCES[dtype]
    parts = 1 if form == "dense" else heads
    for result, gradient in ((dq, exact[1]), (dk, exact[2])):
        sum_, size = sum_rows(result, v, parts)
        if form == "one_head":
            sum_, size = sum_.sum(0), size.sum(0)
        gradient = gradient[0 if shared else stage].reshape(sum_.shape)
        assert relative(sum_, gradient, size) <= TOLERANCES[dtype]


@on_every_target
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("dtype", sorted(TOLERANCES))
def test_stage(rng, form, dtype, plan):
    """Every stage of small networks."""
    for n in (2, 4, 8):
        for stage in range(reference.stages(n)):
            heads, dh, batch = (int(size) for size in rng.integers(1, [4, 6, 4]))
            check_stage(
                rng, batch, n, heads * dh, heads, form, stage, dtype, plan, shared=stage % 2 == 0, dynamic=n == 4
            )


@on_every_target
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("dtype", ["f32", "bf16"])
def test_large_stage(rng, form, dtype, plan):
    """Heads that fall into chunks; groups that are not full; more than a tile; a depth that is no multiple of a step."""
    for n, heads, dh, stage in ((2, 1, 136, 0), (8, 5, 40, 1), (512, 2, 8, 8), (256, 3, 24, 2), (4, 9, 7, 1)):
        check_stage(rng, 2, n, heads * dh, heads, form, stage, dtype, plan)


@on_every_target
def test_types_of_gradients(rng, plan):
    for types in (("bf16", "f32"), ("f32", "bf16"), ("bf16", "bf16")):
        check_stage(rng, 2, 8, 16, 2, "dense", 1, "bf16", plan, types=types)


@on_every_target
def test_saturated_gates(rng, plan):
    """A score that has all the weight, whose slope is not a difference from 1, and one that is infinite in exp."""
    n, d, scale = 2, 2, 1.0
    for size in (5.0, 40.0, 1e4):
        v = np.array([[[size, 0.0], [0.0, size]]], np.float32)
        g, w = np.ones((1, n, d), np.float32) * np.array([1.0, 2.0], np.float32), np.eye(d, dtype=np.float32)[None]
        text = stage_text(1, n, d, 1, w.shape, 0, "f32", ("f32", "f32"), scale)
        results = run(compile(text, plan=plan, function="stage"), v, g, w, w)
        exact = reference.attention_group_vjp(g, v, w, w, 0, 1, 1, scale=scale)
        assert all(np.isfinite(result).all() for result in results)
        assert relative(results[0], exact[0]) <= 1e-5
        sums = [np.einsum("bno,bni->oi", result, v.astype(np.float64)) for result in results[1:]]
        assert relative(sums[0], exact[1][0]) <= 1e-5
        assert relative(sums[1], exact[2][0]) <= 1e-5


def rows_text(rows, out, inner, heads, dtype, result):
    a, b = tensor(*rows, heads * out, of=dtype), tensor(*rows, heads * inner, of=dtype)
    y = tensor(*([heads] if heads > 1 else []), out, inner, of=result)
    return f"""func.func @rows(%a: {a}, %b: {b}) -> {y} {{
  %y = bfly.row_product %a, %b {f"heads({heads})" if heads > 1 else ""} : {a}, {b} -> {y}
  return %y : {y}
}}
"""


@on_every_target
@pytest.mark.parametrize("dtype", ["f64", "f32", "bf16", "f16"])
def test_row_product(rng, dtype, plan):
    wide = "f64" if dtype == "f64" else "f32"
    # The last two are a library's on a GPU.
    shapes = (
        ((1,), 1, 1, 1),
        ((7,), 3, 5, 1),
        ((2, 130), 9, 40, 1),
        ((3, 5), 4, 2, 3),
        ((2, 3, 5), 6, 7, 2),
        ((2, 600), 64, 64, 1),
        ((3, 700), 32, 64, 4),
    )
    for rows, out, inner, heads in shapes:
        a, b = normal(rng, dtype, *rows, heads * out), normal(rng, dtype, *rows, heads * inner)
        exact, size = sum_rows(a, b, heads)
        exact = exact if heads > 1 else exact[0]
        for leading, result in ((rows, wide), ((None, *rows[1:]), dtype)):
            text = rows_text(leading, out, inner, heads, dtype, result)
            y = run(compile(text, plan=plan, function="rows"), a, b)
            assert y.shape == exact.shape
            assert relative(y, exact, size) <= (TOLERANCES[dtype] if result == dtype else 1e-6)
