# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Every pass of ours on the IR of every level, of both targets, and on input that no pipeline makes: it does its work,
nothing, or says what is wrong. Never is it killed by a signal, and what it prints can be read again."""

import functools
import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest
from programs import Place

ROOT = Path(__file__).resolve().parents[2]
OPT = Path(os.environ.get("BFLY_BUILD_DIR", ROOT / "build")) / "bin" / "bfly-opt"
CPU_LEVELS = ("network", "schedule", "affine", "llvm")
GPU_LEVELS = ("network", "schedule", "affine", "gpu", "nvvm", "binary", "llvm")
SEPARATOR = "\n// -----\n"


def passes():
    names = []
    for folder in ("Transforms", "Conversion"):
        text = (ROOT / "dialect/bfly" / folder / "Passes.td").read_text()
        names += re.findall(r'Pass<\s*"(bfly-[a-z0-9-]+)"', text)
    return names


PROGRAMS = [
    # Small mixers of each kind, in types and sizes that take different ways.
    """func.func @filter(%x: tensor<2x8x4xf32>, %w: tensor<4xcomplex<f32>>) -> tensor<2x8x4xf32> {
  %y = bfly.spectral_filter %x params(%w [channel] : tensor<4xcomplex<f32>>) : tensor<2x8x4xf32> -> tensor<2x8x4xf32> {
  ^bb0(%z: complex<f32>, %k: index, %p: complex<f32>):
    %q = complex.mul %z, %p : complex<f32>
    %r = complex.tanh %q : complex<f32>
    bfly.yield %r : complex<f32>
  }
  return %y : tensor<2x8x4xf32>
}""",
    """func.func @odd(%x: tensor<?x15x3xf64>) -> tensor<?x15x3xf64> {
  %y = bfly.spectral_filter %x : tensor<?x15x3xf64> -> tensor<?x15x3xf64> {
  ^bb0(%z: complex<f64>, %k: index):
    %i = arith.index_cast %k : index to i64
    %s = arith.sitofp %i : i64 to f64
    %e = math.erf %s : f64
    %c = complex.create %e, %s : complex<f64>
    %q = complex.mul %z, %c : complex<f64>
    bfly.yield %q : complex<f64>
  }
  return %y : tensor<?x15x3xf64>
}""",
    """func.func @attention(%x: tensor<?x16x8xbf16>, %wq: tensor<4x8x8xbf16>, %wk: tensor<4x8x8xbf16>) -> tensor<?x16x8xbf16> {
  %y = bfly.butterfly_attention %x, %wq, %wk heads(2) : tensor<?x16x8xbf16>, tensor<4x8x8xbf16>
  return %y : tensor<?x16x8xbf16>
}""",
    """ml_program.global private @w(#ml_program.extern<tensor<4x4xf32>>) : tensor<4x4xf32>
func.func @layer(%x: tensor<2x8x4xf32>) -> tensor<2x8x4xf32> {
  %w = ml_program.global_load_const @w : tensor<4x4xf32>
  %n = bfly.layer_norm %x epsilon(1.0e-05) : tensor<2x8x4xf32>
  %l = bfly.linear %n, %w : tensor<2x8x4xf32>, tensor<4x4xf32> -> tensor<2x8x4xf32>
  %s = arith.addf %l, %x : tensor<2x8x4xf32>
  return %s : tensor<2x8x4xf32>
}""",
    """func.func @loop(%x: tensor<2x8x4xf32>, %w: tensor<4x4xf32>, %n: index) -> tensor<2x8x4xf32> {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %r = scf.for %i = %c0 to %n step %c1 iter_args(%a = %x) -> (tensor<2x8x4xf32>) {
    %f = bfly.linear %a, %w : tensor<2x8x4xf32>, tensor<4x4xf32> -> tensor<2x8x4xf32>
    scf.yield %f : tensor<2x8x4xf32>
  }
  return %r : tensor<2x8x4xf32>
}""",
]

PLANS = [
    "",
    "plan []",
    "plan [#bfly.cpu_transform<channels = 4, radices = [8], groups = [<0 to 0 in slab>]>]",
    "plan [#bfly.gpu_block<threads = 256>]",
    'plan [#bfly.library<name = "cuFFT">]',
]
T = "tensor<4x8x4xf32>"
M = "memref<4x8x4xf32>"


def kernel(plan, body, of=T):
    if of == T:
        return f'%y = bfly.kernel "k" (%a = %x) {plan} : ({T}) -> {T} {{\n{body}\n  }}'
    return f'bfly.kernel "k" (%a = %x) {plan} : ({M}) {{\n{body}\n  }}'


def function(body, of=T):
    result = f" -> {T}" if of == T else ""
    returned = f"return %y : {T}" if of == T else "return"
    return f"func.func @f(%x: {of}){result} {{\n  {body}\n  {returned}\n}}"


FFT = f"""%f = bfly.fft %a : {T} -> tensor<4x5x4xcomplex<f32>>
    %b = bfly.ifft %f : tensor<4x5x4xcomplex<f32>> -> {T}
    bfly.yield %b : {T}"""


def degenerate():
    """What no pipeline makes."""
    for plan in PLANS:
        yield function(kernel(plan, f"    bfly.yield %a : {T}"))
        yield function(kernel(plan, f"    {FFT}"))
        yield function(kernel(plan, f"    %b = tensor.empty() : {T}\n    bfly.yield %b : {T}"))
        yield function(kernel(plan, f"    %b = arith.addf %a, %a : {T}\n    bfly.yield %b : {T}"))
        yield function(kernel(plan, f"    %b = bfly.mean %a : {T} -> tensor<4x4xf32>\n    bfly.yield %a : {T}"))
        yield function(kernel(plan, "    bfly.yield", M), M)
        loops = f"""    affine.parallel (%i, %j) = (0, 0) to (4, 8) {{
      %v = affine.load %a[%i, %j, 0] : {M}
      affine.store %v, %a[%i, %j, 1] : {M}
    }}
    bfly.yield"""
        yield function(kernel(plan, loops, M), M)
        yield function(
            kernel(
                plan,
                loops.replace("affine.parallel", "affine.for")
                .replace("(%i, %j) = (0, 0) to (4, 8)", "%i = 0 to 4")
                .replace("%j", "0"),
                M,
            ),
            M,
        )
        nested = f"""    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    scf.parallel (%i) = (%c0) to (%c1) step (%c1) {{
      scf.parallel (%t) = (%c0) to (%c1) step (%c1) {{
        %v = memref.load %a[%i, %t, %c0] : {M}
        memref.store %v, %a[%t, %i, %c0] : {M}
      }}
    }}
    bfly.yield"""
        yield function(kernel(plan, nested, M), M)
        scopes = nested.replace("scf.parallel", "bfly.grid", 1).replace("scf.parallel", "bfly.threads")
        for sync in ("none", "block"):
            one = scopes.replace("= (%c0) to (%c1) step (%c1)", "in (%c1) sync(grid)", 1)
            yield function(kernel(plan, one.replace("= (%c0) to (%c1) step (%c1)", f"in (1) sync({sync})"), M), M)
        yield function(kernel(plan, f"    memref.copy %a, %a : {M} to {M}\n    bfly.yield", M), M)
        # In a loop, a branch and a module within the module.
        looped = kernel(plan, f"    {FFT}").replace("%a = %x", "%a = %z")
        yield function(
            f"""%c = arith.constant 1 : index
  %y = scf.for %i = %c to %c step %c iter_args(%z = %x) -> ({T}) {{
    {looped}
    scf.yield %y : {T}
  }}""".replace("%y = bfly", "%w = bfly").replace("yield %y", "yield %w")
        )
        yield "module { module @inner {\n" + function(kernel(plan, f"    {FFT}")) + "\n} }"
        yield f"""func.func @f(%x: {T}, %t: i1) -> {T} {{
  cf.cond_br %t, ^one, ^two
^one:
  return %x : {T}
^two:
  {kernel(plan, f"    {FFT}")}
  return %y : {T}
}}"""
        yield f"""gpu.module @g {{
  gpu.func @k(%x: {M}) kernel {{
    {kernel(plan, "    bfly.yield", M)}
    gpu.return
  }}
}}"""
        yield f"""func.func @f(%x: {T}) -> {T} {{
  %e = tensor.empty() : {T}
  %m = linalg.map ins(%x : {T}) outs(%e : {T})
    (%in: f32, %out: f32) {{
      %t = tensor.empty() : {T}
      {kernel(plan, f"    {FFT}").replace("%a = %x", "%a = %t")}
      linalg.yield %in : f32
    }}
  return %m : {T}
}}"""
    yield "module {\n}"
    yield "func.func private @f(tensor<4xf32>) -> tensor<4xf32>"
    yield "func.func @f() {\n  return\n}"
    yield f"func.func @f(%x: {T}) -> {T} {{\n  cf.br ^a\n^a:\n  return %x : {T}\n}}"
    yield """func.func @f(%x: tensor<*xf32>) -> tensor<*xf32> {
  return %x : tensor<*xf32>
}"""
    yield """func.func @f(%z: complex<f32>, %w: vector<4xcomplex<f32>>) -> complex<f32> {
  %e = complex.exp %z : complex<f32>
  return %e : complex<f32>
}"""
    yield """func.func @f(%z: complex<f16>, %v: vector<4xbf16>, %x: f128) -> (complex<f16>, vector<4xbf16>, f128) {
  %a = complex.sqrt %z : complex<f16>
  %b = math.erf %v : vector<4xbf16>
  %c = math.exp %x : f128
  return %a, %b, %c : complex<f16>, vector<4xbf16>, f128
}"""
    yield """func.func @f(%m: memref<?xf32, strided<[?], offset: ?>>, %o: memref<8xf32, 3>) {
  %c = memref.cast %m : memref<?xf32, strided<[?], offset: ?>> to memref<8xf32, strided<[2], offset: ?>>
  memref.copy %c, %o : memref<8xf32, strided<[2], offset: ?>> to memref<8xf32, 3>
  affine.for %i = 0 to 8 {
    %v = affine.load %c[%i] : memref<8xf32, strided<[2], offset: ?>>
    affine.store %v, %o[7 - %i] : memref<8xf32, 3>
  } {bfly.lanes}
  return
}"""
    yield """func.func @f(%m: memref<8xf32>) {
  affine.parallel (%i) = (0) to (8) {
    affine.for %j = 0 to 0 {
    } {bfly.lanes}
    scf.execute_region {
      scf.yield
    }
  } {bfly.lanes}
  return
}"""
    yield """func.func @f(%n: index) attributes {bfly.lanes} {
  %0 = memref.alloc(%n) : memref<?xf32>
  %1 = memref.alloca() : memref<4xf32>
  %2 = memref.alloc() {bfly.lanes} : memref<0xf32>
  return
}"""
    yield "llvm.func @malloc(f32) -> f32\nllvm.func @free()\nllvm.func @f() {\n  llvm.return\n}"
    yield """gpu.module @g {
  llvm.func @k() attributes {gpu.kernel, nvvm.kernel} {
    llvm.return
  }
}"""
    yield """gpu.binary @g [#gpu.object<#nvvm.target<chip = "sm_90a">, assembly = "call __nv_erff">]"""
    yield """ml_program.global private mutable @w(dense<1.0> : tensor<4xf32>) : tensor<4xf32>
func.func @f() -> tensor<4xf32> {
  %0 = ml_program.global_load @w : tensor<4xf32>
  return %0 : tensor<4xf32>
}"""


def run(arguments, text):
    return subprocess.run([OPT, *arguments], input=text, capture_output=True, text=True, timeout=120)


@functools.cache
def corpus():
    """The text of each input; what a pipeline does not make of a program is none."""
    texts = list(PROGRAMS)
    for program in PROGRAMS:
        for target, levels in (("cpu", CPU_LEVELS), ("sm_90a", GPU_LEVELS)):
            for level in levels:
                result = run([f"-bfly-compile=to={level} target={target}"], program)
                assert result.returncode == 0, result.stderr
                texts.append(result.stdout)
    texts += degenerate()
    for text in texts:
        result = run([], text)
        assert result.returncode in (0, 1), f"{text}\n{result.stderr}"
    return texts


def check(arguments, texts):
    """All at once; where that goes wrong, one by one, to say which."""
    result = run(["-split-input-file", *arguments], SEPARATOR.join(texts))
    for refused in ("unable to schedule", "Can't add pass"):
        assert refused not in result.stderr, result.stderr[:1000]
    if result.returncode in (0, 1) and (result.returncode == 0) == ("error:" not in result.stderr):
        return
    for text in texts:
        result = run(arguments, text)
        head = (
            f"bfly-opt {' '.join(arguments)} on\n{text[:4000]}\nexits with {result.returncode}\n{result.stderr[-4000:]}"
        )
        assert result.returncode in (0, 1), head
        assert (result.returncode == 0) == ("error:" not in result.stderr), head
    raise AssertionError(f"{arguments} fails on all, and on none alone: {result.stderr[-4000:]}")


@pytest.mark.skipif(not OPT.exists(), reason="there is no bfly-opt")
@pytest.mark.parametrize("name", passes())
def test_pass(name):
    if Place.device != "cpu":
        pytest.skip("compiling is the same")
    check([f"-{name}"], corpus())


def test_spellings():
    """Every way of running passes that docs/passes.md shows."""
    text = (ROOT / "docs/passes.md").read_text()
    commands = [
        line.split("layer.mlir", 1)[1] for line in text.splitlines() if line.startswith("    bfly-opt layer.mlir")
    ]
    assert len(commands) >= 3
    for command in commands:
        result = run(shlex.split(command), PROGRAMS[0])
        assert result.returncode == 0, f"{command}: {result.stderr}"
        assert "bfly.fft" in result.stdout


@pytest.mark.parametrize("target", ("cpu", "sm_90a"))
def test_pipeline(target):
    """All of it, on input of a level that it has passed."""
    check([f"-bfly-compile=to=llvm target={target}"], corpus())
