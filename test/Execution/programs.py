# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""IR for the execution tests, and running it: twice, into poisoned memory, with the same bits asked for.

Every test runs on each device that there is (`devices`). On a GPU a kernel of whatever plan is compiled for it, its
arrays are copied there and back, and all memory there is poisoned too (BFLY_CUDA_POISON)."""

import os
import re

import numpy as np
import pytest
from guarded import guarded

import bfly
from bfly import reference


def compute(dtype):
    """What arithmetic is done in for a storage type."""
    return "f64" if dtype == "f64" else "f32"


def tensor(*shape, of):
    return f"tensor<{'x'.join('?' if size is None else str(size) for size in (*shape, of))}>"


def normal(rng, dtype, *shape, scale=1.0):
    """Normal deviates of a storage type; "complex<f32>" and "complex<f64>" are complex ones."""
    if dtype.startswith("complex"):
        values = rng.standard_normal(shape) + 1j * rng.standard_normal(shape)
        return (scale * values).astype(np.complex64 if "f32" in dtype else np.complex128)
    return reference.store(scale * rng.standard_normal(shape), dtype)


def poison(array):
    """Fills an array with what must not survive: NaN, or for integers the least one."""
    kind = array.dtype.kind
    if kind == "V":  # bf16, which NumPy may be unable to write a number to
        array.view(np.uint16)[...] = 0xFFFF
    else:
        array[...] = np.nan if kind not in "iub" else np.iinfo(array.dtype).min if kind != "b" else True
    return array


def run(kernel, *arrays, parameters=None):
    """The result of a kernel (or a tuple of them). Asserts that a second run, into poisoned memory, gives the same
    bits, and that no input was written; and again with every array, and all scratch memory, next to pages that nobody
    may touch, first at their ends and then at their beginnings."""
    before = [np.array(array, copy=True) for array in arrays]
    first = kernel(*arrays, parameters=parameters)
    results = first if isinstance(first, tuple) else (first,)
    again = tuple(poison(np.empty_like(result)) for result in results)
    kernel(*arrays, parameters=parameters, out=again)
    for one, other in zip(results, again):
        assert one.tobytes() == other.tobytes(), "two runs differ"
    for array, copy in zip(arrays, before):
        assert array.tobytes() == copy.tobytes(), "an input was written"
    if not on_gpu():
        for where in ("end", "begin"):
            run_guarded(kernel, arrays, parameters, results, where)
    return first


def run_guarded(kernel, arrays, parameters, results, where):
    again = tuple(poison(guarded(result, where)) for result in results)
    inputs = [guarded(array, where) if isinstance(array, np.ndarray) else array for array in arrays]
    if parameters is not None:
        parameters = {name: guarded(array, where) for name, array in parameters.items()}
    os.environ["BFLY_GUARD"] = where
    try:
        kernel(*inputs, parameters=parameters, out=again)
    finally:
        del os.environ["BFLY_GUARD"]
    for one, other in zip(results, again):
        assert one.tobytes() == other.tobytes(), f"a run between guards ({where}) differs"


def linear_text(rows, inner, outer, dtype, bias, relu):
    """linear: `rows` is the shape of the leading dimensions, None for a dynamic first one."""
    x, w, y = tensor(*rows, inner, of=dtype), tensor(outer, inner, of=dtype), tensor(*rows, outer, of=dtype)
    vector = tensor(outer, of=dtype)
    return f"""func.func @linear(%x: {x}, %w: {w}{f", %b: {vector}" if bias else ""}) -> {y} {{
  %y = bfly.linear %x, %w {f"bias(%b : {vector})" if bias else ""} {"relu" if relu else ""} : {x}, {w} -> {y}
  return %y : {y}
}}
"""


def norm_text(shape, dtype, weight, bias, epsilon=1e-5):
    x, vector = tensor(*shape, of=dtype), tensor(shape[-1], of=dtype)
    arguments = "".join([f", %w: {vector}" if weight else "", f", %b: {vector}" if bias else ""])
    given = " ".join([f"weight(%w : {vector})" if weight else "", f"bias(%b : {vector})" if bias else ""])
    return f"""func.func @norm(%x: {x}{arguments}) -> {x} {{
  %y = bfly.layer_norm %x {given} epsilon({epsilon:e}) : {x}
  return %y : {x}
}}
"""


def mean_text(batch, n, d, dtype):
    x, m = tensor(batch, n, d, of=dtype), tensor(batch, d, of=dtype)
    return f"""func.func @mean(%x: {x}) -> {m} {{
  %m = bfly.mean %x : {x} -> {m}
  return %m : {m}
}}
"""


def attention_text(batch, n, d, heads, weights, dtype, scale=None):
    """Butterfly attention; `weights` is the shape of both."""
    x, w = tensor(batch, n, d, of=dtype), tensor(*weights, of=dtype)
    scaled = "" if scale is None else f"scale({scale:.17e})"
    return f"""func.func @attention(%x: {x}, %wq: {w}, %wk: {w}) -> {x} {{
  %y = bfly.butterfly_attention %x, %wq, %wk heads({heads}) {scaled} : {x}, {w}
  return %y : {x}
}}
"""


def filter_text(batch, n, d, dtype, parameters, body, out=None):
    """A spectral filter. `parameters` are (name, dimensions, type) in the order of the arguments, `body` computes %a of
    %bin (complex), %k (index) and %name for each. `dtype` is the input's, `out` the result's; REAL and COMPLEX in the
    body stand for the compute type."""
    out = out or dtype
    real = "f64" if "f64" in dtype else "f32"
    sizes = {"batch": batch, "bin": n, "channel": d}
    types = [tensor(*(sizes[dim] for dim in dims), of=of) for _, dims, of in parameters]
    x, y = tensor(batch, n, d, of=dtype), tensor(batch, n, d, of=out)
    arguments = "".join(f", %p_{name}: {of}" for (name, _, _), of in zip(parameters, types))
    listed = ", ".join(f"%p_{name}[{', '.join(dims)}] : {of}" for (name, dims, _), of in zip(parameters, types))
    scalars = "".join(
        f", %{name}: {f'complex<{real}>' if of.startswith('complex') else real}" for name, _, of in parameters
    )
    body = body.replace("COMPLEX", f"complex<{real}>").replace("REAL", real)
    return f"""func.func @filter(%x: {x}{arguments}) -> {y} {{
  %y = bfly.spectral_filter %x {f"params({listed})" if listed else ""} : {x} -> {y} {{
  ^bb0(%bin: complex<{real}>, %k: index{scalars}):
{body}
    bfly.yield %a : complex<{real}>
  }}
  return %y : {y}
}}
"""


# modReLU of a bin times %w; and of one times %wb + %dw.
MODRELU_OF_W = """
    %zero = arith.constant 0.0 : REAL
    %tiny = arith.constant 1.0e-10 : REAL
    %wz = complex.create %w, %zero : COMPLEX
    %g = complex.mul %bin, %wz : COMPLEX
    %abs = complex.abs %g : COMPLEX
    %sum = arith.addf %abs, %bias : REAL
    %kept = arith.maximumf %sum, %zero : REAL
    %size = arith.addf %abs, %tiny : REAL
    %gain = arith.divf %kept, %size : REAL
    %gz = complex.create %gain, %zero : COMPLEX
    %a = complex.mul %g, %gz : COMPLEX
