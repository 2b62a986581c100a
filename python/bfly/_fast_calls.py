# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Calls all of whose arrays are of one library and as the kernel wants them: the same as any call, in a fraction of the
host's time.

Many a kernel runs for less time than it takes Python to look at eight arrays with care. Here what the C API is told of
an array is kept from call to call, and a call only checks that the arrays are what they were and puts in their
addresses. Whatever is out of the ordinary is left to the way for all arrays, whose messages say what is wrong."""

import ctypes
import threading

from . import _library
from ._library import failure, library
from ._result_shapes import result_shapes

# More sets of sizes than this are not remembered.
_MAX_SHAPES = 1024


class FastCalls:
    """The calls of one kernel; `infos` are its inputs, parameters and results, each a list of (name, shape with -1 for
    dynamic sizes, dtype, is a number). For subclasses, which know a library's arrays."""

    def __init__(self, handle, infos):
        self._handle, self._infos = handle, infos
        self._names = [info[0] for info in infos[1]]
        # Numbers are looked at one by one.
        self._possible = not any(is_number for kind in infos for *_, is_number in kind)
        self._local = threading.local()  # the arrays that are told to the C API: a set for each thread
        self._shapes = {}  # the results' shapes for the dynamic sizes of inputs and parameters

    def _weights(self, parameters):
        """The parameters in the kernel's order; None if they are no dictionary of them and nothing else."""
        if not self._names:
            return None if parameters else ()
        if type(parameters) is not dict or len(parameters) != len(self._names):
            return None
        try:
            return [parameters[name] for name in self._names]
        except KeyError:
            return None

    def _told(self, kind):
        """What this thread tells of inputs, parameters and results: a `kind`, made of their infos, for each."""
        told = getattr(self._local, "told", None)
        if told is None:
            told = self._local.told = [kind(values) for values in self._infos]
        return told

    def _result_shapes(self, told, sizes):
        shapes = self._shapes.get(sizes)
        if shapes is None:
            shapes = result_shapes(self._handle, self._infos, told[0].array, told[1].array)
            if len(self._shapes) >= _MAX_SHAPES:
                self._shapes.clear()
            self._shapes[sizes] = shapes
        return shapes

    def _call(self, told, stream):
        inputs, parameters, results = told
        if library().bfly_kernel_run(
            self._handle,
            inputs.array,
            len(inputs.entries),
            parameters.array,
            len(parameters.entries),
            results.array,
            len(results.entries),
            stream,
        ):
            raise failure()


class Told:
    """The C API's array of arrays of one kind, filled in but for the addresses and the dynamic sizes. `kinds` are the
    library's dtypes, `entries` tuples of an entry of `array`, its sizes, its shape, its dtype and its dynamic dimensions."""

    def __init__(self, infos, kinds, device_type, device_id):
        self.array = (_library.Array * max(len(infos), 1))()
        self.kinds, self.entries = kinds, []
        for entry, kind, (_, shape, dtype, _) in zip(self.array, kinds, infos):
            sizes = (ctypes.c_int64 * max(len(shape), 1))(*shape)
            entry.shape = ctypes.cast(sizes, ctypes.POINTER(ctypes.c_int64))
            entry.rank, entry.dtype = len(shape), dtype
            entry.device_type, entry.device_id = device_type, device_id
            dynamic = [dim for dim, size in enumerate(shape) if size < 0]
            self.entries.append((entry, sizes, tuple(shape), kind, dynamic))


def put_sizes(actual, sizes, shape, dynamic, found):
    """Takes an array's sizes, and adds the dynamic ones to `found`. False if they do not fit, or there are no elements."""
    if len(actual) != len(shape) or 0 in actual or any(b not in (-1, a) for a, b in zip(actual, shape)):
        return False
    for dim in dynamic:
        sizes[dim] = actual[dim]
        found.append(actual[dim])
    return True
