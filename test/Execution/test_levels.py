# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Every level is a program: what is printed there, compiled again, gives the same bits."""

import numpy as np
import pytest
from programs import (
    attention,
    attention_text,
    compile,
    fftnet,
    fftnet_problem,
    fftnet_text,
    filter_text,
    layer_parameters,
    layer_text,
    linear_text,
    mean_text,
    norm_text,
    normal,
    on_gpu,
    run,
    windows_text,
)

import bfly


def again_at(text, level, *options, **named):
    """Compiles what is printed at a level. Buffers' indices are proved or checked, and no check of a GPU's kernel can
    say that it failed."""
    return compile(text, *options, allow_foreign_calls=on_gpu() and level == "affine", **named)


CASES = {
    "fftnet": lambda rng: fftnet(rng, 2, 32, 20, 24, "f32"),
    "fftnet-prime-f64": lambda rng: fftnet(rng, 1, 37, 5, 24, "f64"),
    "fftnet-bf16": lambda rng: fftnet(rng, 3, 60, 16, 8, "bf16"),
    "attention": lambda rng: attention(rng, 2, 32, 16, 4, "dense", "f32"),
    "attention-padded": lambda rng: attention(rng, 1, 13, 16, 2, "dense", "f64"),
    "attention-per-head": lambda rng: attention(rng, 2, 16, 12, 3, "per_head", "f32"),
    "attention-shared": lambda rng: attention(rng, 2, 16, 12, 3, "one_head", "f32", True),
    "attention-f16": lambda rng: attention(rng, 2, 16, 16, 2, "dense", "f16"),
    "linear": lambda rng: (
        linear_text((9,), 20, 33, "f32", True, True),
        (normal(rng, "f32", 9, 20), normal(rng, "f32", 33, 20), normal(rng, "f32", 33)),
    ),
    "norm": lambda rng: (norm_text((4, 33), "f32", False, False), (normal(rng, "f32", 4, 33),)),
    "mean": lambda rng: (mean_text(2, 9, 5, "f64"), (normal(rng, "f64", 2, 9, 5),)),
    "complex": lambda rng: (
        filter_text(
            2,
            12,
            5,
            "complex<f32>",
            [("w", ("bin", "channel"), "complex<f32>")],
            "    %a = complex.mul %bin, %w : COMPLEX",
        ),
        (normal(rng, "complex<f32>", 2, 12, 5), normal(rng, "complex<f32>", 12, 5)),
    ),
}


@pytest.mark.parametrize("fuse", [True, False])
@pytest.mark.parametrize("name", CASES)
def test_levels(rng, name, fuse):
    text, arrays = CASES[name](rng)
    kernel = compile(text, fuse)
    expected = run(kernel, *arrays)
    for level in ("mixer", "network", "schedule", "affine"):
        printed = kernel.ir(level)
        again = again_at(printed, level, fuse)
        assert [v[1:] for v in again.inputs] == [v[1:] for v in kernel.inputs], level
        assert run(again, *arrays).tobytes() == expected.tobytes(), level
        # Maps of a GPU's indices are simplified once more as they are read.
        assert on_gpu() or again.ir(level) == printed, level


@pytest.mark.parametrize("name", ["fftnet", "linear", "norm"])
def test_levels_of_a_gpu(rng, name):
    text, arrays = CASES[name](rng)
    kernel = compile(text, plan="sm_90a")
    expected = run(kernel, *arrays)
    for level in ("mixer", "network", "schedule", "affine"):
        again = again_at(kernel.ir(level), level, plan="sm_90a")
        assert run(again, *arrays).tobytes() == expected.tobytes(), level


