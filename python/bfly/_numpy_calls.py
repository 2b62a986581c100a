# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Calls on a CPU all of whose arrays are NumPy's, in a fraction of the host's time: see `_fast_calls`."""

import ctypes

import numpy as np

from . import _arrays, _library
from ._fast_calls import FastCalls, Told, put_sizes


class NumpyCalls(FastCalls):
    """The calls of one kernel on the CPU."""

    def __init__(self, handle, infos):
        super().__init__(handle, infos)
        # NumPy has no such numbers of its own.
        self._possible &= not any(dtype == _arrays.BF16 for kind in infos for _, _, dtype, _ in kind)

    def run(self, arrays, parameters, out, stream):
        """What the call gives, or None: nothing was done, and the call is one for the other way."""
        if stream is not None or not self._possible or len(arrays) != len(self._infos[0]):
            return None
        weights = self._weights(parameters)
        if weights is None:
            return None
        told = self._told(_Told)
        inputs, others, results = told
        sizes, other_sizes = inputs.put(arrays), others.put(weights)
        if sizes is None or other_sizes is None:
            return None
        shapes = self._result_shapes(told, (sizes, other_sizes))
        if out is not None:
            made = out if isinstance(out, (tuple, list)) else (out,)
            if len(made) != len(shapes) or results.put(made, writable=True) is None:
                return None
            if any(array.shape != shape for array, shape in zip(made, shapes)):
                return None
            self._call(told, None)
            return out
        made = []
        for shape, (entry, entry_sizes, _, kind, dynamic) in zip(shapes, results.entries):
            array, entry.data = _arrays.allocate(shape, kind)
            for dim in dynamic:
                entry_sizes[dim] = shape[dim]
            made.append(array)
        self._call(told, None)
        return made[0] if len(made) == 1 else tuple(made)


class _Interface(ctypes.Structure):
    """NumPy's PyArrayInterface, the quickest way to all that a call asks of an array."""

    _fields_ = [
        ("two", ctypes.c_int),
        ("nd", ctypes.c_int),
        ("typekind", ctypes.c_char),
        ("itemsize", ctypes.c_int),
        ("flags", ctypes.c_int),
        ("shape", ctypes.c_void_p),
        ("strides", ctypes.c_void_p),
        ("data", ctypes.c_void_p),
    ]


# Row-major, aligned and in the machine's byte order; and writable.
_AS_IT_LIES, _WRITABLE = 0x301, 0x400


class _Told(Told):
    def __init__(self, infos):
        kinds = [_arrays.numpy_dtype(dtype) for _, _, dtype, _ in infos]
        super().__init__(infos, kinds, _library.CPU, 0)

    def put(self, arrays, writable=False):
        """Takes the arrays' addresses. Gives their dynamic sizes, or None if an array is not one that can be taken without
        another look."""
        found = []
        wanted = _AS_IT_LIES | _WRITABLE if writable else _AS_IT_LIES
        for (entry, sizes, shape, kind, dynamic), array in zip(self.entries, arrays):
            if type(array) is not np.ndarray or array.dtype != kind:
                return None
            # What it points to goes with the capsule.
            capsule = array.__array_struct__
            interface = _Interface.from_address(_arrays.capsule_pointer(capsule, None))
            if interface.flags & wanted != wanted:
                return None
            actual = array.shape
            if (dynamic or actual != shape or 0 in actual) and not put_sizes(actual, sizes, shape, dynamic, found):
                return None
            entry.data = interface.data
        return tuple(found)
