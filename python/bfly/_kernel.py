# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""`compile` and `Kernel`: from IR to something that can be called with arrays."""

from __future__ import annotations

import ctypes
import json
import os
import re
import weakref
from collections.abc import Mapping
from typing import Any, NamedTuple

from . import _arrays, _library
from ._errors import BflyError
from ._library import failure, library
from ._numpy_calls import NumpyCalls
from ._result_shapes import result_shapes
from ._torch_calls import TorchCalls

LEVELS = ("mixer", "network", "schedule", "affine", "gpu", "nvvm", "binary", "llvm")


class Value(NamedTuple):
    """What a kernel takes or gives: a name (a parameter's own; "input 0", "result 1"), a shape, with None for a size that
    a call decides, a dtype by MLIR's name ("f32", "complex<f32>"), and whether it is a number rather than an array."""

    name: str
    shape: tuple[int | None, ...]
    dtype: str
    is_scalar: bool


def version() -> str:
    """The version of the compiled library: three numbers with dots between."""
    return library().bfly_version().decode()


def is_available(device: str) -> bool:
    """Whether functions can be compiled for "cpu", "cuda" or "cuda:1" and run there. BflyError for other names."""
    if library().bfly_open_device(_text(device, "device")) == 0:
        return True
    problem = failure()
    if "unknown device" in str(problem) or "no valid number" in str(problem):
        raise problem
    return False


def compile(
    text_or_path: str | bytes | os.PathLike[str],
    device: str | None = None,
    function: str | None = None,
    *,
    threads: int = 0,
    name: str | None = None,
    allow_bytecode: bool = False,
    allow_foreign_calls: bool = False,
    cache: bool = True,
    **options: bool | int | str,
) -> Kernel:
    """Compiles one function of a module.

    text_or_path  MLIR's text at any level, or the file that holds it. A str is text if it has a line break or a brace,
                  bytes are text, and an os.PathLike is a path.
    device        "cpu", "cuda" or "cuda:1"; None: "cpu".
    function      which public function; None: the only one.
    threads       to run with; 0: all of the machine's.
    name          what errors call a text; None: "<text>".
    allow_bytecode, allow_foreign_calls  take MLIR's bytecode, and functions that call code outside of their module. Only
                  for modules from people that one trusts.
    cache         False: compile anew, and keep nothing of it on disk (`cache_info` says where that is).
    options       of the pipeline -bfly-compile: fuse=False, scoring="definition", target="sm_80", emulate=True. Not to="…":
                  what runs is compiled to the end, and `Kernel.ir` has the levels between.

    Returns a Kernel. BflyError says where in the text something is wrong, or which argument is.
    """
    settings = _library.CompileOptions()
    settings.device = _text(device, "device")
    settings.function = _text(function, "function")
    settings.options = " ".join(_option(key, value) for key, value in options.items()).encode()
    if not isinstance(threads, int) or isinstance(threads, bool) or not 0 <= threads <= 4096:
        raise BflyError(f"threads: {threads!r}, expected an integer from 0 to 4096")
    settings.threads = threads
    settings.allow_bytecode = _truth(allow_bytecode, "allow_bytecode")
    settings.allow_foreign_calls = _truth(allow_foreign_calls, "allow_foreign_calls")
    settings.no_cache = not _truth(cache, "cache")

    is_name = isinstance(text_or_path, str) and not any(mark in text_or_path for mark in "\n{")
    if is_name or isinstance(text_or_path, os.PathLike):
        try:
            path = os.fsencode(text_or_path)
        except UnicodeEncodeError:
            raise BflyError("text_or_path: a path that no file system's names have") from None
        if b"\0" in path:
            raise BflyError("text_or_path: a path with a zero byte")
        handle = library().bfly_compile_file(path, ctypes.byref(settings))
    elif isinstance(text_or_path, (str, bytes)):
        text = _encoded(text_or_path, "text_or_path") if isinstance(text_or_path, str) else text_or_path
        handle = library().bfly_compile(text, len(text), _text(name, "name"), ctypes.byref(settings))
    else:
        raise BflyError(f"text_or_path: text or a path is expected, got {type(text_or_path).__name__}")
    if not handle:
        raise failure()
    again = {"threads": threads, "allow_foreign_calls": allow_foreign_calls, **options}
    return Kernel(handle, device or "cpu", again)


