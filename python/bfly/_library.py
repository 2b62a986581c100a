# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""libbfly by ctypes: the declarations of bfly/Engine/CAPI.h, loaded when first needed."""

import atexit
import ctypes
import functools
import os
import threading
from ctypes import POINTER, c_char_p, c_double, c_int32, c_int64, c_size_t, c_void_p
from pathlib import Path

from ._errors import BflyError

VERSION = (0, 2)  # of the header that this file repeats


class Array(ctypes.Structure):
    """bfly_array: a row-major array without gaps."""

    _fields_ = [
        ("data", c_void_p),
        ("shape", POINTER(c_int64)),
        ("rank", c_int32),
        ("dtype", c_int32),
        ("device_type", c_int32),
        ("device_id", c_int32),
    ]


class CompileOptions(ctypes.Structure):
    """bfly_compile_options; all zero for the defaults."""

    _fields_ = [
        ("function", c_char_p),
        ("device", c_char_p),
        ("options", c_char_p),
        ("threads", c_int32),
        ("allow_bytecode", c_int32),
        ("allow_foreign_calls", c_int32),
        ("no_cache", c_int32),
    ]


class ValueInfo(ctypes.Structure):
    """bfly_value_info: an input, a parameter or a result."""

    _fields_ = [
        ("name", c_char_p),
        ("shape", POINTER(c_int64)),
        ("rank", c_int32),
        ("dtype", c_int32),
        ("is_scalar", c_int32),
    ]


INPUT, PARAMETER, RESULT = range(3)
CPU, CUDA = 1, 2  # DLPack's numbers

# Strings to be freed are void pointers: as c_char_p, ctypes would turn them into bytes and lose the address.
_FUNCTIONS = {
    "bfly_version": (c_char_p, []),
    "bfly_last_error": (c_char_p, []),
    "bfly_free": (None, [c_void_p]),
    "bfly_compile": (c_void_p, [c_char_p, c_size_t, c_char_p, POINTER(CompileOptions)]),
    "bfly_compile_file": (c_void_p, [c_char_p, POINTER(CompileOptions)]),
    "bfly_differentiate": (c_void_p, [c_char_p, c_size_t, c_char_p, c_char_p, c_char_p]),
    "bfly_kernel_destroy": (None, [c_void_p]),
    "bfly_kernel_name": (c_char_p, [c_void_p]),
    "bfly_kernel_is_from_cache": (c_int32, [c_void_p]),
    "bfly_kernel_num_values": (c_int64, [c_void_p, c_int32]),
    "bfly_kernel_value": (c_int32, [c_void_p, c_int32, c_int64, POINTER(ValueInfo)]),
    "bfly_kernel_ir": (c_void_p, [c_void_p, c_char_p]),
    "bfly_kernel_report": (c_void_p, [c_void_p]),
    "bfly_kernel_result_shapes": (
        c_int32,
        [c_void_p, POINTER(Array), c_size_t, POINTER(Array), c_size_t, POINTER(POINTER(c_int64))],
    ),
    "bfly_kernel_run": (
        c_int32,
        [c_void_p, POINTER(Array), c_size_t, POINTER(Array), c_size_t, POINTER(Array), c_size_t, c_void_p],
    ),
    "bfly_kernel_tune": (
        c_void_p,
        [c_void_p, POINTER(Array), c_size_t, POINTER(Array), c_size_t, c_int32],
    ),
    "bfly_cache_info": (c_void_p, []),
    "bfly_cache_clear": (c_void_p, []),
    "bfly_open_device": (c_int32, [c_char_p]),
    "bfly_measure_device": (
        c_int32,
        [c_char_p, c_double, POINTER(c_double), POINTER(c_double), POINTER(c_double)],
    ),
    "bfly_measure_ceilings": (None, [c_int32, c_double, POINTER(c_double), POINTER(c_double)]),
    "bfly_shutdown": (None, [c_double]),
}


def _candidates():
    """Where the library may be: BFLY_LIBRARY, beside this file, or in lib/ beside the folder that holds the package
    (so in the build folder and in an installed tree). The package may be a link: its own place counts, not the target.
    """
    named = os.environ.get("BFLY_LIBRARY")
    if named:
        return [Path(named)]
    here = Path(__file__).absolute().parent
    return [here / "libbfly.so", here.parents[1] / "lib" / "libbfly.so"]


def library_path():
    """Where the library is. BflyError if it is nowhere."""
    candidates = _candidates()
    path = next((path for path in candidates if path.exists()), None)
    if path is None:
        places = " nor ".join(map(str, candidates))
        raise BflyError(f"libbfly.so is neither in {places}: build it, or name it in BFLY_LIBRARY")
    return path


@functools.lru_cache(maxsize=1)
def _load():
    path = library_path()
    try:
        library = ctypes.CDLL(str(path))
        for name, (result, arguments) in _FUNCTIONS.items():
            function = getattr(library, name)
            function.restype, function.argtypes = result, arguments
    except (OSError, AttributeError) as error:
        raise BflyError(f"{path} cannot be loaded: {error}") from None
    version = library.bfly_version().decode()
    if tuple(int(part) for part in version.split(".")[:2]) != VERSION:
        raise BflyError(f"{path} has version {version}, but this package is for {VERSION[0]}.{VERSION[1]}")
    # Daemon threads may be in a call while the interpreter and then the library's own data go.
    atexit.register(library.bfly_shutdown, 10.0)
    return library


_lock = threading.Lock()
# A fork may come while another thread holds it.
os.register_at_fork(after_in_child=lambda: globals().update(_lock=threading.Lock()))


def library():
    """The loaded library. BflyError if it is not there or of another version."""
    with _lock:
        return _load()


def failure():
    """A BflyError with what the last call on this thread said."""
    return BflyError(library().bfly_last_error().decode(errors="replace"))


def take_text(address):
    """The text of a string that the library gave away, which is freed; BflyError for NULL."""
    if not address:
        raise failure()
    try:
        return ctypes.string_at(address).decode()
    finally:
        library().bfly_free(address)