"""
MODRELU = "\n    %w = arith.addf %wb, %dw : REAL" + MODRELU_OF_W


def layer_text(batch, n, d, hidden, dtype, norms=True):
    """The whole FFTNet layer, its parameters by the names of PyTorch's state_dict."""
    x, context, inner = tensor(batch, n, d, of=dtype), tensor(batch, d, of=dtype), tensor(batch, hidden, of=dtype)
    vector, wide = tensor(d, of=dtype), tensor(hidden, of=dtype)
    first, second = tensor(hidden, d, of=dtype), tensor(d, hidden, of=dtype)
    names = layer_parameters(d, hidden, norms)
    text, loads = "", ""
    for index, (name, shape) in enumerate(names.items()):
        of = tensor(*shape, of=dtype)
        text += f'ml_program.global private @"{name}"(#ml_program.extern<{of}>) : {of}\n'
        loads += f'  %p{index} = ml_program.global_load_const @"{name}" : {of}\n'
    body = MODRELU.replace("COMPLEX", f"complex<{compute(dtype)}>").replace("REAL", compute(dtype))
    real = compute(dtype)
    before, after, given = "", "", "%x"
    if norms:
        before = f"  %u = bfly.layer_norm %x weight(%p6 : {vector}) bias(%p7 : {vector}) epsilon(1.0e-5) : {x}\n"
        after = f"  %o = bfly.layer_norm %z weight(%p8 : {vector}) bias(%p9 : {vector}) epsilon(1.0e-5) : {x}\n"
        given = "%u"
    return f"""{text}
func.func @layer(%x: {x}) -> {x} {{
{loads}{before}  %m = bfly.mean {given} : {x} -> {context}
  %h = bfly.linear %m, %p1 bias(%p2 : {wide}) relu : {context}, {first} -> {inner}
  %delta = bfly.linear %h, %p3 bias(%p4 : {vector}) : {inner}, {second} -> {context}
  %y = bfly.spectral_filter {given}
      params(%p0[channel] : {vector}, %delta[batch, channel] : {context}, %p5[channel] : {vector}) : {x} -> {x} {{
  ^bb0(%bin: complex<{real}>, %k: index, %wb: {real}, %dw: {real}, %bias: {real}):
{body}
    bfly.yield %a : complex<{real}>
  }}
  %z = arith.addf %y, %x : {x}
{after}  return {"%o" if norms else "%z"} : {x}
}}
"""


