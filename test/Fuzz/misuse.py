# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Wrong uses of the Python module and of the C API: an error is what every one of them may give, and nothing else.

misuse.py FIRST COUNT   as check_programs.py: lines of JSON, a seed's number before its work"""

import copy
import ctypes
import json
import pickle
import random
import sys
import threading

import numpy as np

import bfly
from bfly import _library

TEXTS = [
    """func.func @a(%x: tensor<?x8x3xf32>, %w: tensor<4x3xf32>) -> tensor<?x8x4xf32> {
  %y = bfly.linear %x, %w : tensor<?x8x3xf32>, tensor<4x3xf32> -> tensor<?x8x4xf32>
  return %y : tensor<?x8x4xf32>
}""",
    """ml_program.global private @"w"(#ml_program.extern<tensor<3xf32>>) : tensor<3xf32>
func.func @b(%x: tensor<2x8x3xf32>, %s: f32) -> (tensor<2x8x3xf32>, tensor<2x3xf32>) {
  %w = ml_program.global_load_const @"w" : tensor<3xf32>
  %t = tensor.splat %s : tensor<2x8x3xf32>
  %z = arith.mulf %x, %t : tensor<2x8x3xf32>
  %y = bfly.layer_norm %z weight(%w : tensor<3xf32>) epsilon(1.0e-5) : tensor<2x8x3xf32>
  %m = bfly.mean %y : tensor<2x8x3xf32> -> tensor<2x3xf32>
  return %y, %m : tensor<2x8x3xf32>, tensor<2x3xf32>
}""",
    """func.func @c(%x: tensor<1x5x2xcomplex<f64>>) -> tensor<1x5x2xcomplex<f64>> {
  %y = bfly.fft %x : tensor<1x5x2xcomplex<f64>> -> tensor<1x5x2xcomplex<f64>>
  return %y : tensor<1x5x2xcomplex<f64>>
}""",
]
# What an error may be. Python's own are for arguments that Python cannot pass.
EXPECTED = (bfly.BflyError, TypeError, ValueError, OverflowError, BufferError, KeyError, AttributeError, MemoryError)
NUMPY = {"f32": np.float32, "f64": np.float64, "complex<f64>": np.complex128}


