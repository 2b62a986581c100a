# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Calls that torch captures into CUDA graphs, and calls on several streams at once."""

import threading

import pytest
from gpu_alone import HEADS, D, N, device, kernel  # noqa: F401
from programs import attention_text, filter_text

import bfly

torch = pytest.importorskip("torch")
if not torch.cuda.is_available():
    pytest.skip("torch has no GPU", allow_module_level=True)

SQUARE = "    %a = complex.mul %bin, %bin : COMPLEX"


def attention(dtype, n=256, d=128):
    """Text and arguments of a kernel whose blocks wait for each other, with a temporary in memory."""
    shape = (n.bit_length() - 1, d, d)
    kind = {"f32": torch.float32, "bf16": torch.bfloat16}[dtype]
    weights = [(torch.randn(shape, device="cuda") / d**0.5).to(kind) for _ in range(2)]
    return attention_text(None, n, d, HEADS, shape, dtype), [torch.randn(3, n, d, device="cuda").to(kind), *weights]


def spectral(n, d=32):
    return filter_text(None, n, d, "f32", [], SQUARE), [torch.randn(3, n, d, device="cuda")]


# A filter in shared memory, one that goes through memory, and one by cuFFT.
PROGRAMS = {
    "attention-f32": lambda: attention("f32"),
    "attention-bf16": lambda: attention("bf16"),
    "filter": lambda: spectral(512),
    "long-filter": lambda: spectral(32768, 8),
    "library": lambda: spectral(500),
}


def capture(call, stream=None):
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, stream=stream):
        out = call()
    return graph, out


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_first_call_is_captured(program):
    """Nothing was warmed up: what is made when it is first needed is made in the capture."""
    text, (x, *weights) = PROGRAMS[program]()
    kernel = bfly.compile(text, device="cuda")
    graph, out = capture(lambda: kernel(x, *weights))
    for _ in range(3):
        x.copy_(torch.randn_like(x))
        out.fill_(float("nan"))
        graph.replay()
        assert torch.equal(out, kernel(x, *weights))


def test_graphs_at_once():
    """Three graphs of one kernel, captured on one stream, and calls beside them, all at once on streams of their own."""
    text, (x, *weights) = attention("bf16")
    kernel = bfly.compile(text, device="cuda")
    inputs = [torch.randn_like(x) for _ in range(4)]
    expected = [kernel(one, *weights) for one in inputs]
    graphs = [capture(lambda one=one: kernel(kernel(one, *weights), *weights)) for one in inputs[:3]]
    twice = [kernel(one, *weights) for one in expected]
    torch.cuda.synchronize()
    streams = [torch.cuda.Stream() for _ in range(4)]
    for _ in range(20):
        for (graph, out), stream in zip(graphs, streams):
            with torch.cuda.stream(stream):
                out.fill_(float("nan"))
                graph.replay()
        with torch.cuda.stream(streams[3]):
            eager = kernel(inputs[3], *weights)
        torch.cuda.synchronize()
        assert all(torch.equal(out, want) for (_, out), want in zip(graphs, twice))
        assert torch.equal(eager, expected[3])


def test_branches_of_a_graph():
    text, (x, *weights) = attention("bf16")
    kernel = bfly.compile(text, device="cuda")
    other = torch.randn_like(x)
    expected = kernel(x, *weights), kernel(other, *weights)

    def branches():
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            second = kernel(other, *weights)
        first = kernel(x, *weights)
        torch.cuda.current_stream().wait_stream(side)
        return first, second

    graph, outs = capture(branches)
    for _ in range(20):
        for out in outs:
            out.fill_(float("nan"))
        graph.replay()
        torch.cuda.synchronize()
        assert all(torch.equal(out, want) for out, want in zip(outs, expected))


def test_many_graphs_one_after_the_other(kernel):
    """What a graph had is given back: more of them than a chunk has counters."""
    x, wq, wk = torch.randn(3, N, D, device="cuda"), *torch.randn(2, 6, D, D, device="cuda").unbind()
    expected = kernel(x, wq, wk)
    for _ in range(300):
        graph, out = capture(lambda: kernel(x, wq, wk))
        graph.replay()
        torch.cuda.synchronize()
        assert torch.equal(out, expected)
        graph.reset()


def test_arrays_of_the_host_are_refused(kernel):
    x, wq, wk = torch.randn(3, N, D, device="cuda"), *torch.randn(2, 6, D, D, device="cuda").unbind()
    on_host = wq.cpu()
    with pytest.raises(bfly.BflyError, match="input 1 is in the memory of the host, and the stream is captured"):
        capture(lambda: kernel(x, on_host, wk))
    torch.cuda.synchronize()
    graph, out = capture(lambda: kernel(x, wq, wk))
    graph.replay()
    assert torch.equal(out, kernel(x, wq, wk))


def test_threads_with_streams_of_their_own():
    text, (x, *weights) = attention("f32")
    kernel = bfly.compile(text, device="cuda")
    inputs = [torch.randn_like(x) for _ in range(4)]
    expected = [kernel(one, *weights) for one in inputs]
    torch.cuda.synchronize()
    wrong = []

    def run(one, want):
        with torch.cuda.stream(torch.cuda.Stream()):
            for _ in range(50):
                if not torch.equal(kernel(one, *weights), want):
                    wrong.append(one)

    threads = [threading.Thread(target=run, args=pair) for pair in zip(inputs, expected)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
