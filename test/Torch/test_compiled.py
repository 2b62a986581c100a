# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""torch.compile, torch.export, AOTInductor, graphs of CUDA: the operators in what torch makes of Python."""

import shutil

import plain
import pytest
import torch
from torch import nn
from torch._dynamo.testing import CompileCounterWithBackend

from bfly.torch import FFTInspiredAttention, FFTNetLayer, spectral_filter


def gradients(model, x):
    y = model(x)
    return y, torch.autograd.grad(y.square().sum(), [x, *model.parameters()])


def near(ours, theirs):
    for one, other in zip(ours, theirs):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("backend", ["aot_eager", "inductor"])
def test_compile(device, backend):
    """One graph, forward and backward."""
    if backend == "inductor" and device == "cpu" and not shutil.which("g++"):
        pytest.skip("no C++ compiler")
    torch.compiler.reset()
    model = nn.Sequential(FFTNetLayer(4, 5), FFTInspiredAttention(4, 2, 2, max_tokens=4)).to(device)
    if backend == "inductor":
        model = model[0]  # of which it compiles enough
    x = torch.randn(2, 3, 4, device=device, requires_grad=True)
    expected = gradients(model, x)
    y, g = gradients(torch.compile(model, fullgraph=True, backend=backend), x)
    near((y, *g), (expected[0], *expected[1]))


def test_compile_of_other_sizes(device):
    """Symbols for the sizes: Dynamo's one graph serves all."""
    torch.compiler.reset()
    counter = CompileCounterWithBackend("eager")
    model = FFTNetLayer(4, 5).to(device)
    compiled = torch.compile(model, fullgraph=True, dynamic=True, backend=counter)
    for batch, n in ((2, 7), (3, 6), (5, 8)):
        x = torch.randn(batch, n, 4, device=device)
        near([compiled(x)], [model(x)])
    assert counter.frame_count == 1


def test_compile_under_autocast(device):
    torch.compiler.reset()
    model = nn.Sequential(FFTNetLayer(4, 5), FFTInspiredAttention(4, 2, 2, max_tokens=4)).to(device)
    x = torch.randn(2, 3, 4, device=device)
    with torch.autocast(device, torch.bfloat16):
        y, expected = torch.compile(model, fullgraph=True, backend="aot_eager")(x), model(x)
    assert y.dtype == expected.dtype == torch.bfloat16
    torch.testing.assert_close(y, expected, rtol=2e-2, atol=2e-2)


def exported(device, dynamic=None):
    model = FFTNetLayer(4, 5).to(device).eval()
    x = torch.randn(2, 4, 4, device=device)
    return model, torch.export.export(model, (x,), dynamic_shapes=dynamic)


def test_export(device, tmp_path):
    """An exported program says what it calls by name, and is the same where it is loaded."""
    model, program = exported(device, ({0: torch.export.Dim("batch")},))
    assert any(node.target is torch.ops.bfly.spectral_filter.default for node in program.graph.nodes)
    torch.export.save(program, tmp_path / "layer.pt2")
    loaded = torch.export.load(tmp_path / "layer.pt2").module()
    for batch in (2, 3):
        x = torch.randn(batch, 4, 4, device=device)
        near([loaded(x)], [model(x)])


def test_aot_inductor(device, tmp_path):
    if not shutil.which("g++"):
        pytest.skip("no C++ compiler")
    model, program = exported(device)
    path = torch._inductor.aoti_compile_and_package(program, package_path=str(tmp_path / "layer.pt2"))
    x = torch.randn(2, 4, 4, device=device)
    near([torch._inductor.aoti_load_package(path)(x)], [model(x)])


def test_graph_of_cuda(device):
    """A call and its gradients are captured and replayed."""
    if device != "cuda":
        pytest.skip("a GPU's")
    arguments = plain.filter_arguments(2, 8, 4, device=device, grad=True)
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        torch.autograd.grad(spectral_filter(*arguments).square().sum(), arguments)
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        y = spectral_filter(*arguments)
        g = torch.autograd.grad(y.square().sum(), arguments)
    with torch.no_grad():
        for value in arguments:
            value.copy_(torch.randn_like(value))
    graph.replay()
    torch.cuda.synchronize()
    expected = spectral_filter(*arguments)
    near((y, *g), (expected, *torch.autograd.grad(expected.square().sum(), arguments)))