def layer_parameters(d, hidden, norms=True):
    """The shapes of an FFTNet layer's parameters by name."""
    shapes = {
        "adaptive_filter.W_base": (d,),
        "adaptive_filter.mlp.0.weight": (hidden, d),
        "adaptive_filter.mlp.0.bias": (hidden,),
        "adaptive_filter.mlp.2.weight": (d, hidden),
        "adaptive_filter.mlp.2.bias": (d,),
        "modrelu.bias": (d,),
    }
    if norms:
        shapes |= {f"{norm}.{part}": (d,) for norm in ("input_norm", "output_norm") for part in ("weight", "bias")}
    return shapes


def fftnet_text(batch, n, d, hidden, dtype):
    """FFTNet's spectral filter as a function of x, w_base, w1, b1, w2, b2, bias."""
    x, context, inner = tensor(batch, n, d, of=dtype), tensor(batch, d, of=dtype), tensor(batch, hidden, of=dtype)
    vector, wide = tensor(d, of=dtype), tensor(hidden, of=dtype)
    first, second = tensor(hidden, d, of=dtype), tensor(d, hidden, of=dtype)
    real = compute(dtype)
    body = MODRELU.replace("COMPLEX", f"complex<{real}>").replace("REAL", real)
    return f"""func.func @fftnet(%x: {x}, %p0: {vector}, %w1: {first}, %b1: {wide}, %w2: {second}, %b2: {vector},
    %p2: {vector}) -> {x} {{
  %m = bfly.mean %x : {x} -> {context}
  %h = bfly.linear %m, %w1 bias(%b1 : {wide}) relu : {context}, {first} -> {inner}
  %delta = bfly.linear %h, %w2 bias(%b2 : {vector}) : {inner}, {second} -> {context}
  %y = bfly.spectral_filter %x
      params(%p0[channel] : {vector}, %delta[batch, channel] : {context}, %p2[channel] : {vector}) : {x} -> {x} {{
  ^bb0(%bin: complex<{real}>, %k: index, %wb: {real}, %dw: {real}, %bias: {real}):
{body}
    bfly.yield %a : complex<{real}>
  }}
  return %y : {x}
}}
"""


