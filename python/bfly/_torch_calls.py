# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Calls on a GPU all of whose arrays are torch's, in a fraction of the host's time: see `_fast_calls`."""

import sys

from . import _arrays, _library
from ._fast_calls import FastCalls, Told, put_sizes


class TorchCalls(FastCalls):
    """The calls of one kernel on CUDA device `number`."""

    def __init__(self, handle, infos, number):
        super().__init__(handle, infos)
        self._number = number
        # With no array there is nothing that says whose results are wanted.
        self._possible &= bool(infos[0] or infos[1])

    def run(self, arrays, parameters, out, stream):
        """What the call gives, or None: nothing was done, and the call is one for the other way."""
        torch = sys.modules.get("torch")
        if torch is None or not self._possible or len(arrays) != len(self._infos[0]):
            return None
        weights = self._weights(parameters)
        if weights is None:
            return None
        try:
            current = torch._C._cuda_getCurrentRawStream(self._number)
        except AttributeError:
            return None
        if stream is not None and stream != current:
            return None
        told = self._told(lambda infos: _Told(torch, infos, self._number))
        inputs, others, results = told
        sizes, other_sizes = inputs.put(arrays, torch.Tensor), others.put(weights, torch.Tensor)
        if sizes is None or other_sizes is None:
            return None
        shapes = self._result_shapes(told, (sizes, other_sizes))
        made = out
        if out is None:
            made = [
                torch.empty(shape, dtype=kind, device=f"cuda:{self._number}")
                for shape, kind in zip(shapes, results.kinds)
            ]
        elif not isinstance(out, (tuple, list)):
            made = (out,)
        if len(made) != len(results.entries) or results.put(made, torch.Tensor) is None:
            return None
        self._call(told, current)
        if out is not None:
            return out
        return made[0] if len(made) == 1 else tuple(made)


class _Told(Told):
    def __init__(self, torch, infos, number):
        kinds = [getattr(torch, _arrays.torch_name(dtype)) for _, _, dtype, _ in infos]
        super().__init__(infos, kinds, _library.CUDA, number)
        self._number = number
        self._complex = ["complex" in _arrays.TYPE_NAMES[dtype] for _, _, dtype, _ in infos]

    def put(self, tensors, Tensor):
        """Takes the tensors' addresses. Gives their dynamic sizes, or None if a tensor is not one that can be taken
        without another look."""
        found, number = [], self._number
        for (entry, sizes, shape, kind, dynamic), is_complex, tensor in zip(self.entries, self._complex, tensors):
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
            if (dynamic or actual != shape) and not put_sizes(actual, sizes, shape, dynamic, found):
                return None
            entry.data = tensor.data_ptr()
        return tuple(found)
