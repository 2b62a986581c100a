# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""How arrays of a GPU reach the engine, without a GPU: a kernel for the CPU that says it is for cuda:0, and a library that
is called torch, says that its arrays are on a GPU, and has them in the memory of the host."""

import ctypes
import sys
import types

import numpy as np
import pytest

import bfly
from bfly import _arrays, _library

TEXT = """
ml_program.global private @w(#ml_program.extern<tensor<4xf32>>) : tensor<4xf32>
func.func @f(%x: tensor<2x4xf32>) -> tensor<2x4xf32> {
  %w = ml_program.global_load_const @w : tensor<4xf32>
  %e = tensor.empty() : tensor<2x4xf32>
  %b = linalg.broadcast ins(%w : tensor<4xf32>) outs(%e : tensor<2x4xf32>) dimensions = [0]
  %y = arith.addf %x, %b : tensor<2x4xf32>
  return %y : tensor<2x4xf32>
}
"""


class Tensor:
    """An array that says it is on a GPU, and notes the streams that it is asked for."""

    def __init__(self, array, number=0):
        self.array, self.number, self.streams = array, number, []

    def __dlpack_device__(self):
        return (2, self.number)

    def __dlpack__(self, stream=None, max_version=None):
        if self.number != On.of[-1]:
            raise BufferError("not of the current device")
        self.streams.append(stream)
        return self.array.__dlpack__()


# Not "torch" itself: tensors of that are asked without DLPack.
Tensor.__module__ = "torch.fake"


class On:
    """A context with a current device, which `of` lists."""

    of = [0]

    def __init__(self, number):
        self.number = number

    def __enter__(self):
        On.of.append(self.number)

    def __exit__(self, *error):
        On.of.pop()


@pytest.fixture
def torch(monkeypatch):
    """A module torch whose current stream is 77."""
    module = types.ModuleType("torch")
    module.float32 = np.float32
    module.empty = lambda shape, dtype, device: Tensor(np.empty(shape, dtype), int(device.partition(":")[2]))
    module.cuda = types.SimpleNamespace(
        current_stream=lambda number: types.SimpleNamespace(cuda_stream=77 + number), device=On
    )
    monkeypatch.setitem(sys.modules, "torch", module)
    return module


@pytest.fixture
def kernel(monkeypatch):
    """A kernel that notes in `calls` what it is run with."""
    kernel = bfly.compile(TEXT)
    kernel._number, kernel._place, kernel.device = 0, "cuda:0", "cuda:0"
    kernel._fast_calls = types.SimpleNamespace(run=lambda *arguments: None)
    kernel.calls = []

    def run(handle, inputs, num_inputs, weights, num_weights, results, num_results, stream):
        places = [(a.device_type, a.device_id) for group in (inputs, weights, results) for a in group]
        kernel.calls.append((places, stream))
        out = np.ctypeslib.as_array(ctypes.cast(results[0].data, ctypes.POINTER(ctypes.c_float)), (2, 4))
        out[...] = 5
        return 0

    monkeypatch.setattr(_library.library(), "bfly_kernel_run", run)
    return kernel


def arrays():
    return Tensor(np.ones((2, 4), np.float32)), Tensor(np.ones(4, np.float32))


def test_stays_on_the_gpu(kernel, torch):
    x, w = arrays()
    y = kernel(x, parameters={"w": w})
    assert isinstance(y, Tensor) and (y.array == 5).all()
    assert kernel.calls == [([(2, 0)] * 3, 77)]
    # The exporter orders its work before ours on the stream that we use.
    assert x.streams == [77] and w.streams == [77]


def test_fills_given_arrays(kernel, torch):
    x, w = arrays()
    out = Tensor(np.zeros((2, 4), np.float32))
    assert kernel(x, parameters={"w": w}, out=out) is out
    assert (out.array == 5).all()


@pytest.mark.parametrize(
    "stream, number",
    [
        (1234, 1234),
        (types.SimpleNamespace(cuda_stream=5), 5),
        (types.SimpleNamespace(ptr=6), 6),
        (types.SimpleNamespace(__cuda_stream__=lambda: (0, 7)), 7),
    ],
)
def test_takes_streams(kernel, torch, stream, number):
    x, w = arrays()
    kernel(x, parameters={"w": w}, stream=stream)
    assert kernel.calls[0][1] == number and x.streams == [number]


def test_default_stream_is_named_in_dlpack(kernel, torch):
    # DLPack does not allow 0, the address of the default stream.
    x, w = arrays()
    kernel(x, parameters={"w": w}, stream=0)
    assert kernel.calls[0][1] == 0 and x.streams == [1]


def test_copies_host_arrays(kernel, torch):
    x, w = arrays()
    y = kernel(x.array, parameters={"w": w.array})
    assert isinstance(y, np.ndarray) and (y == 5).all()
    assert kernel.calls == [([(1, 0)] * 3, 0)]
    # Results are where the first array is; the stream is the GPU array's.
    y = kernel(x.array, parameters={"w": w})
    assert isinstance(y, np.ndarray)
    assert kernel.calls[1] == ([(1, 0), (2, 0), (1, 0)], 77)
    y = kernel(x, parameters={"w": w.array})
    assert isinstance(y, Tensor)


class Array(Tensor):
    """cupy's."""


Array.__module__ = "cupy"


@pytest.fixture
def cupy(monkeypatch):
    """A module cupy whose current stream is 88 on whatever device is the current one; `devices` notes those."""
    module = types.ModuleType("cupy")
    module.devices = []

    class Device(On):
        def __enter__(self):
            super().__enter__()
            module.devices.append(self.number)

    module.cuda = types.SimpleNamespace(Device=Device, get_current_stream=lambda: types.SimpleNamespace(ptr=88))
    module.empty = lambda shape, dtype: Array(np.empty(shape, dtype))
    monkeypatch.setitem(sys.modules, "cupy", module)
    return module


def test_arrays_of_cupy(kernel, cupy):
    x, w = Array(np.ones((2, 4), np.float32)), Array(np.ones(4, np.float32))
    y = kernel(x, parameters={"w": w})
    assert isinstance(y, Array) and (y.array == 5).all()
    assert kernel.calls == [([(2, 0)] * 3, 88)] and x.streams == [88]
    assert cupy.devices == [0] * 5  # for the stream, the result, and as each array is exported
    out = Array(np.zeros((2, 4), np.float32))
    assert kernel(x, parameters={"w": w}, out=out) is out
    with pytest.raises(bfly.BflyError, match=r"^input 0: on cuda:1, but the kernel runs on cuda:0$"):
        kernel(Array(x.array, 1), parameters={"w": w})


def test_names_what_is_wrong(kernel, torch):
    x, w = arrays()
    with pytest.raises(bfly.BflyError, match=r"^input 0: on cuda:1, but the kernel runs on cuda:0$"):
        kernel(Tensor(x.array, 1), parameters={"w": w})
    with pytest.raises(bfly.BflyError, match=r"^parameter 'w': on cuda:2, but the kernel runs on cuda:0$"):
        kernel(x, parameters={"w": Tensor(w.array, 2)})
    with pytest.raises(bfly.BflyError, match=r"^stream: 'a', expected a CUDA stream"):
        kernel(x, parameters={"w": w}, stream="a")
    with pytest.raises(bfly.BflyError, match=r"^stream: -1, expected a CUDA stream"):
        kernel(x, parameters={"w": w}, stream=-1)
    with pytest.raises(bfly.BflyError, match=r"^input 0: not contiguous"):
        kernel(Tensor(np.ones((4, 2), np.float32).T), parameters={"w": w})

    class Other(Tensor):
        pass

    Other.__module__ = "elsewhere"
    with pytest.raises(bfly.BflyError, match=r"^out: needed for f32 results on a GPU like elsewhere\."):
        kernel(Other(x.array), parameters={"w": w})
    torch.empty = lambda *a, **k: (_ for _ in ()).throw(RuntimeError("CUDA out of memory"))
    with pytest.raises(bfly.BflyError, match=r"^no memory for a result 2x4xf32: CUDA out of memory$"):
        kernel(x, parameters={"w": w})
    assert not kernel.calls


def test_cpu_kernels_take_none_of_it(torch):
    kernel = bfly.compile(TEXT)
    x, w = arrays()
    with pytest.raises(bfly.BflyError, match=r"^input 0: on cuda:0, but the kernel runs on cpu$"):
        kernel(x, parameters={"w": w.array})
    with pytest.raises(bfly.BflyError, match=r"^stream: there are none on a CPU$"):
        kernel(x.array, parameters={"w": w.array}, stream=3)
    # Looking at an array does not touch its stream.
    assert _arrays.view(x, "x").device == (2, 0) and x.streams[-1] == -1


def test_is_available():
    assert bfly.is_available("cpu")
    with pytest.raises(bfly.BflyError, match="unknown device 'tpu'"):
        bfly.is_available("tpu")
