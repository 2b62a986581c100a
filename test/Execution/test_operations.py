# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Every scalar operation of upstream's dialects (operations.py) in a map's region and on tensors between mixers, on the
CPU and by a GPU's plan: it computes what NumPy does."""

import os
import re
import subprocess
from pathlib import Path

import numpy as np
import operations
import pytest
from programs import PLANS, compile, on_gpu, run

import bfly

OPT = Path(os.environ.get("BFLY_BUILD_DIR", Path(__file__).resolve().parents[2] / "build")) / "bin" / "bfly-opt"
SHAPE = (2, 8, 19)  # vectors and what is left of them

CASES = [*operations.real_operations(), *operations.complex_operations(), *operations.arith_operations()]


def is_complex(case):
    return re.search(r"%[zw]\b", case.text) is not None


def names(cases):
    return [f"{number}-{case.name}" for number, case in enumerate(cases)]


def body(case, kind):
    """The operation with its result cast to what is stored."""
    integer = {"f32": "i32", "f64": "i64"}[kind]
    words = {"T": kind, "C": f"complex<{kind}>", "I": "i32", "J": integer}
    text = case.text
    if case.result == "I":
        text += "\n      %stored = arith.sitofp %r : I to T"
    text = re.sub(r"\b[TCIJ]\b", lambda match: words[match[0]], text)
    return text, "%stored" if case.result == "I" else "%r"


def all_in_one(cases, kind):
    """All operations one after the other, and the sum of what they give."""
    lines, total = [], "%zero"
    for number, case in enumerate(cases):
        text, value = body(case, kind)
        own = set(re.findall(r"%\w+", text)) - {"%a", "%b", "%c", "%z", "%w", "%zero"}
        text = re.sub(r"%\w+", lambda match: f"{match[0]}_{number}" if match[0] in own else match[0], text)
        value = f"{value}_{number}"
        lines.append(text)
        if case.result == "C":
            lines.append(f"%abs_{number} = complex.abs {value} : complex<{kind}>")
            value = f"%abs_{number}"
        lines.append(f"%sum_{number} = arith.addf {total}, {value} : {kind}")
        total = f"%sum_{number}"
    return operations.Operation("all", "\n      ".join([*lines, f"%r = arith.addf {total}, %zero : {kind}"]), None)


def region_text(case, kind):
    """A map of a whole spectrum: its bins are the operands, a parameter the third one."""
    shape = "x".join(map(str, SHAPE))
    stored = f"complex<{kind}>" if case.result == "C" else kind
    text, value = body(case, kind)
    operands = f"""%a = complex.re %z : complex<{kind}>
      %b = complex.im %z : complex<{kind}>
      %c = arith.addf %p, %zero : {kind}
      %w = complex.create %b, %p : complex<{kind}>"""
    f, p, y = (f"tensor<{shape}xcomplex<{kind}>>", f"tensor<{SHAPE[2]}x{kind}>", f"tensor<{shape}x{stored}>")
    return f"""func.func @f(%f: {f}, %q: {p}) -> {y} {{
  %y = bfly.spectrum_map %f params(%q [channel] : {p}) tokens({SHAPE[1]}) : {f} -> {y} {{
  ^bb0(%z: complex<{kind}>, %k: index, %p: {kind}):
      %zero = arith.constant 0.0 : {kind}
      {operands}
      {text}
    bfly.yield {value} : {stored}
  }}
  return %y : {y}
}}
"""


def tensor_text(case, kind):
    """A linalg.generic between no mixers."""
    shape = "x".join(map(str, SHAPE))
    stored = f"complex<{kind}>" if case.result == "C" else kind
    text, value = body(case, kind)
    f, p, y = (f"tensor<{shape}xcomplex<{kind}>>", f"tensor<{SHAPE[2]}x{kind}>", f"tensor<{shape}x{stored}>")
    return f"""#whole = affine_map<(i, j, k) -> (i, j, k)>
func.func @f(%f: {f}, %q: {p}) -> {y} {{
  %made = tensor.empty() : {y}
  %y = linalg.generic {{indexing_maps = [#whole, affine_map<(i, j, k) -> (k)>, #whole],
      iterator_types = ["parallel", "parallel", "parallel"]}} ins(%f, %q : {f}, {p}) outs(%made : {y}) {{
  ^bb0(%z: complex<{kind}>, %p: {kind}, %old: {stored}):
      %zero = arith.constant 0.0 : {kind}
      %a = complex.re %z : complex<{kind}>
      %b = complex.im %z : complex<{kind}>
      %c = arith.addf %p, %zero : {kind}
      %w = complex.create %b, %p : complex<{kind}>
      {text}
    linalg.yield {value} : {stored}
  }} -> {y}
  return %y : {y}
}}
"""


