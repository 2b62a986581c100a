# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Backward functions of what people write at network level, and of structured operations, on every target."""

import numpy as np
import pytest
from backward import backward, central, check, differentiate, needs_opt, tolerance
from programs import attention_text, butterfly_problem, compile, normal, on_every_target, run, tensor

from bfly import BflyError, reference

pytestmark = needs_opt
LENGTHS = (1, 2, 3, 4, 7, 8, 13)


@on_every_target
@pytest.mark.parametrize("n", [1, 2, 4, 16])
@pytest.mark.parametrize("dtype", ["f64", "f32"])
def test_hadamard(rng, n, dtype, plan):
    for orthonormal in ("", "orthonormal"):
        x = tensor(None, n, 3, of=dtype)
        text = f"func.func @h(%x: {x}) -> {x} {{\n  %y = bfly.hadamard %x {orthonormal} : {x}\n  return %y : {x}\n}}"
        g = normal(rng, dtype, 2, n, 3)
        results = run(differentiate(text, "h", plan), normal(rng, dtype, 2, n, 3), g)
        check(results, [reference.hadamard_vjp(g, bool(orthonormal))], tolerance(dtype, 6e-8 * (np.log2(n) + 2)))


@on_every_target
@pytest.mark.parametrize("n", LENGTHS)
def test_bin(rng, n, plan):
    for bins in {n, n // 2 + 1}:
        index, batch = int(rng.integers(bins)), int(rng.integers(1, 4))
        f, m = tensor(None, bins, 3, of="complex<f64>"), tensor(None, 3, of="f64")
        text = f"""func.func @bin(%f: {f}) -> {m} {{
  %m = bfly.bin %f[{index}] factor(0.25) : {f} -> {m}
  return %m : {m}
}}"""
        g = normal(rng, "f64", batch, 3)
        results = run(differentiate(text, "bin", plan), normal(rng, "complex<f64>", batch, bins, 3), g)
        check(results, [reference.spectrum_bin_vjp(g, bins, index, 0.25)], 1e-15)


REGION = """
    %n = arith.index_cast %k : index to i64
    %kf = arith.sitofp %n : i64 to f64
    %one = arith.constant 1.0 : f64
    %k1 = arith.addf %kf, %one : f64
    %size = complex.abs %bin : complex<f64>
    %kept = arith.addf %size, %q : f64
    %gain = arith.divf %kept, %k1 : f64
    %gz = complex.create %gain, %q : complex<f64>
    %turned = complex.mul %bin, %h : complex<f64>
    %a0 = complex.mul %turned, %gz : complex<f64>
    %e = complex.div %a0, %h2 : complex<f64>
    %a = complex.add %a0, %e : complex<f64>
"""


def region(f, k, h, q, h2):
    a = f * h * ((np.abs(f) + q) / (k + 1) + 1j * q)
    return a + a / h2


@on_every_target
@pytest.mark.parametrize("n", LENGTHS)
@pytest.mark.parametrize("form", ["half", "whole", "hermitian", "hermitian whole"])
def test_map(rng, n, form, plan):
    """One that treats k and N - k differently, with parameters for the bins that there are or for all N; the bins that
    are their own mirror have imaginary parts, and so do their gradients."""
    bins = n if "whole" in form else n // 2 + 1
    hermitian = "hermitian" in form
    batch, d = (int(size) for size in rng.integers(1, [3, 4]))
    f, h, h2 = tensor(None, bins, d, of="complex<f64>"), tensor(n, d, of="complex<f64>"), tensor(n, of="complex<f64>")
    q = tensor(None, d, of="f64")
    text = f"""func.func @map(%f: {f}, %ph: {h}, %pq: {q}, %ph2: {h2}) -> {f} {{
  %a = bfly.spectrum_map %f params(%ph[bin, channel] : {h}, %pq[batch, channel] : {q}, %ph2[bin] : {h2}) tokens({n})
      {"hermitian" if hermitian else ""} : {f} -> {f} {{
  ^bb0(%bin: complex<f64>, %k: index, %h: complex<f64>, %q: f64, %h2: complex<f64>):
{REGION}
    bfly.yield %a : complex<f64>
  }}
  return %a : {f}
}}"""
    arrays = (
        normal(rng, "complex<f64>", batch, bins, d),
        normal(rng, "complex<f64>", n, d),
        normal(rng, "f64", batch, d),
    )
    arrays = *arrays, normal(rng, "complex<f64>", n)
    g = normal(rng, "complex<f64>", batch, bins, d)
    wanted = reference.spectrum_map_vjp(
        g, arrays[0], region, arrays[1], arrays[2][:, None], arrays[3][:, None], tokens=n, hermitian=hermitian
    )
    check(run(differentiate(text, "map", plan), *arrays, g), [*wanted[:2], wanted[2][:, 0], wanted[3][:, 0]], 1e-12)


def stages_text(n, d, heads, weights, scoring, dtype="f64"):
    """Butterfly attention by hand, all of its stages in one scoring."""
    x, w = tensor(None, n, d, of=dtype), tensor(*weights, of=dtype)
    lines, state, image = "", "%x", "%r"
    given = f"weights(%wq, %wk : {w}, {w})"
    if scoring in ("folded", "carried"):
        lines += f"  %m = bfly.fold_weights %wq, %wk : {w} -> {w}\n"
        given = f"weights(%m : {w})" if scoring == "folded" else ""
    if scoring == "carried":
        lines += f"  %r = bfly.project %x, %m heads({heads}) : {x}, {w}\n"
    for stage in range(reference.stages(n)):
        told = f"stage({stage}) heads({heads}) scale(0.7) {scoring} : {x}\n"
        if scoring == "carried":
            lines += f"  %v{stage}, %r{stage} = bfly.attention_stage {state} image({image} : {x} -> {x}) {told}"
            image = f"%r{stage}"
        else:
            lines += f"  %v{stage} = bfly.attention_stage {state} {given} {told}"
        state = f"%v{stage}"
    return f"func.func @stages(%x: {x}, %wq: {w}, %wk: {w}) -> {x} {{\n{lines}  return {state} : {x}\n}}"


SCORINGS = [
    (scoring, form)
    for scoring in ("definition", "pair_difference", "chained", "folded", "carried")
    for form in ("dense", "per_head", "one_head")
]


@on_every_target
@pytest.mark.parametrize("scoring, form", SCORINGS)
def test_stages(rng, scoring, form, plan):
    dtype = "f32" if plan != "cpu" else str(rng.choice(["f64", "f32"]))
    for n, shared in ((2, True), (8, scoring == "carried"), (4, True)):
        heads = 1 if form == "dense" and scoring in ("folded", "carried") else int(rng.integers(1, 4))
        problem = butterfly_problem(rng, 2, n, heads * 3, heads, form, shared, dtype)
        g = normal(rng, dtype, *problem[0].shape)
        weights = "dense" if form == "dense" else "per_head"
        wanted = reference.butterfly_attention_vjp(g, *problem, heads, weights=weights, scale=0.7)[:3]
        text = stages_text(n, heads * 3, heads, problem[1].shape, scoring, dtype)
        try:
            kernel = differentiate(text, "stages", plan)
        except BflyError as error:
            # The stages before are computed again, and are refused as the forward's are.
            assert "which does not run on a GPU" in str(error)
            with pytest.raises(BflyError, match="which does not run on a GPU"):
                compile(text, plan=plan)
            continue
        check(
            run(kernel, *problem, g),
            wanted,
            tolerance(dtype, 1e-6 * reference.stages(n)),
            1e-3,
        )


@on_every_target
def test_carried_image(rng, plan):
    """Both results of a stage have a gradient, and each alone."""
    if plan != "cpu":
        pytest.skip("f64")
    x = tensor(1, 4, 6, of="f64")
    stage = f"bfly.attention_stage %x image(%r : {x} -> {x}) stage(1) heads(2) scale(0.5) carried : {x}"
    arrays = [rng.standard_normal((1, 4, 6)) for _ in range(2)]
    everything = rng.standard_normal((2, 1, 4, 6))

    def forward(x, r):
        v, image = (t.reshape(1, 4, 2, 3) for t in (x, r))
        after = [np.empty_like(v), np.empty_like(v)]
        for j in range(4):
            gate = 1 / (1 + np.exp(-0.5 * (v[:, j] * (image[:, j ^ 2] - image[:, j])).sum(-1)))[..., None]
            for to, state in zip(after, (v, image)):
                to[:, j] = state[:, j] + gate * (state[:, j ^ 2] - state[:, j])
        return np.stack(after).reshape(2, 1, 4, 6)

    for which in ([0, 1], [0], [1]):
        names, types = ", ".join(f"%v#{i}" for i in which), ", ".join([x] * len(which))
        text = f"func.func @f(%x: {x}, %r: {x}) -> ({types}) {{\n  %v:2 = {stage}\n  return {names} : {types}\n}}"
        wanted = central(lambda *a: forward(*a)[which], everything[which], *arrays)
        check(run(differentiate(text, "f", plan), *arrays, *everything[which]), wanted, 1e-8)


@on_every_target
@pytest.mark.parametrize("dtype", ["f64", "f32"])
def test_learnt_scale(rng, dtype, plan):
    """A scale that is learnt is a factor of the query's weights, of all or of each head's."""
    if plan != "cpu":
        dtype = "f32"
    heads, dh, n = 2, 3, 5
    problem = butterfly_problem(rng, 2, n, heads * dh, heads, "per_head", False, dtype)
    w, s = tensor(*problem[1].shape, of=dtype), tensor(of=dtype)
    inner = attention_text(2, n, heads * dh, heads, problem[1].shape, dtype, scale=1.0)
    call = inner.splitlines()[1].replace("%wq", "%scaled")
    x = tensor(2, n, heads * dh, of=dtype)
    text = f"""func.func @attention(%x: {x}, %wq: {w}, %wk: {w}, %s: {s}) -> {x} {{
  %empty = tensor.empty() : {w}
  %spread = linalg.broadcast ins(%s : {s}) outs(%empty : {w}) dimensions = [0, 1, 2, 3]
  %scaled = arith.mulf %wq, %spread : {w}
{call}
  return %y : {x}
}}"""
    scale, g = np.asarray(reference.store(0.6, dtype)), normal(rng, dtype, *problem[0].shape)
    wanted = reference.butterfly_attention_vjp(g, *problem, heads, "per_head", float(scale))
    check(run(differentiate(text, "attention", plan), *problem, scale, g), wanted, tolerance(dtype, 3e-6), 1e-2)


STRUCTURED = {
    "matmul": (
        [(3, 4), (4, 5)], (3, 5), "linalg.matmul ins(%a0, %a1 : {0}, {1}) outs(%zero : {2}) -> {2}", lambda a, b: a @ b,
    ),
    "batch_matmul": (
        [(2, 3, 4), (2, 4, 5)], (2, 3, 5), "linalg.batch_matmul ins(%a0, %a1 : {0}, {1}) outs(%zero : {2}) -> {2}",
        lambda a, b: a @ b,
    ),
    "matmul onto": (
        [(3, 4), (4, 5), (3, 5)], (3, 5), "linalg.matmul ins(%a0, %a1 : {0}, {1}) outs(%a2 : {2}) -> {3}",
        lambda a, b, c: c + a @ b,
    ),
    "dot": ([(7,), (7,)], (), "linalg.dot ins(%a0, %a1 : {0}, {1}) outs(%zero : {2}) -> {2}", lambda a, b: a @ b),
    "reduce": (
        [(3, 4, 5)], (3, 5), "linalg.reduce {{ arith.addf }} ins(%a0 : {0}) outs(%zero : {1}) dimensions = [1]",
        lambda a: a.sum(axis=1),
    ),
    "map": (
        [(3, 4), (3, 4)], (3, 4),
        "linalg.map {{ arith.mulf }} ins(%a0, %a1 : {0}, {1}) outs(%zero : {2})", lambda a, b: a * b,
    ),
    "broadcast": (
        [(3, 4)], (3, 2, 4), "linalg.broadcast ins(%a0 : {0}) outs(%zero : {1}) dimensions = [1]",
        lambda a: np.repeat(a[:, None], 2, axis=1),
    ),
    "exp": ([(3, 4)], (3, 4), "linalg.exp ins(%a0 : {0}) outs(%zero : {1}) -> {1}", np.exp),
    "max": ([(3, 4), (3, 4)], (3, 4), "linalg.max ins(%a0, %a1 : {0}, {1}) outs(%zero : {2}) -> {2}", np.maximum),
    "softmax": (
        [(2, 3, 4)], (2, 3, 4), "linalg.softmax dimension(1) ins(%a0 : {0}) outs(%zero : {1}) -> {1}",
        lambda a: np.exp(a) / np.exp(a).sum(axis=1, keepdims=True),
    ),
    "in place": (
        [(3, 4), (3, 4)], (3, 4),
        """linalg.generic {{indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (i, j)>],
      iterator_types = ["parallel", "parallel"]}} ins(%a0 : {0}) outs(%a1 : {1}) {{
    ^bb0(%p: f64, %q: f64):
      %r = arith.mulf %p, %q : f64
      %t = math.tanh %r : f64
      %u = arith.addf %t, %q : f64
      linalg.yield %u : f64
    }} -> {2}""",
        lambda a, b: np.tanh(a * b) + b,
    ),
    "weighted sum": (
        [(3, 4), (4,)], (3,),
        """linalg.generic {{indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (j)>,
      affine_map<(i, j) -> (i)>], iterator_types = ["parallel", "reduction"]}} ins(%a0, %a1 : {0}, {1}) outs(%zero : {2}) {{
    ^bb0(%p: f64, %q: f64, %s: f64):
      %i = linalg.index 1 : index
      %n = arith.index_cast %i : index to i64
      %x = arith.sitofp %n : i64 to f64
      %r = arith.mulf %p, %q : f64
      %t = math.sin %r : f64
      %w = arith.mulf %t, %x : f64
      %u = arith.addf %s, %w : f64
      linalg.yield %u : f64
    }} -> {2}""",
        lambda a, b: (np.sin(a * b) * np.arange(4)).sum(axis=1),
    ),
}  # fmt: skip


@on_every_target
@pytest.mark.parametrize("name", STRUCTURED)
def test_structured(rng, name, plan):
    shapes, result, line, forward = STRUCTURED[name]
    types = [tensor(*shape, of="f64") for shape in [*shapes, result]]
    arguments = ", ".join(f"%a{i}: {of}" for i, of in enumerate(types[:-1]))
    text = f"""func.func @f({arguments}) -> {types[-1]} {{
  %zero = arith.constant dense<0.0> : {types[-1]}
  %y = {line.format(*types)}
  return %y : {types[-1]}
}}"""
    arrays, g = [rng.standard_normal(shape) for shape in shapes], rng.standard_normal(result)
    check(run(differentiate(text, "f", plan), *arrays, g), central(forward, g, *arrays), 1e-8)


@on_every_target
def test_elements(rng, plan):
    """Numbers taken out of tensors, put into them and spread over them."""
    x, m = tensor(5, of="f64"), tensor(3, 5, of="f64")
    text = f"""func.func @f(%x: {x}, %m: {m}) -> ({x}, {m}) {{
  %c1 = arith.constant 1 : index
  %c3 = arith.constant 3 : index
  %a = tensor.extract %x[%c3] : {x}
  %b = tensor.extract %m[%c1, %c3] : {m}
  %p = arith.mulf %a, %b : f64
  %y = tensor.insert %p into %x[%c1] : {x}
  %s = tensor.splat %p : {m}
  %z = arith.mulf %s, %m : {m}
  return %y, %z : {x}, {m}
}}"""

    def forward(x, m):
        p, y = x[3] * m[1, 3], x.copy()
        y[1] = p
        return np.concatenate([y, (p * m).ravel()])

    arrays = rng.standard_normal(5), rng.standard_normal((3, 5))
    g = rng.standard_normal(5), rng.standard_normal((3, 5))
    wanted = central(forward, np.concatenate([g[0], g[1].ravel()]), *arrays)
    check(run(differentiate(text, "f", plan), *arrays, *g), wanted, 1e-8)


@on_every_target
def test_dynamic_sizes(rng, plan):
    """Of every dimension, where the forward has them."""
    x = tensor(None, None, of="f64")
    text = f"""func.func @f(%x: {x}, %y: {x}) -> {x} {{
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %m = tensor.dim %x, %c0 : {x}
  %n = tensor.dim %x, %c1 : {x}
  %e = tensor.empty(%m, %n) : {x}
  %t = math.tanh %x : {x}
  %p = arith.mulf %t, %y : {x}
  %s = linalg.softmax dimension(1) ins(%p : {x}) outs(%e : {x}) -> {x}
  %r = arith.addf %s, %x : {x}
  return %r : {x}
}}"""

    def forward(x, y):
        e = np.exp(np.tanh(x) * y)
        return e / e.sum(axis=1, keepdims=True) + x

    kernel = differentiate(text, "f", plan)
    for shape in ((3, 4), (1, 5)):
        x, y, g = rng.standard_normal((3, *shape))
        check(run(kernel, x, y, g), central(forward, g, x, y), 1e-8)


@on_every_target
def test_static_parameters_of_a_dynamic_batch(rng, plan):
    """Types that say different things of one size."""
    x, p = tensor(None, 5, 3, of="f64"), tensor(2, 3, of="f64")
    text = f"""func.func @f(%x: {x}, %p: {p}) -> {x} {{
  %y = bfly.spectral_filter %x params(%p[batch, channel] : {p}) : {x} -> {x} {{
  ^bb0(%bin: complex<f64>, %k: index, %w: f64):
    %zero = arith.constant 0.0 : f64
    %c = complex.create %w, %zero : complex<f64>
    %a = complex.mul %bin, %c : complex<f64>
    bfly.yield %a : complex<f64>
  }}
  return %y : {x}
}}"""
    assert "tensor.cast" in backward(text)
    arrays, g = (rng.standard_normal((2, 5, 3)), rng.standard_normal((2, 3))), rng.standard_normal((2, 5, 3))
    wanted = g * arrays[1][:, None], (g * arrays[0]).sum(axis=1)
    check(run(differentiate(text, "f", plan), *arrays, g), wanted, 1e-13)
