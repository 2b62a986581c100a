# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Upstream's passes at the affine level of a GPU's kernels: they keep what each computes, to the bit, and its barriers."""

import os
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
from programs import (
    attention,
    compile,
    fftnet,
    linear_text,
    mean_text,
    norm_text,
    normal,
    on_gpu,
    run,
)

OPT = Path(os.environ.get("BFLY_BUILD_DIR", Path(__file__).resolve().parents[2] / "build")) / "bin" / "bfly-opt"
PASSES = ["canonicalize", "cse", "affine-simplify-structures", "loop-invariant-code-motion"]


def linear(rng, rows, inner, outer):
    text = linear_text(rows, inner, outer, "f32", True, True)
    return text, (normal(rng, "f32", *rows, inner), normal(rng, "f32", outer, inner), normal(rng, "f32", outer))


# A text, its arrays, and what its kernel at affine level is known by.
FORMS = {
    "filter": (lambda rng: fftnet(rng, 2, 64, 20, 24, "f32"), r'"spectral_filter".* in shared>\]'),
    "one-unit": (lambda rng: fftnet(rng, 1, 32, 2, 8, "f32"), r"bfly\.grid \(%\w+, %\w+\) in \(1, 1\)"),
    "grouped": (lambda rng: fftnet(rng, 1, 8192, 8, 8, "f32"), r"groups = \[<0 to 0 in memory>, <1 to"),
    "library": (lambda rng: fftnet(rng, 2, 15, 8, 8, "f32"), r"bfly\.library_transform inverse"),
    "attention-grid": (lambda rng: attention(rng, 2, 32, 16, 4, "dense", "f32"), r"bfly\.stream_product"),
    "attention-grid-bf16": (lambda rng: attention(rng, 1, 13, 16, 2, "dense", "bf16"), r"bfly\.stream_product"),
    "attention-block": (lambda rng: attention(rng, 2, 32, 32, 2, "per_head", "bf16"), r"bfly\.matrix_product"),
    "attention-block-f32": (lambda rng: attention(rng, 1, 16, 12, 3, "per_head", "f32"), r"bfly\.matrix_product"),
    "few-rows": (lambda rng: linear(rng, (2,), 96, 24), r'"linear".*'),
    "many-rows": (lambda rng: linear(rng, (100,), 40, 33), r"memref<256x16xf32, #gpu.address_space<private>>"),
    "norm": (
        lambda rng: (norm_text((3, 16, 33), "f32", False, False), (normal(rng, "f32", 3, 16, 33),)),
        r'"layer_norm"',
    ),
    "mean": (lambda rng: (mean_text(2, 900, 50, "f32"), (normal(rng, "f32", 2, 900, 50),)), r'"mean"'),
}


def opt(text, *arguments):
    result = subprocess.run([OPT, *arguments], input=text, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return result.stdout


def barriers(text, *arguments):
    """Of the grid and of blocks, where the kernels have become functions."""
    text = opt(text, *arguments)
    return len(re.findall(r"bfly\.grid_barrier", text)), len(re.findall(r"gpu\.barrier", text))


@pytest.mark.skipif(not OPT.exists(), reason="there is no bfly-opt")
@pytest.mark.parametrize("name", FORMS)
def test_upstream_passes(rng, name):
    problem, known_by = FORMS[name]
    text, arrays = problem(rng)
    kernel = compile(text, plan="sm_90a")
    expected = run(kernel, *arrays)
    affine = kernel.ir("affine")
    to_gpu = f"-bfly-compile=to=gpu target={kernel.report['machine']['name']}"
    assert re.search(known_by, affine), affine
    assert "affine.parallel" not in affine and "bfly.threads" in affine
    lower = "-bfly-expand-matrix-products=keep-units unroll", "-lower-affine"
    wanted = (
        barriers(affine, to_gpu),
        barriers(affine, *lower, "-bfly-convert-affine-to-gpu"),
    )
    assert wanted[0][1] >= 2
    for some in [[name] for name in PASSES] + [PASSES[::-1]]:
        flags = [f"-{name}" for name in some]
        changed = opt(affine, *flags)
        again = compile(changed, plan="sm_90a", allow_foreign_calls=on_gpu())
        assert np.asarray(run(again, *arrays)).tobytes() == np.asarray(expected).tobytes(), some
        # Behind -lower-affine the same passes knew parallel loops, and took those of one iteration apart.
        found = (
            barriers(changed, to_gpu),
            barriers(affine, *lower, *flags, "-bfly-convert-affine-to-gpu"),
        )
        assert found == wanted, some