def oracle(case, z, p):
    """The operation in a wider type, on the inputs as stored."""
    wide = np.clongdouble
    z = z.astype(wide)
    p = np.broadcast_to(p.astype(np.longdouble), z.shape)
    with np.errstate(all="ignore"):
        if is_complex(case):
            return case.oracle(z, z.imag + 1j * p)
        return case.oracle(z.real, z.imag, p)


def check(case, kind, got, wanted):
    # 1 + the ulp is the next number of the type: NumPy has no bf16.
    unit = {"f32": 2.0**-23, "f64": 2.0**-52, "f16": 2.0**-10, "bf16": 2.0**-7}[case.unit or kind]
    wanted = np.asarray(wanted)
    least = np.finfo(np.float32 if kind == "f32" else np.float64).tiny
    got = got.astype(np.clongdouble if case.result == "C" else np.longdouble)
    if on_gpu():
        # What is below the least normal number may be zero there.
        got, wanted = (np.where(np.abs(values) < least, 0, values) for values in (got, wanted))
    with np.errstate(all="ignore"):
        # Infinities where the result is one in this type, in whichever part.
        same = ~np.isfinite(got) & (np.abs(wanted) > np.finfo(np.float32 if kind == "f32" else np.float64).max)
        same |= (got == wanted) | (np.isnan(got) & np.isnan(wanted))
        error = np.where(same, 0, np.abs(got - wanted) / np.maximum(np.abs(wanted), least) / unit)
    worst = np.unravel_index(np.argmax(np.where(np.isnan(error), np.inf, error)), error.shape)
    message = f"{case.name} of {kind}: {error[worst]:.3g} ulp, {got[worst]} for {wanted[worst]}"
    assert error[worst] <= case.ulps, message


def draw(case, kind, rng):
    dtype = np.float32 if kind == "f32" else np.float64
    a = operations.draw(rng, case.domain, SHAPE, dtype)
    b = operations.draw(rng, case.domain, SHAPE, dtype)
    p = operations.draw(rng, case.domain, SHAPE[2:], dtype)
    if case.name == "math.clampf":
        b, p = -np.abs(b), np.abs(p) + 9
    z = np.empty(SHAPE, np.complex64 if kind == "f32" else np.complex128)
    z.real, z.imag = a, b
    return z, p


PLACES = {"region": region_text, "tensor": tensor_text}


@pytest.mark.parametrize("plan", PLANS)
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("kind", ("f32", "f64"))
@pytest.mark.parametrize("case", CASES, ids=names(CASES))
def test_operation(case, kind, place, plan, rng):
    if kind not in case.types:
        pytest.skip(f"no {case.name} of {kind}")
    text = PLACES[place](case, kind)
    z, p = draw(case, kind, rng)
    kernel = compile(text, plan=plan)
    check(case, kind, run(kernel, z, p), oracle(case, z, p))


FUNCTIONS = [case for case in operations.complex_operations() if " %z : C" in case.text and case.ulps == 4]


@pytest.mark.parametrize("kind", ("f32", "f64"))
@pytest.mark.parametrize("case", FUNCTIONS, ids=names(FUNCTIONS))
def test_complex_corners(case, kind, rng):
    kernel = compile(region_text(case, kind))
    p = np.ones(SHAPE[2], np.float32 if kind == "f32" else np.float64)
    for _, z in operations.complex_corners(rng, SHAPE, -30 if kind == "f32" else -250):
        z = z.astype(np.complex64 if kind == "f32" else np.complex128)
        check(case, kind, kernel(z, p), oracle(case, z, p))


@pytest.mark.skipif(not OPT.exists(), reason="there is no bfly-opt")
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("kind", ("f32", "f64"))
def test_assembled(kind, place):
    """For a GPU there is machine code of each; nothing foreign is left."""
    case = all_in_one([case for case in CASES if kind in case.types], kind)
    text = PLACES[place](case, kind)
    done = subprocess.run(
        [OPT, "-bfly-compile=to=binary target=sm_90a"], input=text, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr[-4000:]
    assert "gpu.binary" in done.stdout
    assert "gpu.module" not in done.stdout


def test_a_type_that_nothing_computes():
    """One message, that names the operation and where it is."""
    text = """func.func @f(%x: tensor<1x4x1xf64>) -> tensor<1x4x1xf64> {
  %y = bfly.spectral_filter %x : tensor<1x4x1xf64> -> tensor<1x4x1xf64> {
  ^bb0(%z: complex<f64>, %k: index):
    %r = complex.re %z : complex<f64>
    %w = arith.extf %r : f64 to f128
    %e = math.erf %w : f128
    %n = arith.truncf %e : f128 to f64
    %q = complex.create %n, %n : complex<f64>
    bfly.yield %q : complex<f64>
  }
  return %y : tensor<1x4x1xf64>
}
"""
    for options in PLANS.values():
        with pytest.raises(bfly.BflyError, match=r":[56]:\d+: error: .*(f128|math.erf)"):
            bfly.compile(text, **options)