def _compile_again(text, device, function, settings):
    """What a pickled kernel becomes: a kernel of this process."""
    return compile(text, device, function, name=f"<pickled {function}>", **settings)


def _text(value, name):
    if value is None:
        return None
    if not isinstance(value, str) or "\0" in value:
        raise BflyError(f"{name}: {value!r}, expected text")
    return _encoded(value, name)


def _encoded(text, name):
    """Text as UTF-8, which halves of surrogate pairs do not have."""
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise BflyError(f"{name}: {text[error.start]!r} at {error.start} is no character") from None


def _truth(value, name):
    """A truth value as it is: "no" would be taken for True."""
    if not isinstance(value, bool):
        raise BflyError(f"{name}: {value!r}, expected True or False")
    return value


def _option(key, value):
    """ "key=value", of which neither can become another option of the pipeline's."""
    if not key.isidentifier():
        raise BflyError(f"{key!r} is no name of an option")
    if isinstance(value, bool):
        word = "true" if value else "false"
    elif isinstance(value, int):
        word = str(int(value))
    else:
        word = value
    if not isinstance(word, str) or not re.fullmatch(r"[\w.+-]+", word, re.ASCII):
        raise BflyError(f"{key}: {value!r}, expected a truth value, an integer or a word")
    return f"{key}={word}"