def fftnet_problem(rng, batch, n, d, hidden, dtype):
    """x, w_base, w1, b1, w2, b2, bias of the scale of a trained layer's: modReLU removes some bins and keeps others."""
    return (
        normal(rng, dtype, batch, n, d),
        normal(rng, dtype, d),
        normal(rng, dtype, hidden, d, scale=d**-0.5),
        normal(rng, dtype, hidden),
        normal(rng, dtype, d, hidden, scale=hidden**-0.5),
        normal(rng, dtype, d),
        normal(rng, dtype, d, scale=0.5 * n**0.5),
    )


def fftnet(rng, batch, n, d, hidden, dtype):
    """The text of a filter, and its arrays."""
    return fftnet_text(batch, n, d, hidden, dtype), fftnet_problem(rng, batch, n, d, hidden, dtype)


def check_fftnet(out, problem, dtype, fused=True):
    """Asserts that a spectral filter's result is within the bound of docs/definitions.md."""
    assert out.dtype == problem[0].dtype
    n = problem[0].shape[1]
    wrong = reference.error(out, reference.spectral_filter(*problem), reference.spectral_filter_floor(*problem[:-1]))
    limit = reference.bound("spectral_filter", dtype, n, fused=fused)
    assert wrong <= limit, f"error {wrong:.3g} above {limit:.3g}"


def butterfly_problem(rng, batch, n, d, heads, form, shared, dtype):
    """x, wq, wk; `form` is "dense", "per_head" or "one_head" (per head, the same for all)."""
    lead = 1 if shared else reference.stages(n)
    dh = d // heads
    shape = {"dense": (lead, d, d), "per_head": (lead, heads, dh, dh), "one_head": (lead, dh, dh)}[form]
    scale = shape[-1] ** -0.5
    return (
        normal(rng, dtype, batch, n, d),
        normal(rng, dtype, *shape, scale=scale),
        normal(rng, dtype, *shape, scale=scale),
    )


def attention(rng, batch, n, d, heads, form, dtype, shared=False):
    """The text of a butterfly, and its arrays."""
    arrays = butterfly_problem(rng, batch, n, d, heads, form, shared, dtype)
    return attention_text(batch, n, d, heads, arrays[1].shape, dtype), arrays


def definition_errors(problem, heads, dtype, weights, scale, oracle):
    """Errors of the definition evaluated in a type, as docs/definitions.md has them: each evaluation is as right as the
    other, and of one alone the error may be lucky."""
    x, wq, wk = problem
    d = x.shape[2]
    dh = d // heads
    rng = np.random.default_rng(0)
    narrow = dtype in ("bf16", "f16")
    for trial in range(400):
        # Channels in another order within their head, or the input in another unit.
        order = rng.permutation(dh) if trial and not narrow else np.arange(dh)
        unit = 2.0 ** rng.uniform() if trial and narrow else 1.0
        every = np.concatenate([head * dh + order for head in range(heads)])
        inner = every if wq.shape[-1] == d else order
        turned = x[:, :, every], *(w[..., inner, :][..., inner] for w in (wq, wk))
        with np.errstate(all="ignore"):
            rounded = reference.butterfly_attention_rounded(*turned, heads, dtype, weights, scale, unit)
        yield reference.error(rounded, oracle[:, :, every])


def check_butterfly(out, problem, heads, form, dtype, scale=None, fused=True):
    """Asserts that a butterfly's result is within the bound of docs/definitions.md."""
    x = problem[0]
    assert out.dtype == x.dtype
    weights = "dense" if form == "dense" else "per_head"
    evaluate = reference.butterfly_attention_extended if dtype == "f64" else reference.butterfly_attention
    oracle = evaluate(*problem, heads, weights, scale)
    # The definition in a type may have a NaN; what it defines has none, nor may the result.
    assert np.isfinite(reference.load(out))[np.isfinite(oracle)].all()
    wrong = reference.error(out, oracle)
    limit = 0.0
    for definition in definition_errors(problem, heads, dtype, weights, scale, oracle):
        limit = max(limit, reference.bound("butterfly_attention", dtype, x.shape[1], definition, fused))
        if wrong <= limit:
            return
    assert wrong <= limit, f"error {wrong:.3g} above {limit:.3g}"


