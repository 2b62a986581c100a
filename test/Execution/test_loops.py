# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Loops and branches of scf around layers: as NumPy computes them, and no memory is kept by an iteration."""

import resource

import numpy as np
import pytest
from programs import normal, run

import bfly

PLANS = {"cpu": {}, "gpu": {"target": "sm_90a", "emulate": True}}
plans = pytest.mark.parametrize("options", PLANS.values(), ids=PLANS)

B, N, D = 2, 8, 4


def x_type(batch=B):
    return f"tensor<{'?' if batch is None else batch}x{N}x{D}xf32>"


def halve(source, result, batch=B):
    """A layer: half of the source, by way of its spectrum."""
    return f"""{result} = bfly.spectral_filter {source} : {x_type(batch)} -> {x_type(batch)} {{
    ^bb0(%z: complex<f32>, %k: index):
      %h = complex.constant [0.5 : f32, 0.0 : f32] : complex<f32>
      %q = complex.mul %z, %h : complex<f32>
      bfly.yield %q : complex<f32>
    }}"""


def module(body, arguments="", batch=B, private=""):
    return f"""{private}
func.func @f(%x: {x_type(batch)}{arguments}) -> {x_type(batch)} {{
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c3 = arith.constant 3 : index
  {body}
  return %r : {x_type(batch)}
}}
"""


def loop(body, count="%c3", batch=B):
    return f"""%r = scf.for %i = %c0 to {count} step %c1 iter_args(%a = %x) -> ({x_type(batch)}) {{
    {body}
    scf.yield %y : {x_type(batch)}
  }}"""


@plans
@pytest.mark.parametrize("batch", (B, None))
def test_static_count(options, batch, rng):
    kernel = bfly.compile(module(loop(halve("%a", "%y", batch), batch=batch), batch=batch), **options)
    for size in (B,) if batch else (1, 3):
        x = normal(rng, "f32", size, N, D)
        np.testing.assert_allclose(run(kernel, x), x / 8, rtol=2e-6, atol=1e-6)


@plans
def test_dynamic_count(options, rng):
    kernel = bfly.compile(module(loop(halve("%a", "%y"), "%n"), ", %n: index"), **options)
    x = normal(rng, "f32", B, N, D)
    for count in (0, 1, 5):
        np.testing.assert_allclose(run(kernel, x, np.int64(count)), x / 2**count, rtol=2e-6, atol=1e-6)


@plans
def test_call_in_a_loop(options, rng):
    private = (
        f"func.func private @half(%x: {x_type()}) -> {x_type()} {{\n  {halve('%x', '%r')}\n  return %r : {x_type()}\n}}"
    )
    body = loop(f"%y = func.call @half(%a) : ({x_type()}) -> {x_type()}")
    x = normal(rng, "f32", B, N, D)
    kernel = bfly.compile(module(body, private=private), function="f", **options)
    np.testing.assert_allclose(run(kernel, x), x / 8, rtol=2e-6, atol=1e-6)


@plans
def test_several_values_that_change_places(options, rng):
    """The Fibonacci numbers: each value is read after the other was written."""
    t = x_type()
    body = f"""%p, %r = scf.for %i = %c0 to %n step %c1 iter_args(%a = %x, %b = %w) -> ({t}, {t}) {{
    {halve("%a", "%h")}
    %s = arith.addf %h, %b : {t}
    scf.yield %b, %s : {t}, {t}
  }}"""
    kernel = bfly.compile(module(body, f", %w: {t}, %n: index"), **options)
    x, w = normal(rng, "f32", B, N, D), normal(rng, "f32", B, N, D)
    for count in (0, 1, 2, 7):
        a, b = x.astype(float), w.astype(float)
        for _ in range(count):
            a, b = b, a / 2 + b
        np.testing.assert_allclose(run(kernel, x, w, np.int64(count)), b, rtol=1e-5, atol=1e-5)


@plans
def test_swap(options, rng):
    t = x_type()
    body = f"""%p, %r = scf.for %i = %c0 to %n step %c1 iter_args(%a = %x, %b = %w) -> ({t}, {t}) {{
    scf.yield %b, %a : {t}, {t}
  }}"""
    kernel = bfly.compile(module(body, f", %w: {t}, %n: index"), **options)
    x, w = normal(rng, "f32", B, N, D), normal(rng, "f32", B, N, D)
    assert np.array_equal(run(kernel, x, w, np.int64(4)), w)
    assert np.array_equal(run(kernel, x, w, np.int64(5)), x)