class Kernel:
    """A compiled function, made by `compile`. It may be called from several threads at once.

    Kernels do not change, so that a copy is the kernel itself. A pickle holds the function's text and the options, and
    compiles them where it is loaded.

    name, device             text
    is_from_cache            whether the code was compiled before, perhaps by another process (docs/cache.md)
    inputs, parameters, results   tuples of `Value`
    """

    name: str
    device: str
    is_from_cache: bool
    inputs: tuple[Value, ...]
    parameters: tuple[Value, ...]
    results: tuple[Value, ...]

    def __init__(self, handle, device, settings):
        lib = library()
        self._handle, self._settings = handle, settings
        # Not at exit, when other threads may still be in a call: the process gives everything back. A call holds `self`,
        # so never during one.
        weakref.finalize(self, lib.bfly_kernel_destroy, handle).atexit = False
        self.name = lib.bfly_kernel_name(handle).decode()
        self.device = device
        self.is_from_cache = bool(lib.bfly_kernel_is_from_cache(handle))
        kind, _, ordinal = device.partition(":")
        self._number = None if kind == "cpu" else int(ordinal or 0)
        self._place = "cpu" if kind == "cpu" else f"{kind}:{self._number}"
        self._infos = [self._values(kind) for kind in (_library.INPUT, _library.PARAMETER, _library.RESULT)]
        self.inputs, self.parameters, self.results = (
            tuple(
                Value(name, tuple(None if size < 0 else size for size in shape), _arrays.TYPE_NAMES[dtype], scalar)
                for name, shape, dtype, scalar in infos
            )
            for infos in self._infos
        )
        self._report = None
        self._fast_calls = (
            NumpyCalls(handle, self._infos) if self._number is None else TorchCalls(handle, self._infos, self._number)
        )

    def _values(self, kind):
        lib = library()
        values = []
        for index in range(lib.bfly_kernel_num_values(self._handle, kind)):
            info = _library.ValueInfo()
            if lib.bfly_kernel_value(self._handle, kind, index, ctypes.byref(info)):
                raise failure()
            values.append((info.name.decode(), tuple(info.shape[: info.rank]), info.dtype, bool(info.is_scalar)))
        return values

    def __copy__(self):
        return self

    def __deepcopy__(self, memo):
        return self

    def __reduce__(self):
        return _compile_again, (self.ir("mixer"), self.device, self.name, self._settings)

    def __repr__(self):
        inputs, parameters, results = (
            [(name, _arrays.type_string(shape, dtype)) for name, shape, dtype, _ in infos] for infos in self._infos
        )
        takes = ", ".join([text for _, text in inputs])
        takes += "".join(f"; {name}: {text}" for name, text in parameters)
        return f"<bfly.Kernel {self.name}({takes}) -> ({', '.join(text for _, text in results)}) on {self.device}>"

    def ir(self, level: str) -> str:
        """The IR at a level, as text: "mixer" (the source, with parameters as arguments), "network", "schedule",
        "affine" or "llvm", and on a GPU "gpu", "nvvm" (the kernels in llvm) and "binary" (assembled) between those two.

        What is printed down to "affine" can be compiled again; for a GPU, affine IR needs allow_foreign_calls=True. The
        levels below are to be read, and for MLIR's own tools: `compile` refuses them."""
        if level not in LEVELS:
            raise BflyError(f"level: {level!r}, expected one of {', '.join(LEVELS)}")
        return _library.take_text(library().bfly_kernel_ir(self._handle, level.encode()))

    @property
    def report(self) -> dict[str, Any]:
        """What is launched, as a dictionary: for each of "kernels" its plan, bytes, flops and bound."""
        if self._report is None:
            self._report = json.loads(_library.take_text(library().bfly_kernel_report(self._handle)))
        return self._report

    def __call__(
        self,
        *arrays: Any,
        parameters: Mapping[str, Any] | None = None,
        out: Any = None,
        stream: Any = None,
        parameter_types: str = "exact",
        ignore_unknown: bool = False,
    ) -> Any:
        """Runs the function.

        arrays      its inputs, in order: contiguous arrays of NumPy, torch or another library with DLPack, which are
                    read where they lie; numbers for inputs that are numbers.
        parameters  a mapping from the name of each parameter to its array. Ones at the front of a shape do not count:
                    (1, 1, 8) is taken for (8), and the other way round.
        out         arrays for the results, which are filled and returned: one, or a sequence if there are several.
                    They must not overlap anything else.
        stream      on a GPU, the stream to run on, as an address or as torch's or cupy's; None: the one that the
                    library of the first GPU array works on now, else the default stream.
        parameter_types  for parameters of another floating-point type than the kernel's: "exact", an error; "widen",
                    converted where every value stays what it is (f16 and bf16 to f32, f32 to f64); "round", converted.
        ignore_unknown  skip parameters that the kernel does not have, as a file of a whole model holds.

        Returns the result, of the library that the first array is from (NumPy if there is none), or a tuple of several.
        BflyError names the argument that does not fit.

        On a GPU, arrays of that GPU are used where they are, and those of the host are copied there and back. If all
        are on the GPU this returns before the work is done, as torch's and cupy's functions do; errors of kernels show
        up in a later call.
        """
        if parameter_types not in ("exact", "widen", "round"):
            raise BflyError(f'parameter_types: {parameter_types!r}, expected "exact", "widen" or "round"')
        if _truth(ignore_unknown, "ignore_unknown") and hasattr(parameters, "keys"):
            known = {info[0] for info in self._infos[_library.PARAMETER]}
            parameters = {name: parameters[name] for name in parameters.keys() if name in known}
        return self._run(arrays, parameters, out, None, stream, parameter_types)

    def _run(self, arrays, parameters, out, names, stream=None, types="exact"):
        """__call__, with what messages call the inputs (None: as the engine does)."""
        result = self._fast_calls.run(arrays, parameters, out, stream)
        if result is not None:
            return result
        results = self._infos[_library.RESULT]
        stream = self._stream(arrays, parameters, out, stream)
        views, weights = self._views(arrays, parameters, names, stream, types)

        inputs_c, keep_inputs = _arrays.describe(views)
        weights_c, keep_weights = _arrays.describe(weights)
        shapes = result_shapes(self._handle, self._infos, inputs_c, weights_c)
        # What a result is like, if nothing says otherwise; numbers have no library of their own.
        candidates = (*arrays, *(parameters or {}).values())
        example = next((array for array in candidates if not isinstance(array, (int, float, complex))), None)
        on_gpu = self._number is not None and _arrays.is_on_gpu(example)
        if out is None and on_gpu:
            made = [
                _arrays.allocate_on_gpu(shape, info[2], example, self._number) for shape, info in zip(shapes, results)
            ]
            result_views = [_arrays.view(array, info[0], stream) for array, info in zip(made, results)]
        elif out is None:
            places = [_arrays.allocate(shape, _arrays.result_dtype(info[2])) for shape, info in zip(shapes, results)]
            made = [array for array, _ in places]
            result_views = [
                _arrays.View(shape, info[2], address, (1, 0), True, array)
                for shape, info, (array, address) in zip(shapes, results, places)
            ]
        else:
            given = (out,) if len(results) == 1 and not isinstance(out, (tuple, list)) else tuple(out)
            result_views = self._outputs(given, shapes, stream)

        results_c, keep_results = _arrays.describe(result_views)
        status = library().bfly_kernel_run(
            self._handle, inputs_c, len(views), weights_c, len(weights), results_c, len(results), stream
        )
        if status:
            raise failure()
        del keep_inputs, keep_weights, keep_results
        if out is not None:
            return out
        if on_gpu:
            answer = tuple(made)
        else:
            answer = tuple(_arrays.like(array, info[2], example) for array, info in zip(made, results))
        return answer[0] if len(answer) == 1 else answer

    def _views(self, arrays, parameters, names, stream, types):
        """The inputs and the parameters of a call, each of which fits on its own."""
        inputs, needed, _ = self._infos
        if len(arrays) != len(inputs):
            raise BflyError(f"{self.name}: {len(inputs)} inputs are needed, but {len(arrays)} were given")
        if names is None:
            names = [info[0] for info in inputs]
        views = [
            _arrays.view_number(array, info[2], name, stream) if info[3] else _arrays.view(array, name, stream)
            for array, info, name in zip(arrays, inputs, names)
        ]
        weights = self._parameters(parameters, needed, stream, types)
        for name, one, info in zip(names, views, inputs):
            self._check(name, one, info)
        for one, info in zip(weights, needed):
            self._check(f"parameter {info[0]!r}", one, info)
        return views, weights

    def _check(self, name, one, info):
        """BflyError unless an array is what `info` says, on this kernel's device."""
        _, shape, dtype, _ = info
        if one.dtype != dtype:
            raise BflyError(f"{name}: dtype {_arrays.TYPE_NAMES[one.dtype]}, expected {_arrays.TYPE_NAMES[dtype]}")
        if len(one.shape) != len(shape) or any(b not in (-1, a) for a, b in zip(one.shape, shape)):
            raise BflyError(f"{name}: shape {one.type_string()}, expected {_arrays.type_string(shape, dtype)}")
        place = _arrays.device_name(one.device)
        if place != self._place and not (place == "cpu" and self._number is not None):
            raise BflyError(f"{name}: on {place}, but the kernel runs on {self.device}")

    def _stream(self, arrays, parameters, out, stream):
        """The stream to run on as a number; None on a CPU."""
        if self._number is None:
            if stream is not None:
                raise BflyError("stream: there are none on a CPU")
            return None
        if stream is not None:
            return _arrays.stream_number(stream)
        results = out if isinstance(out, (tuple, list)) else (out,)
        weights = [parameters[name] for name in parameters.keys()] if hasattr(parameters, "keys") else []
        for array in (*arrays, *weights, *results):
            if _arrays.is_on_gpu(array):
                return _arrays.current_stream(array, self._number)
        return 0

    def _parameters(self, given, needed, stream, types):
        given = {} if given is None else given
        if not hasattr(given, "keys"):
            raise BflyError(f"parameters: a mapping from names to arrays is expected, got {type(given).__name__}")
        names = [info[0] for info in needed]
        missing = [name for name in names if name not in given]
        if missing:
            raise BflyError(f"parameters: {', '.join(map(repr, missing))} missing")
        extra = [name for name in given.keys() if name not in names]
        if extra:
            known = ", ".join(map(repr, names)) or "none"
            raise BflyError(f"parameters: {', '.join(map(repr, extra))} unknown; {self.name} has {known}")
        views = []
        for name, shape, dtype, _ in needed:
            label = f"parameter {name!r}"
            one = _arrays.convert(_arrays.view(given[name], label, stream), dtype, types, label)
            if one.shape != shape and _arrays.without_leading_ones(one.shape) == _arrays.without_leading_ones(shape):
                one.shape = shape
            views.append(one)
        return views

    def _outputs(self, given, shapes, stream):
        results = self._infos[_library.RESULT]
        if len(given) != len(results):
            raise BflyError(f"out: {len(results)} arrays are needed, but {len(given)} were given")
        views = []
        for index, (array, shape, info) in enumerate(zip(given, shapes, results)):
            name = "out" if len(results) == 1 else f"out[{index}]"
            one = _arrays.view(array, name, stream)
            self._check(name, one, (name, shape, info[2], False))
            if not one.writable:
                raise BflyError(f"{name}: read-only")
            views.append(one)
        return views
