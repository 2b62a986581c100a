# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Plans that a person writes into the IR: whatever the words say, a kernel gives the right answer or is refused with a
message of ours that names what is wrong."""

import re

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest
from programs import butterfly_problem, check_butterfly, compile, normal, on_gpu, run, tensor

import bfly
from bfly import reference

MODRELU = """{
    ^bb0(%z: complex<REAL>, %k: index, %p: REAL):
      %zero = arith.constant 0.0 : REAL
      %tiny = arith.constant 1.0e-6 : REAL
      %m = complex.abs %z : complex<REAL>
      %s = arith.addf %m, %p : REAL
      %r = arith.maximumf %s, %zero : REAL
      %t = arith.addf %m, %tiny : REAL
      %q = arith.divf %r, %t : REAL
      %i = arith.index_cast %k : index to i64
      %kf = arith.sitofp %i : i64 to REAL
      %qz = complex.create %q, %kf : complex<REAL>
      %a = complex.mul %z, %qz : complex<REAL>
      bfly.yield %a : complex<REAL>
    }"""


def kernel_text(plan, inputs, results, body):
    """A function that is one kernel with a plan: `inputs` and `results` are types, `body` makes %r0 … of %a0 …"""
    arguments = ", ".join(f"%x{i}: {of}" for i, of in enumerate(inputs))
    given = ", ".join(f"%a{i} = %x{i}" for i in range(len(inputs)))
    names, types = ", ".join(f"%r{i}" for i in range(len(results))), ", ".join(results)
    returned = ", ".join(f"%y#{i}" for i in range(len(results))) if len(results) > 1 else "%y"
    number = f":{len(results)}" if len(results) > 1 else ""
    return f"""func.func @main({arguments}) -> ({types}) {{
  %y{number} = bfly.kernel "k" ({given}) {plan} : ({", ".join(inputs)}) -> ({types}) {{
{body}
    bfly.yield {names} : {types}
  }}
  return {returned} : {types}
}}
"""


def transform_problem(rng, kind, plan, n, dtype):
    """fft, ifft, a filter of half a spectrum or of all of it: the text, its arrays, and what is right."""
    batch, d = (int(size) for size in rng.integers(1, [4, 40]))
    real = "f64" if dtype == "f64" else "f32"
    whole = kind in ("whole_filter", "complex_fft")
    of = f"complex<{real}>" if kind == "complex_fft" else dtype
    x = tensor(batch, n, d, of=of)
    f = tensor(batch, n if whole else n // 2 + 1, d, of=f"complex<{real}>")
    p = tensor(d, of=dtype)
    signal, gain = normal(rng, of, batch, n, d), normal(rng, dtype, d)
    exact = np.fft.fft(reference.load(signal), axis=1)
    half = exact[:, : n // 2 + 1]
    if kind in ("fft", "complex_fft"):
        text = kernel_text(plan, [x], [f], f"    %r0 = bfly.fft %a0 : {x} -> {f}")
        return text, [signal], exact if whole else half
    if kind == "ifft":
        text = kernel_text(plan, [f], [x], f"    %r0 = bfly.ifft %a0 : {f} -> {x}")
        spectrum = half.astype("complex128" if real == "f64" else "complex64")
        return text, [spectrum], np.fft.irfft(spectrum.astype(complex), n=n, axis=1)
    body = f"""    %f = bfly.fft %a0 : {x} -> {f}
    %g = bfly.spectrum_map %f params(%a1[channel] : {p}) tokens({n}) : {f} -> {f} {MODRELU.replace("REAL", real)}
    %r0 = bfly.ifft %g : {f} -> {x}"""
    bins = exact if whole else half
    index = np.arange(bins.shape[1]).reshape(1, -1, 1)
    mapped = bins * (np.maximum(abs(bins) + reference.load(gain), 0) / (abs(bins) + 1e-6) + 1j * index)
    wanted = np.fft.ifft(mapped, axis=1).real if whole else np.fft.irfft(mapped, n=n, axis=1)
    return kernel_text(plan, [x, p], [x], body), [signal, gain], wanted


def dense_problem(rng, kind, plan, dtype):
    rows, inner, outer = (int(size) for size in rng.integers(1, [70, 50, 50]))
    if kind == "linear":
        x, w, y = tensor(rows, inner, of=dtype), tensor(outer, inner, of=dtype), tensor(rows, outer, of=dtype)
        arrays = [normal(rng, dtype, rows, inner), normal(rng, dtype, outer, inner)]
        text = kernel_text(plan, [x, w], [y], f"    %r0 = bfly.linear %a0, %a1 : {x}, {w} -> {y}")
        return text, arrays, reference.linear(*arrays)
    if kind == "norm":
        x = tensor(rows, inner, of=dtype)
        arrays = [normal(rng, dtype, rows, inner)]
        text = kernel_text(plan, [x], [x], f"    %r0 = bfly.layer_norm %a0 epsilon(1.0e-5) : {x}")
        return text, arrays, reference.layer_norm(*arrays)
    x, m = tensor(3, rows, inner, of=dtype), tensor(3, inner, of=dtype)
    arrays = [normal(rng, dtype, 3, rows, inner)]
    text = kernel_text(plan, [x], [m], f"    %r0 = bfly.mean %a0 : {x} -> {m}")
    return text, arrays, reference.load(arrays[0]).mean(axis=1)


def attention_problem(rng, kind, plan, n, dtype):
    heads, dh, batch = (int(size) for size in rng.integers(1, [4, 20, 3]))
    d = heads * dh
    problem = butterfly_problem(rng, batch, n, d, heads, kind, False, dtype)
    x, w = tensor(batch, n, d, of=dtype), tensor(*problem[1].shape, of=dtype)
    body, state = "", "%a0"
    for stage in range(reference.stages(n)):
        result = "%r0" if stage + 1 == reference.stages(n) else f"%v{stage}"
        body += (
            f"    {result} = bfly.attention_stage {state} weights(%a1, %a2 : {w}, {w}) stage({stage}) heads({heads}) "
            f"scale({dh**-0.5:.17e}) definition : {x}\n"
        )
        state = result
    return kernel_text(plan, [x, w, w], [x], body), problem, heads


@st.composite
def factors(draw, n):
    """Radices whose product is n, where it has such; else any."""
    rest, found = n, []
    while rest > 1:
        options = [r for r in range(2, 65) if rest % r == 0]
        if not options:
            return draw(st.lists(st.integers(2, 64), max_size=3))
        found.append(draw(st.sampled_from(options)))
        rest //= found[-1]
    return found


@st.composite
def plans(draw, machine, kind, n):
    """A plan for a machine; most of its words fit."""

    def choose(right, wrong):
        return draw(wrong if draw(st.integers(0, 11)) == 0 else right)

    on_a_gpu = machine != "cpu"
    stages = reference.stages(n) if kind in ("dense", "per_head") else 0
    radices = []
    if kind in ("fft", "ifft", "filter", "whole_filter", "complex_fft"):
        bluestein = st.sampled_from([[16] * 2, [2] * 8, [8, 8, 4], [32, 16], [64, 8]])
        radices = draw(factors(n)) if on_a_gpu else choose(factors(n), bluestein)
        if on_a_gpu and n & (n - 1):
            radices = []
    radices = choose(st.just(radices), st.lists(st.integers(1, 65), max_size=4))
    last = (stages or len(radices)) - 1
    place = st.sampled_from(["l1", "l2", "l3", "memory"])
    if on_a_gpu:
        place = st.sampled_from(["shared", "shared", "shared", "memory"])
    place = choose(st.just(place), st.just(st.sampled_from(["registers", "l2", "shared", "cluster", "memory"])))
    cuts = choose(st.sampled_from([[], [], [0]]), st.lists(st.integers(0, 4), max_size=3))
    bounds = [-1, *(cut for cut in sorted(cuts) if cut < last), choose(st.just(last), st.integers(0, 9))]
    if last < 0:
        bounds = choose(st.just([]), st.just(bounds))
    groups = [f"<{first + 1} to {to} in {draw(place)}>" for first, to in zip(bounds, bounds[1:])]
    if on_a_gpu and stages == 0 and len(groups) == 2 and draw(st.booleans()):
        groups[0] = groups[0].split(" in ")[0] + " in memory>"
    named = choose(st.just(machine), st.sampled_from(["cpu", "sm_90a", "sm_80", "abacus"]))
    lanes = choose(st.sampled_from([1, 2, 3, 4, 7, 8, 16, 32]), st.sampled_from([0, -1, 100, 1024, 1025]))
    tile = choose(
        st.sampled_from([1, 2, 3, 5, 16, 31, 128, 256]), st.sampled_from([0, 1 << 21, 1 << 40, (1 << 63) - 1])
    )
    parallel = choose(st.sampled_from(["tile", "tile", "batch"]), st.sampled_from(["batch", "no"]))
    threads = st.sampled_from([128, 256, 512] if stages else [32, 64, 96, 256, 512, 1024])
    threads = choose(threads if on_a_gpu else st.none(), st.sampled_from([None, 33, 64, 1024, 2048, -32]))
    return (
        f'plan <machine = "{named}", lanes = {lanes}, tile = {tile}, radices = [{", ".join(map(str, radices))}], '
        f'groups = [{", ".join(groups)}], parallel = "{parallel}"{"" if threads is None else f", threads = {threads}"}>'
    )


# What a person is told: which word, and that it is the plan's.
OURS = (
    r"has a plan|(lanes|tile|parallel|threads) = |of radices: |of groups: |"
    r"must be a kernel of its own|which does not run on a GPU|which runs on a CPU"
)

KINDS = ["fft", "complex_fft", "ifft", "filter", "whole_filter", "dense", "per_head", "linear", "norm", "mean"]


@st.composite
def cases(draw, kinds=KINDS):
    machine, kind = draw(st.sampled_from(["cpu", "sm_90a", "sm_80"])), draw(st.sampled_from(kinds))
    lengths = (
        [2, 4, 8, 16, 64, 256] if kind in ("dense", "per_head") else [1, 2, 3, 4, 6, 8, 16, 30, 32, 37, 64, 96, 128]
    )
    n = draw(st.sampled_from(lengths))
    dtype = draw(st.sampled_from(["f32", "f64", "bf16"]))
    return machine, kind, n, dtype, draw(plans(machine, kind, n)), draw(st.integers(0, 2**32 - 1))


def check(case):
    """Whether the plan was taken; asserts that what was taken is right."""
    machine, kind, n, dtype, plan, seed = case
    rng = np.random.default_rng(seed)
    heads = None
    if kind in ("dense", "per_head"):
        # A stage of a kernel of its own is of the type of its arithmetic.
        dtype = "f32" if dtype == "bf16" else dtype
        text, arrays, heads = attention_problem(rng, kind, plan, n, dtype)
    elif kind in ("linear", "norm", "mean"):
        text, arrays, wanted = dense_problem(rng, kind, plan, dtype)
    else:
        text, arrays, wanted = transform_problem(rng, kind, plan, n, dtype)
    try:
        kernel = compile(text, True, machine)
    except bfly.BflyError as refusal:
        assert re.search(OURS, str(refusal)), f"{refusal}\n{text}"
        return False
    out = run(kernel, *arrays)
    if heads:
        check_butterfly(out, arrays, heads, kind, dtype)
        return True
    pair = lambda z: np.stack([np.real(z), np.imag(z)])  # noqa: E731
    limit = 4 * reference.bound("spectral_filter", dtype, n)
    floor = 1e-3 if kind in ("linear", "norm", "mean") else None
    wrong = reference.error(pair(reference.load(out)), pair(wanted), floor)
    assert wrong <= limit, f"error {wrong:.3g} above {limit:.3g}\n{text}"
    return True


@pytest.mark.skipif(on_gpu(), reason="plans name their machine")
@hypothesis.settings(max_examples=80)
@hypothesis.given(case=cases())
def test_random_plans(case):
    check(case)


def test_a_last_radix_of_two():
    """The rows of mirror images are those of the digits turned around, which upstream folds wrongly where it can."""
    signal = np.array([1, 2, 3, 4], np.float32).reshape(1, 4, 1)
    x, f = tensor(1, 4, 1, of="f32"), tensor(1, 3, 1, of="complex<f32>")
    plan = (
        'plan <machine = "cpu", lanes = 16, tile = 32, radices = [2, 2], groups = [<0 to 1 in l1>], parallel = "tile">'
    )
    body = f"""    %f = bfly.fft %a0 : {x} -> {f}
    %g = bfly.spectrum_map %f tokens(4) : {f} -> {f} {{
    ^bb0(%z: complex<f32>, %k: index):
      %c = complex.conj %z : complex<f32>
      bfly.yield %c : complex<f32>
    }}
    %r0 = bfly.ifft %g : {f} -> {x}"""
    out = run(bfly.compile(kernel_text(plan, [x], [x], body)), signal)
    assert np.allclose(out.ravel(), [1, 4, 3, 2])


@pytest.mark.parametrize("word", ["threads = 1024", "threads = 32"])
def test_threads_of_a_cpu(word):
    x, f = tensor(2, 37, 64, of="f64"), tensor(2, 19, 64, of="complex<f64>")
    plan = f'plan <machine = "cpu", lanes = 8, tile = 16, radices = [16, 8], groups = [<0 to 1 in l1>], parallel = "tile", {word}>'
    text = kernel_text(plan, [x], [x], f"    %f = bfly.fft %a0 : {x} -> {f}\n    %r0 = bfly.ifft %f : {f} -> {x}")
    with pytest.raises(bfly.BflyError, match=f"has a plan with {word}; a CPU has no blocks of threads"):
        bfly.compile(text)