@plans
def test_swap_of_two_batches(options, rng):
    """Places of one size for some arguments, not for others."""
    t = x_type(None)
    body = f"""%r, %q = scf.for %i = %c0 to %n step %c1 iter_args(%a = %x, %b = %w) -> ({t}, {t}) {{
    scf.yield %b, %a : {t}, {t}
  }}"""
    kernel = bfly.compile(module(body, f", %w: {t}, %n: index", None), **options)
    for batch in (1, 3):
        x, w = normal(rng, "f32", batch, N, D), normal(rng, "f32", batch, N, D)
        assert np.array_equal(run(kernel, x, w, np.int64(4)), x)
        assert np.array_equal(run(kernel, x, w, np.int64(5)), w)
    with pytest.raises(
        bfly.BflyError, match="input 1 has batch 3, but input 0 has batch 2, and 'scf.yield' at .* needs"
    ):
        kernel(normal(rng, "f32", 2, N, D), w, 0)


@plans
def test_what_is_before_a_loop_is_read_after_it(options, rng):
    t = x_type()
    body = f"""{halve("%x", "%before")}
  {loop(halve("%a", "%y")).replace("%r =", "%in =").replace("= %x)", "= %before)")}
  %r = arith.addf %in, %before : {t}"""
    kernel = bfly.compile(module(body), **options)
    x = normal(rng, "f32", B, N, D)
    np.testing.assert_allclose(run(kernel, x), x / 16 + x / 2, rtol=2e-6, atol=1e-6)


@plans
def test_loop_in_a_loop(options, rng):
    t = x_type()
    inner = f"""%y = scf.for %j = %c0 to %i step %c1 iter_args(%e = %a) -> ({t}) {{
      {halve("%e", "%g")}
      scf.yield %g : {t}
    }}"""
    kernel = bfly.compile(module(loop(inner)), **options)
    x = normal(rng, "f32", B, N, D)
    np.testing.assert_allclose(run(kernel, x), x / 8, rtol=2e-6, atol=1e-6)


@plans
@pytest.mark.parametrize("batch", (B, None))
def test_branch(options, batch, rng):
    t = x_type(batch)
    body = f"""%r = scf.if %p -> ({t}) {{
    {halve("%x", "%y", batch)}
    scf.yield %y : {t}
  }} else {{
    scf.yield %x : {t}
  }}"""
    kernel = bfly.compile(module(body, ", %p: i1", batch), **options)
    for size in (B,) if batch else (1, 3):
        x = normal(rng, "f32", size, N, D)
        np.testing.assert_allclose(run(kernel, x, np.bool_(True)), x / 2, rtol=2e-6, atol=1e-6)
        assert np.array_equal(run(kernel, x, np.bool_(False)), x)


@plans
def test_sides_of_a_branch_of_two_batches(options, rng):
    t = x_type(None)
    body = f"""%r = scf.if %p -> ({t}) {{
    {halve("%x", "%y", None)}
    scf.yield %y : {t}
  }} else {{
    scf.yield %w : {t}
  }}"""
    kernel = bfly.compile(module(body, f", %w: {t}, %p: i1", None), **options)
    x, w = normal(rng, "f32", 3, N, D), normal(rng, "f32", 3, N, D)
    np.testing.assert_allclose(run(kernel, x, w, np.bool_(True)), x / 2, rtol=2e-6, atol=1e-6)
    assert np.array_equal(run(kernel, x, w, np.bool_(False)), w)
    with pytest.raises(
        bfly.BflyError, match="input 1 has batch 2, but input 0 has batch 3, and 'scf.yield' at .* needs"
    ):
        kernel(x, w[:2], True)


@plans
def test_branch_of_a_computed_size(options, rng):
    t = x_type(None)
    body = f"""%r = scf.if %p -> ({t}) {{
    %two = tensor.concat dim(0) %x, %x : ({t}, {t}) -> {t}
    scf.yield %two : {t}
  }} else {{
    {halve("%x", "%h", None)}
    %two = tensor.concat dim(0) %h, %x : ({t}, {t}) -> {t}
    scf.yield %two : {t}
  }}"""
    kernel = bfly.compile(module(body, ", %p: i1", None), **options)
    x = normal(rng, "f32", 3, N, D)
    assert np.array_equal(run(kernel, x, np.bool_(True)), np.concatenate([x, x]))
    np.testing.assert_allclose(run(kernel, x, np.bool_(False)), np.concatenate([x / 2, x]), rtol=2e-6, atol=1e-6)


