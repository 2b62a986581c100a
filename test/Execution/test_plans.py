# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Plans that a person writes into the IR: whatever the words say, a kernel gives the right answer or is refused with a
message of ours that names what is wrong."""

import functools
import re
from pathlib import Path

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest
from programs import attention, butterfly_problem, check_butterfly, compile, normal, on_gpu, run, tensor

import bfly
from bfly import reference

SOURCE = Path(__file__).parents[2] / "dialect/bfly/IR"

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
    if kind == "hadamard":
        text = kernel_text(plan, [x], [x], f"    %r0 = bfly.hadamard %a0 orthonormal : {x}")
        return text, [signal], reference.hadamard(signal, orthonormal=True)
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
    if kind == "row_product":  # of rows that are no multiples of 16 bytes, which a library adds up
        a, b, y = tensor(rows, 7, of=dtype), tensor(rows, 5, of=dtype), tensor(7, 5, of=dtype)
        arrays = [normal(rng, dtype, rows, 7), normal(rng, dtype, rows, 5)]
        text = kernel_text(plan, [a, b], [y], f"    %r0 = bfly.row_product %a0, %a1 : {a}, {b} -> {y}")
        return text, arrays, reference.linear(*(np.ascontiguousarray(array.T) for array in arrays))
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


# Kinds of problems with a transform.
PASSES = ("fft", "ifft", "filter", "whole_filter", "complex_fft")


@st.composite
def plans(draw, machine, kind, n):
    """A plan for a machine; most of its words fit."""

    def choose(right, wrong):
        return draw(wrong if draw(st.integers(0, 11)) == 0 else right)

    def number(*right):
        return choose(st.sampled_from(right), st.sampled_from([0, -1, 3, 24, 1 << 21, (1 << 63) - 1]))

    on_a_gpu = machine != "cpu"
    stages = reference.stages(n)
    parts = []
    if on_a_gpu:
        parts.append(f"gpu_block<threads = {number(*([128, 256, 512] if stages else [32, 64, 96, 256, 1024]))}>")
    if kind in PASSES:
        bluestein = st.sampled_from([[16] * 2, [2] * 8, [8, 8, 4], [32, 16], [64, 8]])
        radices = draw(factors(n)) if on_a_gpu else choose(factors(n), bluestein)
        radices = choose(st.just(radices), st.lists(st.integers(1, 65), max_size=4))
        last = len(radices) - 1
        whole, first, rest = ("shared", "memory", "shared") if on_a_gpu else ("slab", "slab", "pair")
        right = [[f"<0 to {last} in {whole}>"] if radices else []]
        if last > 0:
            right.append([f"<0 to 0 in {first}>", f"<1 to {last} in {rest}>"])
        wrong = [[], ["<0 to 9 in slab>"], [f"<0 to {last} in memory>"], ["<0 to 0 in pair>", f"<1 to {last} in slab>"]]
        groups = ", ".join(choose(st.sampled_from(right), st.sampled_from(wrong)))
        width = "columns" if on_a_gpu else "channels"
        columns = number(1, 2, 3, 4, 7, 8, 16, 32)
        transform = f"{width} = {columns}, radices = {radices}, groups = [{groups}]"
        parts.append(f"{'gpu' if on_a_gpu else 'cpu'}_transform<{transform}>")
        if on_a_gpu and kind in ("fft", "ifft", "complex_fft") and draw(st.booleans()):
            parts[-1] = 'library<name = "cuFFT">'
    elif kind == "mean" and not on_a_gpu:
        parts.append(f"cpu_slabs<channels = {number(1, 3, 16, 64)}>")
    elif kind in ("dense", "per_head") and not on_a_gpu:
        parallel = choose(st.sampled_from(["tile", "batch"]), st.just("no"))
        parts.append(f'cpu_attention<pairs = {number(1, 2, 16, 128)}, parallel = "{parallel}">')
    elif kind in ("dense", "per_head") and (kind == "dense" or draw(st.booleans())):
        words = number(8, 16, 32), number(1, 3, 8), number(16), number(2, 4, 8)
        parts.append("gpu_grid_attention<columns = {}, heads = {}, depth = {}, slots = {}>".format(*words))
    elif kind in ("dense", "per_head"):
        cuts = choose(st.sampled_from([[], [1], [2]]), st.lists(st.integers(0, 4), max_size=3))
        bounds = [0, *(cut for cut in sorted(cuts) if cut < stages), choose(st.just(stages), st.integers(0, 9))]
        place = choose(st.just("shared"), st.sampled_from(["memory", "slab"]))
        groups = ", ".join(f"<{first} to {to - 1} in {place}>" for first, to in zip(bounds, bounds[1:]))
        parts.append(f"gpu_block_attention<tokens = {number(256, 512)}, groups = [{groups}]>")
    elif kind == "linear" and on_a_gpu:
        parts.append(f"gpu_dense<rows = {number(0, 1, 16, 64)}, depth = {number(1, 7, 16, 32)}>")
    if kind in ("linear", "dense", "per_head") and not on_a_gpu:
        parts.append(f"cpu_panels<columns = {number(1, 5, 16, 32)}>")
    if kind == "linear" and not on_a_gpu:
        parts.append(f"cpu_dense<rows = {number(1, 5, 16, 64)}>")
    parts = choose(st.just(parts), st.sampled_from([parts[1:], [*parts, *parts], [*parts, "cpu_slabs<channels = 4>"]]))
    return f"plan [{', '.join('#bfly.' + part for part in parts)}]"


# What a person is told: which word, by which constraint of the part's description, or which part.
OURS = r"\(P\d\) |has a plan that says nothing of|has a plan with|which does not run on a GPU|which runs on a CPU"

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


def make_problem(rng, kind, plan, n, dtype):
    """The text, its arrays, and a function that asserts that what it gave is right."""
    if kind in ("dense", "per_head"):
        # A stage of a kernel of its own is of the type of its arithmetic.
        dtype = "f32" if dtype == "bf16" else dtype
        text, arrays, heads = attention_problem(rng, kind, plan, n, dtype)
        return text, arrays, lambda out: check_butterfly(out, arrays, heads, kind, dtype)
    if kind in ("linear", "norm", "mean", "row_product"):
        text, arrays, wanted = dense_problem(rng, kind, plan, dtype)
    else:
        text, arrays, wanted = transform_problem(rng, kind, plan, n, dtype)

    def check(out):
        pair = lambda z: np.stack([np.real(z), np.imag(z)])  # noqa: E731
        limit = 4 * reference.bound("spectral_filter", dtype, n)
        floor = 1e-3 if kind in ("linear", "norm", "mean", "row_product") else None
        wrong = reference.error(pair(reference.load(out)), pair(wanted), floor)
        assert wrong <= limit, f"error {wrong:.3g} above {limit:.3g}\n{text}"

    return text, arrays, check


@pytest.mark.skipif(on_gpu(), reason="a plan is of its target")
@hypothesis.settings(max_examples=80)
@hypothesis.given(case=cases())
def test_random_plans(case):
    machine, kind, n, dtype, plan, seed = case
    text, arrays, check = make_problem(np.random.default_rng(seed), kind, plan, n, dtype)
    try:
        kernel = compile(text, True, machine)
    except bfly.BflyError as refusal:
        assert re.search(OURS, str(refusal)), f"{refusal}\n{text}"
        return
    check(run(kernel, *arrays))


def test_a_last_radix_of_two():
    """The rows of mirror images are those of the digits turned around, which upstream folds wrongly where it can."""
    signal = np.array([1, 2, 3, 4], np.float32).reshape(1, 4, 1)
    x, f = tensor(1, 4, 1, of="f32"), tensor(1, 3, 1, of="complex<f32>")
    plan = "plan [#bfly.cpu_transform<channels = 32, radices = [2, 2], groups = [<0 to 1 in slab>]>]"
    body = f"""    %f = bfly.fft %a0 : {x} -> {f}
    %g = bfly.spectrum_map %f tokens(4) : {f} -> {f} {{
    ^bb0(%z: complex<f32>, %k: index):
      %c = complex.conj %z : complex<f32>
      bfly.yield %c : complex<f32>
    }}
    %r0 = bfly.ifft %g : {f} -> {x}"""
    out = run(bfly.compile(kernel_text(plan, [x], [x], body)), signal)
    assert np.allclose(out.ravel(), [1, 4, 3, 2])


# Every word of every part ---------------------------------------------------------------------------------------------

# Problems whose chosen plans have all parts between them: target, kind, N and type.
EVERY = [
    ("cpu", "filter", 60, "f32"),
    ("cpu", "mean", 8, "f32"),
    ("cpu", "linear", 8, "f32"),
    ("cpu", "dense", 16, "f32"),
    ("cpu", "hadamard", 64, "f32"),
    ("sm_90a", "filter", 64, "f32"),
    ("sm_90a", "fft", 6, "f32"),
    ("sm_90a", "linear", 8, "f32"),
    ("sm_90a", "row_product", 8, "f32"),
    ("sm_90a", "dense", 16, "bf16"),
    ("sm_90a", "per_head", 16, "bf16"),
    ("sm_90a", "hadamard", 64, "f32"),
]

# Other values of the words that are no numbers, of which some fit; and those that fit nowhere.
OTHERS = {
    "radices": ["[5, 4, 3]", "[4, 16]"],
    "groups": [
        "[<0 to 0 in slab>, <1 to 2 in pair>]",
        "[<0 to 0 in memory>, <1 to 1 in shared>]",
        "[<0 to 1 in shared>, <2 to 3 in shared>]",
    ],
    "parallel": ['"batch"', '"tile"'],
    "name": ['"cuFFT"', '"cuBLASLt"'],
}
WRONG = {
    "radices": ["[1]", "[7, 2]", "[65]"],
    "groups": ["[]", "[<1 to 1 in shared>]", "[<0 to 0 in pair>]"],
    "parallel": ['"both"'],
    "name": ['"FFTW"', '"cuBLASLt"'],
}
# Words that have no other value that fits, and why.
ALONE = {("library", "name"): "no other library does what such a kernel holds"}


def parts_of(plan):
    """The parts of a printed plan: (name, {word: value}) of each."""
    for part in plan.split("#bfly.")[1:]:
        name, words = part[: part.rindex(">")].split("<", 1)
        yield name, dict(re.findall(r'(\w+) = (\[[^\]]*\]|"\w+"|-?\d+)', words))


def compile_for(target, text):
    return bfly.compile(text, target=target, emulate=target != "cpu")


@functools.cache
def chosen(target, kind, n, dtype):
    """A problem at schedule level, its plan, its nest, its arrays and what asserts that a result is right."""
    rng = np.random.default_rng(2)
    if kind in ("dense", "per_head"):
        text, arrays = attention(rng, 2, n, 96, 3, kind, dtype)
        check = lambda out: check_butterfly(out, arrays, 3, kind, dtype)  # noqa: E731
    else:
        text, arrays, check = make_problem(rng, kind, "", n, dtype)
    kernel = compile_for(target, text)
    schedule = kernel.ir("schedule")
    return schedule, re.search(r" plan (\[.*?>\]) : \(", schedule)[1], kernel.ir("affine"), arrays, check


def every_word():
    for case in EVERY:
        for part, words in parts_of(chosen(*case)[1]):
            for word in words:
                yield pytest.param(*case, part, word, id="-".join((*map(str, case), part, word)))


@pytest.mark.skipif(on_gpu(), reason="a plan is of its target")
@pytest.mark.parametrize("target, kind, n, dtype, part, word", [] if on_gpu() else list(every_word()))
def test_every_word(target, kind, n, dtype, part, word):
    """Another value that fits changes the nest, which is right; one that does not is refused by its constraint."""
    schedule, plan, nest, arrays, check = chosen(target, kind, n, dtype)
    value = next(words[word] for name, words in parts_of(plan) if name == part)
    begin = plan.index(f"{word} = {value}", plan.index(f"#bfly.{part}<"))

    def with_value(other):
        changed = plan[:begin] + plan[begin:].replace(f"{word} = {value}", f"{word} = {other}", 1)
        return schedule.replace(plan, changed, 1)

    others, wrong = OTHERS.get(word), WRONG.get(word)
    if others is None:
        number = int(value)
        others = [number // 2, number * 2, *(other for other in (1, 2, 8, 16, 32, 256) if other != number)]
        wrong = [-1, 1 << 40]
    nests = []
    for other in others:
        try:
            kernel = compile_for(target, with_value(other))
        except bfly.BflyError as refusal:
            assert re.search(r"\(P\d\) ", str(refusal)), refusal
            continue
        if other != value:
            nests.append(kernel.ir("affine"))
        check(run(kernel, *arrays))
    assert any(other != nest for other in nests) or (part, word) in ALONE, f"{word} of {plan} changes nothing"
    for other in wrong:
        with pytest.raises(bfly.BflyError, match=rf"<text>:\d+:\d+: error: .*\(P\d\) .*{word}"):
            compile_for(target, with_value(other))


@pytest.mark.skipif(not SOURCE.exists(), reason="needs the definitions of the parts")
def test_no_word_is_forgotten():
    tested = {case.values[4:] for case in every_word()}
    defined = set()
    source = "".join(path.read_text() for path in SOURCE.glob("*.td"))
    for name, words in re.findall(r'Bfly_PlanPartAttr<"\w+",\s*"(\w+)",\s*\[(.*?)\]>', source, re.DOTALL):
        defined |= {(name, word) for word in re.findall(r'"(\w+)"', words)}
    assert len(defined) > 20 and tested == defined
