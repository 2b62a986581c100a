# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The Walsh-Hadamard transform against the oracle, and the oracle against SciPy's matrices."""

import numpy as np
import pytest
from programs import compile, normal, on_every_target, on_gpu, run, tensor
from scipy import linalg

from bfly import reference

# A single token, no more tokens than a pass takes, slabs that end before the channels do, two groups, three.
SHAPES = [(1, 1, 1), (3, 1, 7), (2, 2, 3), (3, 4, 1000), (1, 16, 33), (5, 64, 40), (1, 1024, 70), (2, 8192, 3)]
DTYPES = ["f32", "f64", "bf16", "f16"]


def text(batch, n, d, dtype, orthonormal, plan=""):
    x, word = tensor(batch, n, d, of=dtype), "orthonormal" if orthonormal else ""
    body = f"bfly.hadamard %x {word} : {x}"
    if plan:
        kernel = f'bfly.kernel "k" (%a = %x) plan [{plan}] : ({x}) -> {x} '
        body = f"{kernel}{{\n  %r = {body.replace('%x', '%a')}\n  bfly.yield %r : {x}\n  }}"
    return f"func.func @main(%x: {x}) -> {x} {{\n  %y = {body}\n  return %y : {x}\n}}"


def check(out, x, dtype, orthonormal):
    wrong = reference.error(out, reference.hadamard(x, orthonormal))
    assert wrong <= reference.bound("hadamard", dtype, x.shape[1]), wrong


@pytest.mark.parametrize("n", [1, 2, 8, 256])
def test_oracle(rng, n):
    x = rng.standard_normal((2, n, 3))
    np.testing.assert_allclose(reference.hadamard(x), linalg.hadamard(n) @ x, atol=1e-12)
    np.testing.assert_allclose(reference.hadamard(reference.hadamard(x, True), True), x, atol=1e-13)
    g = rng.standard_normal(x.shape)
    np.testing.assert_allclose((g * reference.hadamard(x)).sum(), (reference.hadamard_vjp(g) * x).sum(), atol=1e-10)
    with pytest.raises(ValueError, match="power of two"):
        reference.hadamard(np.zeros((1, 3 * n, 1)))


@on_every_target
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("batch, n, d", SHAPES)
def test_hadamard(rng, batch, n, d, dtype, plan):
    x = normal(rng, dtype, batch, n, d)
    for orthonormal in (False, True):
        kernel = compile(text(None, n, d, dtype, orthonormal), plan=plan)
        check(run(kernel, x), x, dtype, orthonormal)
        entry = kernel.report["kernels"][0]
        assert entry["network"]["kind"] == "hadamard" and entry["bytes_per_batch"] == 2 * x[0].nbytes
        assert entry["flops_per_batch"] == n * d * (reference.stages(n) + orthonormal)


@on_every_target
def test_every_level(rng, plan):
    x = normal(rng, "f32", 2, 64, 40)
    kernel = compile(text(2, 64, 40, "f32", True), plan=plan)
    for level in ("network", "schedule", "affine"):
        again = compile(kernel.ir(level), plan=plan, allow_foreign_calls=on_gpu() and level == "affine")
        assert run(again, x).tobytes() == run(kernel, x).tobytes()


@on_every_target
@pytest.mark.parametrize(
    "rows, channels, radix", [(2, 1, 2), (64, 5, 2), (8, 7, 8), (4, 64, 4), (16, 3, 8), (64, 8, 32)]
)
def test_every_word_of_the_plan(rng, rows, channels, radix, plan):
    """In one group to six, of one pass to six."""
    words = f"#bfly.hadamard<rows = {rows}, channels = {channels}, radix = {radix}>"
    x = normal(rng, "f16", 2, 64, 19)
    block = "#bfly.gpu_block<threads = 64>, " if plan != "cpu" or on_gpu() else ""
    kernel = compile(text(2, 64, 19, "f16", True, block + words), plan=plan)
    assert words in kernel.ir("affine")
    check(run(kernel, x), x, "f16", True)
    assert len(kernel.report["kernels"][0]["state"]) == -(-6 // int(np.log2(rows)))


@on_every_target
@pytest.mark.parametrize("n", [8, 512])
def test_values_at_the_edges(rng, n, plan):
    kernel = compile(text(1, n, 5, "f32", True), plan=plan)
    x = normal(rng, "f32", 1, n, 5)
    x[:, :, 0] = 0
    # As large as the result allows, and all the same, so that nothing is left but the sum.
    x[:, :, 1] = 3e38 / n**0.5
    x[0, n // 2, 3], x[0, 1, 4] = np.nan, -np.inf
    y = run(kernel, x)
    assert (y[:, :, :2] == np.eye(n, 1)[None] * [0, y[0, 0, 1]]).all()
    assert abs(y[0, 0, 1] / 3e38 - 1) < 1e-5
    check(y[:, :, 2:3], x[:, :, 2:3], "f32", True)
    assert np.isnan(y[:, :, 3]).all() and not np.isfinite(y[:, :, 4]).any()


@on_every_target
@pytest.mark.parametrize("fuse", [True, False])
def test_in_a_model(rng, fuse, plan):
    x, w, u = tensor(None, 16, 12, of="f32"), tensor(20, 12, of="f32"), tensor(None, 16, 20, of="f32")
    kernel = compile(
        f"""func.func @main(%x: {x}, %w: {w}) -> {u} {{
  %h = bfly.hadamard %x orthonormal : {x}
  %z = arith.addf %h, %x : {x}
  %n = bfly.layer_norm %z epsilon(1.0e-5) : {x}
  %y = bfly.linear %n, %w : {x}, {w} -> {u}
  return %y : {u}
}}""",
        fuse,
        plan=plan,
    )
    for batch in (1, 3):
        arrays = normal(rng, "f32", batch, 16, 12), normal(rng, "f32", 20, 12)
        normed = reference.layer_norm(reference.hadamard(arrays[0], True) + arrays[0])
        assert reference.error(run(kernel, *arrays), reference.linear(normed, arrays[1])) <= 2e-6