@plans
def test_branch_in_a_loop(options, rng):
    """A layer in every other iteration."""
    t = x_type()
    inner = f"""%odd = arith.andi %i, %c1 : index
    %p = arith.cmpi eq, %odd, %c1 : index
    %y = scf.if %p -> ({t}) {{
      {halve("%a", "%g")}
      scf.yield %g : {t}
    }} else {{
      %n = arith.negf %a : {t}
      scf.yield %n : {t}
    }}"""
    kernel = bfly.compile(module(loop(inner)), **options)
    x = normal(rng, "f32", B, N, D)
    np.testing.assert_allclose(run(kernel, x), x / 2, rtol=2e-6, atol=1e-6)


@plans
@pytest.mark.parametrize("batch", (B, None))
def test_while(options, batch, rng):
    t = x_type(batch)
    body = f"""%last, %r = scf.while (%i = %c0, %a = %x) : (index, {t}) -> (index, {t}) {{
    %more = arith.cmpi ult, %i, %n : index
    scf.condition(%more) %i, %a : index, {t}
  }} do {{
  ^bb0(%j: index, %b: {t}):
    {halve("%b", "%y", batch)}
    %next = arith.addi %j, %c1 : index
    scf.yield %next, %y : index, {t}
  }}"""
    kernel = bfly.compile(module(body, ", %n: index", batch), **options)
    for size in (B,) if batch else (1, 3):
        x = normal(rng, "f32", size, N, D)
        for count in (0, 1, 5):
            np.testing.assert_allclose(run(kernel, x, np.int64(count)), x / 2**count, rtol=2e-6, atol=1e-6)


@plans
def test_swap_in_a_while(options, rng):
    """The condition changes what it passes on, and the body its places."""
    t = x_type(None)
    body = f"""%last, %r, %q = scf.while (%i = %c0, %a = %x, %b = %w) : (index, {t}, {t}) -> (index, {t}, {t}) {{
    %more = arith.cmpi ult, %i, %n : index
    %z = arith.negf %a : {t}
    scf.condition(%more) %i, %z, %b : index, {t}, {t}
  }} do {{
  ^bb0(%j: index, %c: {t}, %d: {t}):
    %next = arith.addi %j, %c1 : index
    scf.yield %next, %d, %c : index, {t}, {t}
  }}"""
    kernel = bfly.compile(module(body, f", %w: {t}, %n: index", None), **options)
    x, w = normal(rng, "f32", 3, N, D), normal(rng, "f32", 3, N, D)
    for count in range(5):
        a, b = -x, w
        for _ in range(count):
            a, b = -b, a
        assert np.array_equal(run(kernel, x, w, np.int64(count)), a)


@plans
def test_no_memory_is_kept(options):
    text = module(loop(halve("%a", "%y"), "%n"), ", %n: index").replace("2x8x4x", "64x8x64x")
    kernel = bfly.compile(text, **options)
    x = np.ones((64, 8, 64), np.float32)
    kernel(x, 10)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    kernel(x, 2000)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 30_000, f"{grown} KiB more, of 256,000 that were allocated"


REFUSED = {
    "grows": (
        """%r = scf.for %i = %c0 to %c3 step %c1 iter_args(%a = %x) -> (tensor<?x8x4xf32>) {
    %y = tensor.concat dim(0) %a, %a : (tensor<?x8x4xf32>, tensor<?x8x4xf32>) -> tensor<?x8x4xf32>
    scf.yield %y : tensor<?x8x4xf32>
  }""",
        "'scf.yield' op changes the size of what the loop carries, which is not supported",
    ),
    "affine": (
        f"""%r = affine.for %i = 0 to 3 iter_args(%a = %x) -> ({x_type()}) {{
    {halve("%a", "%y")}
    affine.yield %y : {x_type()}
  }}""",
        "'affine.for' op cannot carry tensors: write scf.for, scf.while or scf.if",
    ),
}


@plans
@pytest.mark.parametrize("body, message", REFUSED.values(), ids=REFUSED)
def test_refused(options, body, message):
    with pytest.raises(bfly.BflyError) as caught:
        bfly.compile(module(body, batch=None if "?" in body else B), **options)
    assert message in str(caught.value)
