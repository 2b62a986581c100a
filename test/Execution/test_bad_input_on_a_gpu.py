# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What is refused on a GPU, in one message that says what and where, and that the GPU is usable afterwards; collected where
there is one. It takes NumPy alone; test_torch_on_a_gpu.py has what can be wrong with arrays of a GPU."""

import os

import numpy as np
import pytest
from gpu_alone import HEADS, D, N, device, kernel  # noqa: F401
from programs import attention_text, butterfly_problem, check_butterfly, linear_text, mean_text

import bfly


@pytest.fixture(autouse=True)
def still_works(rng, kernel):
    """After each of these tests, a kernel from before it."""
    yield
    problem = butterfly_problem(rng, 3, N, D, HEADS, "dense", False, "f32")
    check_butterfly(kernel(*problem), problem, HEADS, "dense", "f32")


def refused(pattern):
    return pytest.raises(bfly.BflyError, match=pattern)


def test_another_gpu():
    with refused(r"cuda:99"):
        bfly.compile(mean_text(1, 4, 4, "f32"), device="cuda:99")


def test_arrays(rng, kernel):
    x, wq, wk = butterfly_problem(rng, 3, N, D, HEADS, "dense", False, "f32")
    with refused(r"^input 0: dtype f64, expected f32"):
        kernel(x.astype(np.float64), wq, wk)
    with refused(r"^input 1: shape 5x32x32xf32, expected 6x32x32xf32"):
        kernel(x, wq[:5].copy(), wk)
    with refused(r"^input 0: not contiguous"):
        kernel(x[:, :, ::-1], wq, wk)
    with refused(r"2 were given"):
        kernel(x, wq)
    with refused(r"^stream: "):
        kernel(x, wq, wk, stream="side")


def test_f64_attention():
    with refused(r"<text>:2:8: error: .* f64, which runs on a CPU"):
        bfly.compile(attention_text(1, N, D, HEADS, (6, D, D), "f64"), device="cuda")


def test_a_kernel_that_does_not_fit():
    x, f = "tensor<1x4096x64xf32>", "tensor<1x2049x64xcomplex<f32>>"
    text = f"""func.func @f(%x: {x}) -> {x} {{
  %y = bfly.kernel "wide" (%a = %x) plan [#bfly.gpu_block<threads = 512>,
      #bfly.gpu_transform<columns = 8, radices = [16, 16, 16], groups = [<0 to 2 in shared>]>] : ({x}) -> {x} {{
    %f = bfly.fft %a : {x} -> {f}
    %g = bfly.spectrum_map %f tokens(4096) : {f} -> {f} {{
    ^bb0(%bin: complex<f32>, %k: index):
      %square = complex.mul %bin, %bin : complex<f32>
      bfly.yield %square : complex<f32>
    }}
    %z = bfly.ifft %g : {f} -> {x}
    bfly.yield %z : {x}
  }}
  return %y : {x}
}}"""
    with refused(r"<text>:2:8: error: 'bfly.kernel' op \"wide\" of \('tensor<1x4096x64xf32>'\) .* \(P5\) a slab takes"):
        bfly.compile(text, device="cuda")


@pytest.mark.skipif(
    "BFLY_TEST_SANITIZED" in os.environ, reason="a call of the driver fails here, which memcheck reports"
)
def test_too_little_memory():
    """What lies between two products is more than any card has."""
    wide = 1 << 20
    rows = 1 << 16
    first = linear_text([rows], 1, wide, "f32", False, False).replace("@linear", "private @first")
    second = linear_text([rows], wide, 1, "f32", False, False).replace("@linear", "private @second")
    text = f"""{first}{second}
func.func @f(%x: tensor<{rows}x1xf32>, %w: tensor<{wide}x1xf32>, %v: tensor<1x{wide}xf32>) -> tensor<{rows}x1xf32> {{
  %h = call @first(%x, %w) : (tensor<{rows}x1xf32>, tensor<{wide}x1xf32>) -> tensor<{rows}x{wide}xf32>
  %y = call @second(%h, %v) : (tensor<{rows}x{wide}xf32>, tensor<1x{wide}xf32>) -> tensor<{rows}x1xf32>
  return %y : tensor<{rows}x1xf32>
}}"""
    kernel = bfly.compile(text, device="cuda")
    arrays = [np.zeros(shape, np.float32) for shape in ((rows, 1), (wide, 1), (1, wide))]
    with refused(r"out of GPU memory: another .* are needed, but .* are free"):
        kernel(*arrays)
