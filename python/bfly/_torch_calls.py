# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Calls on a GPU all of whose arrays are torch's: the same as any call, in a fraction of the host's time.

Many a kernel runs for less time than it takes Python to look at eight arrays with care. Here what the C API is told of
an array is kept from call to call, and a call only checks that the arrays are what they were and puts in their
addresses. Whatever is out of the ordinary is left to the way for all arrays, whose messages say what is wrong."""

import ctypes
import sys
import threading

from . import _arrays, _library
from ._library import failure, library
from ._result_shapes import result_shapes

# More sets of sizes than this are not remembered.
_MAX_SHAPES = 1024


class TorchCalls:
    """The calls of one kernel on CUDA device `number`; `infos` are its inputs, parameters and results, each a list of
    (name, shape with -1 for dynamic sizes, dtype, is a number)."""

    def __init__(self, handle, infos, number):
        self._handle, self._infos, self._number = handle, infos, number
        self._names = [info[0] for info in infos[1]]
        values = [info for kind in infos for info in kind]
        # With no array there is nothing that says whose results are wanted.
        self._possible = bool(infos[0] or infos[1]) and not any(is_number for *_, is_number in values)
        self._local = threading.local()  # the arrays that are told to the C API: a set for each thread
        self._shapes = {}  # the results' shapes for the dynamic sizes of inputs and parameters

    def run(self, arrays, parameters, out, stream):
        """What the call gives, or None: nothing was done, and the call is one for the other way."""
        torch = sys.modules.get("torch")
        if torch is None or not self._possible:
            return None
        inputs, needed, results = self._infos
        weights = ()
        if needed:
            if type(parameters) is not dict or len(parameters) != len(needed):
                return None
            try:
                weights = [parameters[name] for name in self._names]
            except KeyError:
                return None
        elif parameters:
            return None
        if len(arrays) != len(inputs):
            return None
        try:
            current = torch._C._cuda_getCurrentRawStream(self._number)
        except AttributeError:
            return None
        if stream is not None and stream != current:
            return None
        told = getattr(self._local, "told", None)
        if told is None:
            told = self._local.told = [_Told(torch, values, self._number) for values in self._infos]
        sizes, others = told[0].put(arrays, torch.Tensor), told[1].put(weights, torch.Tensor)
        if sizes is None or others is None:
            return None
        shapes = self._shapes.get((sizes, others))
        if shapes is None:
            shapes = result_shapes(self._handle, self._infos, told[0].array, told[1].array)
            if len(self._shapes) >= _MAX_SHAPES:
                self._shapes.clear()
            self._shapes[sizes, others] = shapes
        made = out
        if out is None:
            made = [
                torch.empty(shape, dtype=kind, device=f"cuda:{self._number}")
                for shape, kind in zip(shapes, told[2].kinds)
            ]
        elif not isinstance(out, (tuple, list)):
            made = (out,)
        if len(made) != len(results) or told[2].put(made, torch.Tensor) is None:
            return None
        if library().bfly_kernel_run(
            self._handle, told[0].array, len(inputs), told[1].array, len(needed), told[2].array, len(results), current
        ):
            raise failure()
        if out is not None:
            return out
        return made[0] if len(made) == 1 else tuple(made)


class _Told:
    """The C API's array of arrays of one kind, filled in but for the addresses and the dynamic sizes."""

    def __init__(self, torch, infos, number):
        self.array = (_library.Array * max(len(infos), 1))()
        self.kinds = [getattr(torch, _arrays.torch_name(dtype)) for _, _, dtype, _ in infos]
        self._number = number
        self._entries = []
        for entry, kind, (_, shape, dtype, _) in zip(self.array, self.kinds, infos):
            sizes = (ctypes.c_int64 * max(len(shape), 1))(*shape)
            entry.shape = ctypes.cast(sizes, ctypes.POINTER(ctypes.c_int64))
            entry.rank, entry.dtype = len(shape), dtype
            entry.device_type, entry.device_id = _library.CUDA, number
            dynamic = [dim for dim, size in enumerate(shape) if size < 0]
            self._entries.append((entry, sizes, tuple(shape), kind, dynamic, "complex" in _arrays.TYPE_NAMES[dtype]))

    def put(self, tensors, Tensor):
        """Takes the tensors' addresses. Gives their dynamic sizes, or None if a tensor is not one that can be taken
        without another look."""
        found, number = [], self._number
        for (entry, sizes, shape, kind, dynamic, is_complex), tensor in zip(self._entries, tensors):
            if (
                type(tensor) is not Tensor
                or tensor.dtype is not kind
                or tensor.get_device() != number
                or tensor.requires_grad
                or tensor.is_neg()
                or (is_complex and tensor.is_conj())
                or not tensor.is_contiguous()
            ):
                return None
            actual = tensor.shape
            if dynamic:
                if len(actual) != len(shape) or any(b not in (-1, a) for a, b in zip(actual, shape)):
                    return None
                for dim in dynamic:
                    sizes[dim] = actual[dim]
                    found.append(actual[dim])
                if 0 in actual:
                    return None
            elif actual != shape:
                return None
            entry.data = tensor.data_ptr()
        return tuple(found)