class Case:
    def __init__(self, seed):
        self.rng = random.Random(seed)
        self.text = self.rng.choice(TEXTS)

    def anything(self):
        r = self.rng
        return r.choice([
            lambda: None, lambda: 0, lambda: -1, lambda: 2**40, lambda: 2**70, lambda: 1.5, lambda: "x", lambda: b"\0",
            list, dict, lambda: object(), lambda: float("nan"), lambda: True, lambda: np.float32(3),
            lambda: np.zeros(()), lambda: np.zeros((0, 8, 3), np.float32), lambda: np.zeros((2, 8, 3), object),
            lambda: np.array(["a"]), lambda: np.zeros(3, [("a", "f4")]), lambda: memoryview(b"abcd"),
        ])()  # fmt: skip

    def right(self, value):
        if value.is_scalar:
            return 0.5
        shape = tuple(self.rng.choice([0, 1, 2, 5]) if size is None else size for size in value.shape)
        return np.ones(shape, NUMPY[value.dtype])

    def spoiled(self, array):
        """An array that is wrong in one way, or right after all."""
        if not isinstance(array, np.ndarray):
            return self.anything()
        ways = [
            lambda: array.astype(self.rng.choice([np.float16, np.float64, np.int32, np.complex64, bool, ">f4"])),
            lambda: array[..., ::-1], lambda: np.asfortranarray(array), lambda: array.T, lambda: array[::2],
            lambda: array.ravel(), lambda: array[None],
            lambda: np.broadcast_to(array[:1], array.shape) if array.size else array,
            lambda: np.frombuffer(b"\1" + array.tobytes(), np.uint8)[1:].view(array.dtype).reshape(array.shape)
            if array.size else array,
            lambda: np.pad(array, [(0, 1)] * array.ndim), lambda: array.tolist(), self.anything,
            lambda: array.view(), lambda: np.ma.masked_array(array),
        ]  # fmt: skip
        return self.rng.choice(ways)()

    def call(self, kernel):
        arrays = [self.right(value) for value in kernel.inputs]
        parameters = {value.name: self.right(value) for value in kernel.parameters}
        out = None
        r = self.rng
        for _ in range(r.choice([0, 1, 1, 2])):
            way = r.randrange(7)
            if way == 0 and arrays:
                i = r.randrange(len(arrays))
                arrays[i] = self.spoiled(arrays[i])
            elif way == 1 and parameters:
                parameters["w"] = self.spoiled(parameters["w"])
            elif way == 2:
                parameters = r.choice([None, {}, [], {"v": 1}, {1: 2}, {"w": None}])
            elif way == 3:
                arrays = arrays[:-1] if r.random() < 0.5 else [*arrays, self.anything()]
            elif way == 4:
                out = r.choice([self.anything, lambda: tuple(self.right(value) for value in kernel.results)])()
            elif way == 5 and arrays and isinstance(arrays[0], np.ndarray):
                out = r.choice([lambda: arrays[0], lambda: (arrays[0], arrays[0]), lambda: arrays[0][::-1]])()
            else:
                out = tuple(self.spoiled(self.right(value)) for value in kernel.results)
        keywords = {} if r.random() < 0.95 else {"stream": self.anything()}
        return kernel(*arrays, parameters=parameters, out=out, **keywords)

    def compile(self):
        r, text = self.rng, self.text
        options = {}
        if r.random() < 0.4:
            names = ["threads", "device", "function", "name", "fuse", "scoring", "target", "emulate", "no_such"]
            values = [self.anything, lambda: "cuda:99999999999", lambda: "cpu", lambda: -1, lambda: "a b=c"]
            options[r.choice(names)] = r.choice(values)()
        if r.random() < 0.1:
            text = self.anything()
        return bfly.compile(text, **options)

    def python(self):
        kernel = self.compile()
        for _ in range(4):
            attempt(lambda: self.call(kernel))
        attempt(lambda: kernel.ir(self.rng.choice(["network", "gpu", "llvm", self.anything()])))
        attempt(lambda: kernel.report)
        copies = [copy.copy, copy.deepcopy, pickle.dumps]
        attempt(lambda: self.rng.choice([*copies, repr, hash, bool])(kernel))
        if self.rng.random() < 0.2:
            other = attempt(lambda: copy.copy(kernel))
            threads = [threading.Thread(target=lambda: attempt(lambda: self.call(kernel))) for _ in range(3)]
            for thread in threads:
                thread.start()
            del kernel, other
            for thread in threads:
                thread.join()

    # The C API

    def pointer(self, value, of):
        """A pointer, or NULL."""
        return None if self.rng.random() < 0.15 else ctypes.cast(ctypes.pointer(value), of)

    def c_arrays(self, values):
        """Arrays of a call, of which some have a wrong rank, size, type or place."""
        r = self.rng
        count = max(len(values), 1)
        arrays, keep = (_library.Array * count)(), []
        for one, value in zip(arrays, values):
            shape = [2 if size is None else size for size in value.shape]
            data = np.ones(shape or (1,), NUMPY[value.dtype])
            if r.random() < 0.2 and shape:
                shape[r.randrange(len(shape))] = r.choice([-1, 0, -(2**63), 2**62, 2**32])
            sizes = (ctypes.c_int64 * max(len(shape), 1))(*shape)
            keep += [data, sizes]
            one.data = None if r.random() < 0.1 else data.ctypes.data
            one.shape = None if r.random() < 0.1 else ctypes.cast(sizes, ctypes.POINTER(ctypes.c_int64))
            one.rank = len(shape) if r.random() < 0.9 else r.choice([-1, 0, 100, 2**31 - 1])
            one.dtype = DTYPES[value.dtype] if r.random() < 0.9 else r.choice([-1, 99, 2**31 - 1, 7])
            one.device_type = 1 if r.random() < 0.9 else r.choice([0, 2, 3, -1])
            one.device_id = 0 if r.random() < 0.9 else r.choice([-1, 7])
        return arrays, keep

    def c_api(self):
        lib, r = _library.library(), self.rng
        settings = _library.CompileOptions()
        settings.threads = r.choice([0, 1, 2, -1, 2**31 - 1])
        settings.device = r.choice([None, b"cpu", b"cuda:5", b"\xff"])
        settings.options = r.choice([None, b"", b"fuse=false", b"\xff=", b"to=", b"{", b"threads=0"])
        text = self.text.encode()
        handle = lib.bfly_compile(
            r.choice([text, text, text, None, b"", b"\0", text[:50]]),
            r.choice([len(text), len(text), len(text), 0, 10]),
            r.choice([None, b"n", b"\xff"]),
            r.choice([ctypes.byref(settings), None]),
        )
        if not handle:
            message = str(_library.failure())
            assert message, "an error without a message"
            if r.random() < 0.5:
                return
            handle = None  # NULL from here on
        infos = []
        for kind in (0, 1, 2, r.choice([-1, 3, 2**31 - 1])):
            count = lib.bfly_kernel_num_values(handle, kind)
            info = _library.ValueInfo()
            lib.bfly_kernel_value(handle, kind, r.choice([0, -1, count, 2**40]), r.choice([ctypes.byref(info), None]))
            values = []
            for i in range(max(count, 0)):
                if lib.bfly_kernel_value(handle, kind, i, ctypes.byref(info)) == 0:
                    shape = tuple(None if size < 0 else size for size in info.shape[: info.rank])
                    name = bfly._arrays.TYPE_NAMES[info.dtype]
                    DTYPES[name] = info.dtype
                    values.append(bfly.Value(info.name, shape, name, bool(info.is_scalar)))
            infos.append(values)
        lib.bfly_kernel_ir(handle, r.choice([b"network", b"none", None, b""]))
        lib.bfly_kernel_report(handle)
        for _ in range(3):
            (inputs, a), (weights, b), (results, c) = (self.c_arrays(values) for values in infos[:3])
            counts = [len(values) for values in infos[:3]]
            if r.random() < 0.1:
                counts[r.randrange(3)] += r.choice([-1, 1]) if max(counts) else 0
                counts = [min(max(count, 0), 1) if count > len(v) else max(count, 0) for count, v in zip(counts, infos)]
            lib.bfly_kernel_run(
                handle, r.choice([inputs, inputs, None]), counts[0], r.choice([weights, weights, None]), counts[1],
                r.choice([results, results, None]), counts[2], None,
            )  # fmt: skip
            if r.random() < 0.05:
                arguments = (inputs, counts[0], r.choice([weights, None]), counts[1], r.choice([0, 1, -1]))
                lib.bfly_free(lib.bfly_kernel_tune(handle, *arguments))
            del a, b, c
        if handle:
            lib.bfly_kernel_destroy(handle)
        lib.bfly_kernel_destroy(None)


DTYPES = {}


def attempt(action):
    try:
        return action()
    except EXPECTED as error:
        assert str(error) or isinstance(error, (MemoryError, KeyError)), "an error without a message"
        return None


def main():
    first, count = int(sys.argv[1]), int(sys.argv[2])
    for seed in range(first, first + count):
        print(json.dumps({"begin": seed}), flush=True)
        case = Case(seed)
        findings = []
        try:
            attempt(case.python if seed % 2 else case.c_api)
        except Exception as error:  # noqa: BLE001, which is what is looked for
            findings.append({"way": "python" if seed % 2 else "C", "kind": type(error).__name__, "message": str(error)})
        print(json.dumps({"seed": seed, "checked": 1, "refused": {}, "findings": findings}), flush=True)


if __name__ == "__main__":
    main()
