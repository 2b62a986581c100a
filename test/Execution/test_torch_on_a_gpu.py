# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Tensors of torch that stay on the GPU: streams, no waiting, and what is refused; collected where both are there."""

import os
import time
from pathlib import Path

import numpy as np
import pytest
from gpu_alone import HEADS, D, N, device, kernel  # noqa: F401
from programs import attention_text, butterfly_problem, check_butterfly, filter_text, mean_text, normal

import bfly

torch = pytest.importorskip("torch")
if not torch.cuda.is_available():
    pytest.skip("torch has no GPU", allow_module_level=True)

SANITIZED = "BFLY_TEST_SANITIZED" in os.environ


def problem(rng, batch=3):
    arrays = butterfly_problem(rng, batch, N, D, HEADS, "dense", False, "f32")
    return arrays, [torch.from_numpy(array).cuda() for array in arrays]


def check(out, arrays):
    check_butterfly(out.cpu().numpy(), arrays, HEADS, "dense", "f32")


def test_results_stay_on_the_gpu(rng, kernel):
    arrays, tensors = problem(rng)
    out = kernel(*tensors)
    assert out.is_cuda and out.shape == tensors[0].shape
    check(out, arrays)
    given = torch.full_like(tensors[0], float("nan"))
    assert kernel(*tensors, out=given) is given
    assert torch.equal(given, out)


def test_the_page_s_example(monkeypatch):
    """The Python of docs/gpu.md."""
    root = Path(__file__).resolve().parents[2]
    page = (root / "docs" / "gpu.md").read_text(encoding="utf-8")
    monkeypatch.chdir(root)
    names = {}
    exec(page.split("```python\n", 1)[1].split("```", 1)[0], names)
    assert isinstance(names["y"], np.ndarray) and names["y"].shape == (3, 4, 32)


def test_arrays_of_both_places(rng, kernel):
    arrays, tensors = problem(rng)
    check(kernel(tensors[0], *arrays[1:]), arrays)
    assert isinstance(kernel(arrays[0], *tensors[1:]), np.ndarray)


def test_runs_on_the_stream_of_the_caller(rng, kernel):
    arrays, tensors = problem(rng)
    side = torch.cuda.Stream()
    late = torch.zeros_like(tensors[0])
    torch.cuda.synchronize()
    with torch.cuda.stream(side):
        torch.cuda._sleep(20_000_000)  # the input is not there yet
        late.copy_(tensors[0])
        out = kernel(late, *tensors[1:])
    side.synchronize()
    check(out, arrays)
    late.zero_()
    torch.cuda.synchronize()
    with torch.cuda.stream(side):
        torch.cuda._sleep(20_000_000)
        late.copy_(tensors[0])
    out = torch.empty_like(late)
    kernel(late, *tensors[1:], out=out, stream=side)
    side.synchronize()
    check(out, arrays)


@pytest.mark.skipif(SANITIZED, reason="a sanitizer waits for each kernel")
def test_does_not_wait(rng, kernel):
    _, tensors = problem(rng)
    out = kernel(*tensors)
    torch.cuda.synchronize()
    event = torch.cuda.Event()
    torch.cuda._sleep(1_000_000_000)  # half a second
    start = time.perf_counter()
    kernel(*tensors, out=out)
    spent = time.perf_counter() - start
    event.record()
    assert not event.query() and spent < 0.2
    torch.cuda.synchronize()


def test_many_calls_in_a_row(rng, kernel):
    arrays, tensors = problem(rng)
    outs = [kernel(*tensors) for _ in range(50)]
    check(outs[0], arrays)
    assert all(torch.equal(out, outs[0]) for out in outs)


@pytest.mark.skipif(SANITIZED, reason="a call of the driver fails here, which memcheck reports")
def test_too_little_memory(rng, kernel):
    """What the kernel needs besides its arrays is no longer there; then it goes on."""
    arrays, tensors = problem(rng)
    _, total = torch.cuda.mem_get_info()
    batch = int(0.35 * total) // (4 * N * D)
    x, out = (torch.empty(batch, N, D, device="cuda") for _ in range(2))
    try:
        with pytest.raises(bfly.BflyError, match=r"out of GPU memory: another .* are needed, but .* are free"):
            kernel(x, *tensors[1:], out=out)
    finally:
        del x, out
        torch.cuda.empty_cache()
    check(kernel(*tensors), arrays)