def test_levels_of_what_a_library_transforms(rng):
    """A transform of 12 tokens reads its input, which nothing may write to; the inverse works in a copy."""
    kernel = compile(
        """func.func @f(%x: tensor<?x12x8xf32>, %g: tensor<?x7x8xcomplex<f32>>) -> (tensor<?x7x8xcomplex<f32>>, tensor<?x12x8xf32>) {
  %f = bfly.fft %x : tensor<?x12x8xf32> -> tensor<?x7x8xcomplex<f32>>
  %y = bfly.ifft %g : tensor<?x7x8xcomplex<f32>> -> tensor<?x12x8xf32>
  return %f, %y : tensor<?x7x8xcomplex<f32>>, tensor<?x12x8xf32>
}""",
        plan="sm_90a",
    )
    x, g = normal(rng, "f32", 3, 12, 8), normal(rng, "complex<f32>", 3, 7, 8)
    assert kernel.ir("affine").count("bfly.library_transform") == 2
    spectrum, back = run(kernel, x, g)
    np.testing.assert_allclose(spectrum, np.fft.rfft(x, axis=1), atol=1e-5)
    np.testing.assert_allclose(back, np.fft.irfft(g, n=12, axis=1), atol=1e-5)
    for level in ("network", "schedule", "affine"):
        again = run(again_at(kernel.ir(level), level, plan="sm_90a"), x, g)
        assert again[0].tobytes() == spectrum.tobytes() and again[1].tobytes() == back.tobytes(), level


def test_levels_of_windows_of_a_dynamic_batch(rng):
    """Sizes of views are proved or checked: 2 n sequences of 4 tokens are n of 8."""
    kernel = compile(windows_text())
    x = normal(rng, "f32", 3, 8, 4)
    expected = run(kernel, x)
    assert "memref.expand_shape" in kernel.ir("affine")
    for level in ("mixer", "network", "schedule", "affine"):
        again = run(again_at(kernel.ir(level), level), x)
        assert [array.tobytes() for array in again] == [array.tobytes() for array in expected], level


def test_layer_levels_keep_parameters(rng):
    kernel = compile(layer_text(2, 20, 8, 8, "f32"))
    parameters = {name: normal(rng, "f32", *shape) for name, shape in layer_parameters(8, 8).items()}
    x = normal(rng, "f32", 2, 20, 8)
    expected = run(kernel, x, parameters=parameters)
    for level in ("mixer", "network", "schedule", "affine"):
        again = again_at(kernel.ir(level), level)
        assert [value.name for value in again.parameters] == list(parameters), level
        assert run(again, x, parameters=parameters).tobytes() == expected.tobytes(), level


def test_a_dynamic_batch_at_every_level(rng):
    text, arrays = fftnet_text(None, 16, 8, 8, "f32"), fftnet_problem(rng, 5, 16, 8, 8, "f32")
    kernel = compile(text)
    for level in ("mixer", "network", "schedule", "affine"):
        again = again_at(kernel.ir(level), level)
        assert again.inputs[0].shape == (None, 16, 8)
        assert run(again, *arrays).tobytes() == kernel(*arrays).tobytes(), level


def test_each_mixer_is_one_kernel_and_op_by_op_it_is_many():
    for text in (fftnet_text(2, 64, 32, 16, "f32"), attention_text(2, 64, 32, 4, (6, 32, 32), "f32")):
        kernel = compile(text)
        assert kernel.ir("schedule").count("bfly.kernel ") == 1
        if on_gpu():
            assert kernel.ir("gpu").count("gpu.func ") == kernel.ir("gpu").count("gpu.launch_func ") == 1
    assert compile(attention_text(2, 64, 32, 4, (6, 32, 32), "f32"), False).ir("schedule").count("bfly.kernel ") >= 6


def test_llvm_is_printed(rng):
    kernel = compile(norm_text((4, 33), "f32", False, False))
    assert "llvm.func @norm" in kernel.ir("llvm")
    if on_gpu():
        assert "gpu.func @" in kernel.ir("gpu") and "gpu.binary @" in kernel.ir("binary")
    else:
        with pytest.raises(bfly.BflyError, match="level"):
            kernel.ir("gpu")
    assert np.isfinite(run(kernel, normal(rng, "f32", 4, 33))).all()