def windows_text():
    """n sequences of 8 tokens as 2 n of 4, normalised; these, and the same as n sequences of 8 once more."""
    whole, halves = "tensor<?x8x4xf32>", "tensor<?x4x4xf32>"
    return f"""func.func @windows(%x: {whole}) -> ({halves}, {whole}) {{
  %c0 = arith.constant 0 : index
  %n = tensor.dim %x, %c0 : {whole}
  %y = tensor.expand_shape %x [[0], [1, 2], [3]] output_shape [%n, 2, 4, 4] : {whole} into tensor<?x2x4x4xf32>
  %z = tensor.collapse_shape %y [[0, 1], [2], [3]] : tensor<?x2x4x4xf32> into {halves}
  %f = bfly.layer_norm %z epsilon(1.0e-5) : {halves}
  %u = tensor.expand_shape %f [[0, 1], [2], [3]] output_shape [%n, 2, 4, 4] : {halves} into tensor<?x2x4x4xf32>
  %v = tensor.collapse_shape %u [[0], [1, 2], [3]] : tensor<?x2x4x4xf32> into {whole}
  return %f, %v : {halves}, {whole}
}}"""


# What a kernel's plan is made for: this machine, or a GPU, whose plan runs on this machine too, its threads as loops.
PLANS = {"cpu": {}, "sm_90a": {"target": "sm_90a", "emulate": True}}
on_every_plan = pytest.mark.parametrize("plan", PLANS)
# A GPU without matrix units that kernels use, and with less shared memory: where its nests are others.
TARGETS = PLANS | {"sm_80": {"target": "sm_80", "emulate": True}}
on_every_target = pytest.mark.parametrize("plan", TARGETS)
on_every_gpu = pytest.mark.parametrize("plan", [plan for plan in TARGETS if plan != "cpu"])


def on_plans(lengths):
    """Parametrises a test by `plan` and `n`."""
    return pytest.mark.parametrize("plan, n", [(plan, n) for plan in PLANS for n in lengths])


class Place:
    """Where kernels run now; conftest.py sets it."""

    device = "cpu"


def devices():
    """Where every test of this folder is run: BFLY_TEST_DEVICES, "cpu,cuda" for instance; else on the CPU, and on the
    GPU if there is one."""
    named = os.environ.get("BFLY_TEST_DEVICES")
    return named.split(",") if named else ["cpu", "cuda"] if bfly.is_available("cuda") else ["cpu"]


def on_gpu():
    """Whether kernels run on a GPU now, whatever plan a test asks for."""
    return Place.device != "cpu"


def runs_alike(function, parameters):
    """A key of a test that runs on a GPU, where plans make no difference; None of others. One of those with the same
    key is enough. `parameters`: names and values, the device's among them."""
    if parameters.get("device", "cpu") == "cpu" or "plan" not in parameters:
        return None
    return function, tuple(sorted((name, repr(value)) for name, value in parameters.items() if name != "plan"))


# What a GPU's kernels refuse by name is none of their failures.
REFUSALS = re.compile(r"f64, which runs on a CPU|which does not run on a GPU|must be a kernel of its own: cuFFT")


def compile(text, fuse=True, plan="cpu", **options):
    """Compiles a text; `fuse=False` executes the network level as it stands, an operation at a time."""
    options = ({} if fuse else {"fuse": False}) | options
    if not on_gpu():
        return bfly.compile(text, **TARGETS[plan], **options)
    try:
        return bfly.compile(text, device=Place.device, **options)
    except bfly.BflyError as refusal:
        if not REFUSALS.search(str(refusal)):
            raise
        pytest.skip(str(refusal).splitlines()[0])