@pytest.mark.skipif(SANITIZED, reason="takes hours under a sanitizer")
@pytest.mark.parametrize("mixer", ["dense", "per_head", "filter"])
def test_more_elements_than_32_bits_count(mixer):
    """The last sequences of a batch are what they are alone, to the bit."""
    batch = (1 << 32) // (N * D) + 3
    if mixer == "filter":
        text, weights = filter_text(None, N, D, "bf16", [], "    %a = complex.mul %bin, %bin : COMPLEX"), []
    else:
        shape = (6, D, D) if mixer == "dense" else (6, HEADS, D // HEADS, D // HEADS)
        text = attention_text(None, N, D, HEADS, shape, "bf16")
        weights = [torch.randn(shape, device="cuda").bfloat16() for _ in range(2)]
    kernel = bfly.compile(text, device="cuda")
    x = torch.randn(batch, N, D, device="cuda", dtype=torch.bfloat16)
    out = torch.full_like(x, float("nan"))
    kernel(x, *weights, out=out)
    for start in (0, batch // 2, batch - 5):
        part = slice(start, start + 5)
        assert torch.equal(out[part], kernel(x[part].clone(), *weights))
    assert not out.isnan().any()


def test_conjugated_lazily(rng):
    """A tensor whose memory is not what it stands for is refused, not read as it lies."""
    kernel = bfly.compile(
        filter_text(1, 4, 8, "complex<f32>", [], "    %a = complex.neg %bin : COMPLEX"), device="cuda"
    )
    x = torch.from_numpy(normal(rng, "complex<f32>", 1, 4, 8)).cuda()
    torch.testing.assert_close(kernel(x), -x)
    with pytest.raises(bfly.BflyError, match=r"^input 0: .*conj"):
        kernel(x.conj())
    torch.testing.assert_close(kernel(x.conj().resolve_conj()), -x.conj())


def test_what_is_refused(rng, kernel):
    arrays, (x, wq, wk) = problem(rng)
    with pytest.raises(bfly.BflyError, match=r"^input 0: not contiguous in row-major order"):
        kernel(x.transpose(1, 2).contiguous().transpose(1, 2), wq, wk)
    shifted = torch.empty(x.numel() + 1, device="cuda")[1:].view(x.shape)
    with pytest.raises(bfly.BflyError, match=r"^input 0 begins at an address that is no multiple of 16 bytes"):
        kernel(shifted, wq, wk)
    with pytest.raises(bfly.BflyError, match=r"^result 0 begins at an address that is no multiple of 16 bytes"):
        kernel(x, wq, wk, out=shifted)
    with pytest.raises(bfly.BflyError, match=r"^input 0: dtype f64, expected f32"):
        kernel(x.double(), wq, wk)
    with pytest.raises(bfly.BflyError, match=r"overlaps"):
        kernel(x, wq, wk, out=x)
    with pytest.raises(bfly.BflyError, match=r"^stream: "):
        kernel(x, wq, wk, stream="side")
    on_cpu = bfly.compile(mean_text(1, 4, 4, "f32"))
    with pytest.raises(bfly.BflyError, match=r"^input 0: on cuda:0, but the kernel runs on cpu"):
        on_cpu(torch.zeros(1, 4, 4, device="cuda"))
    # And nothing of it was held against it.
    check(kernel(x, wq, wk), arrays)


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="one GPU")
def test_two_gpus(rng, kernel):
    arrays, tensors = problem(rng)
    with pytest.raises(bfly.BflyError, match=r"^input 0: on cuda:1, but the kernel runs on cuda"):
        kernel(*(tensor.to("cuda:1") for tensor in tensors))
    with pytest.raises(bfly.BflyError, match=r"the stream is not one of cuda:0"):
        kernel(*tensors, stream=torch.cuda.Stream("cuda:1"))
    second = bfly.compile(attention_text(None, N, D, HEADS, (6, D, D), "f32"), device="cuda:1")
    there = [tensor.to("cuda:1") for tensor in tensors]
    out = second(*there)
    assert out.device == there[0].device
    check(out, arrays)
    # Where x is, whatever torch's current device is; with a weight of the host, which is copied there.
    check(bfly.butterfly_attention(*there, heads=HEADS), arrays)
    check(second(there[0], arrays[1], there[2]), arrays)
    with pytest.raises(bfly.BflyError, match=r"^wk: on cuda:0, but the kernel runs on cuda:1"):
        bfly.butterfly_attention(*there[:2], tensors[2], heads=HEADS)
    check(kernel(*tensors), arrays)
