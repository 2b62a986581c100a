# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Arrays of any library as the engine takes them, without copying one.

NumPy's come by their own interface, because its DLPack knows neither bf16 nor, before 2.1, read-only arrays; all others by
DLPack. Results are NumPy's memory, handed over by DLPack where the caller uses another library.
"""

import contextlib
import ctypes
import math
import sys

import numpy as np

from . import _bfloat16, _library
from ._errors import BflyError

# By the C API's number: MLIR's name, NumPy's type (None: see _bfloat16), DLPack's code and bits.
_TYPES = [
    ("f64", np.float64, (2, 64)),
    ("f32", np.float32, (2, 32)),
    ("bf16", None, (4, 16)),
    ("f16", np.float16, (2, 16)),
    ("complex<f32>", np.complex64, (5, 64)),
    ("complex<f64>", np.complex128, (5, 128)),
    ("i64", np.int64, (0, 64)),
    ("i32", np.int32, (0, 32)),
    ("i16", np.int16, (0, 16)),
    ("i8", np.int8, (0, 8)),
    ("ui8", np.uint8, (1, 8)),
    ("i1", np.bool_, (6, 8)),
]
TYPE_NAMES = [name for name, _, _ in _TYPES]
BF16 = TYPE_NAMES.index("bf16")
ITEM_SIZES = [max(bits, 8) // 8 for _, _, (_, bits) in _TYPES]
_NUMBER_OF_NUMPY = {np.dtype(dtype): number for number, (_, dtype, _) in enumerate(_TYPES) if dtype is not None}
_NUMBER_OF_DLPACK = {code: number for number, (_, _, code) in enumerate(_TYPES)}


def torch_name(number):
    """torch's name of one of the C API's types."""
    dtype = _TYPES[number][1]
    return "bfloat16" if dtype is None else "bool" if dtype is np.bool_ else np.dtype(dtype).name


_DEVICES = {1: "cpu", 2: "cuda", 3: "cuda_host", 4: "opencl", 7: "vulkan", 8: "metal", 10: "rocm", 13: "cuda_managed"}
# Memory that a CPU may read as it is, and that a CUDA device may.
_HOST = (1, 3)
_CUDA = (2, 13)
# DLPack's "no synchronisation", for looking at an array without touching it; and its legacy default stream.
_NO_STREAM, _DEFAULT_STREAM = -1, 1


class _DLTensor(ctypes.Structure):
    _fields_ = [
        ("data", ctypes.c_void_p),
        ("device_type", ctypes.c_int32),
        ("device_id", ctypes.c_int32),
        ("ndim", ctypes.c_int32),
        ("code", ctypes.c_uint8),
        ("bits", ctypes.c_uint8),
        ("lanes", ctypes.c_uint16),
        ("shape", ctypes.POINTER(ctypes.c_int64)),
        ("strides", ctypes.POINTER(ctypes.c_int64)),
        ("byte_offset", ctypes.c_uint64),
    ]


class _Versioned(ctypes.Structure):
    _fields_ = [
        ("major", ctypes.c_uint32),
        ("minor", ctypes.c_uint32),
        ("context", ctypes.c_void_p),
        ("deleter", ctypes.c_void_p),
        ("flags", ctypes.c_uint64),
        ("tensor", _DLTensor),
    ]


_READ_ONLY = 1
_capsule_is = ctypes.pythonapi.PyCapsule_IsValid
_capsule_is.restype, _capsule_is.argtypes = ctypes.c_int, [ctypes.py_object, ctypes.c_char_p]
capsule_pointer = ctypes.pythonapi.PyCapsule_GetPointer
capsule_pointer.restype, capsule_pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]


class View:
    """An array as the engine takes it: `shape` (a tuple), `dtype` (the C API's number), `data` (an address), `device`
    (DLPack's type and number), `writable`, and `owner`, which keeps the memory alive."""

    __slots__ = ("shape", "dtype", "data", "device", "writable", "owner")

    def __init__(self, shape, dtype, data, device, writable, owner):
        self.shape, self.dtype, self.data = shape, dtype, data
        self.device, self.writable, self.owner = device, writable, owner

    def type_string(self):
        return type_string(self.shape, self.dtype)


def type_string(shape, dtype):
    """MLIR's notation: "2x8xf32", with ? for a size of -1."""
    return "x".join(["?" if size < 0 else str(size) for size in shape] + [TYPE_NAMES[dtype]])


def view(array, name, stream=None):
    """The View of an array, which messages call `name`. BflyError if it is none that can be taken as it lies. One of a
    GPU is ready for use on `stream`, a number; None: nothing is said about when it is ready."""
    if isinstance(array, np.ndarray):
        return _view_numpy(array, name)
    if isinstance(array, np.generic):
        return _view_numpy(np.asarray(array), name)
    if hasattr(array, "__dlpack__"):
        return _view_dlpack(array, name, stream)
    raise BflyError(f"{name}: an array is expected (NumPy's, torch's, or another with DLPack), got {_kind(array)}")


def _kind(value):
    kind = type(value)
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"


def _number_of_numpy(dtype):
    number = _NUMBER_OF_NUMPY.get(dtype)
    # By name: ml_dtypes need not be installed.
    return BF16 if number is None and dtype.name == "bfloat16" else number


def _view_numpy(array, name):
    dtype = array.dtype
    number = _number_of_numpy(dtype) if dtype.isnative else None
    if number is None:
        raise BflyError(f"{name}: dtype {dtype.str if not dtype.isnative else dtype} is none that bfly has")
    flags = array.flags
    if not flags.c_contiguous:
        raise BflyError(f"{name}: not contiguous in row-major order; give numpy.ascontiguousarray({_bare(name)})")
    if not flags.aligned:
        raise BflyError(f"{name}: not aligned to its elements; give a copy of it")
    data = array.__array_interface__["data"][0]
    return View(array.shape, number, data, (1, 0), flags.writeable, array)


def _torch_stream(torch, device):
    """torch's current stream of a device, as a number."""
    try:
        return torch._C._cuda_getCurrentRawStream(device)
    except AttributeError:
        return int(torch.cuda.current_stream(device).cuda_stream)


def _bare(name):
    """The name without what explains it, for use in an expression."""
    return name if name.isidentifier() else "it"


def _current(array, number):
    """A context in which CUDA device `number` is the current one of the library that `array` is from: some export no
    arrays of any other."""
    library = type(array).__module__.partition(".")[0]
    module = sys.modules.get(library)
    if library == "torch" and module:
        return module.cuda.device(number)
    if library == "cupy" and module:
        return module.cuda.Device(number)
    return contextlib.nullcontext()


def _view_dlpack(array, name, stream=None):
    try:
        device = tuple(int(part) for part in array.__dlpack_device__())
        options = {}
        if device[0] in _CUDA:
            # The exporter makes our stream wait for its own, on the device: nobody waits here.
            options["stream"] = _NO_STREAM if stream is None else stream or _DEFAULT_STREAM
        with _current(array, device[1]) if device[0] in _CUDA else contextlib.nullcontext():
            try:
                capsule = array.__dlpack__(max_version=(1, 0), **options)
            except TypeError:  # an exporter from before the first version
                capsule = array.__dlpack__(**options)
    except Exception as error:  # whatever the library raises: no gradient wanted, a lazy conjugate, no CPU memory, ...
        raise BflyError(f"{name}: {_kind(array)} cannot be shared: {error}") from error
    writable = True
    if _capsule_is(capsule, b"dltensor_versioned"):
        versioned = _Versioned.from_address(capsule_pointer(capsule, b"dltensor_versioned"))
        if versioned.major != 1:
            raise BflyError(f"{name}: DLPack of version {versioned.major}, expected 1")
        tensor, writable = versioned.tensor, not versioned.flags & _READ_ONLY
    elif _capsule_is(capsule, b"dltensor"):
        tensor = _DLTensor.from_address(capsule_pointer(capsule, b"dltensor"))
    else:
        raise BflyError(f"{name}: {_kind(array)}.__dlpack__ gives no DLPack capsule")
    number = _NUMBER_OF_DLPACK.get((tensor.code, tensor.bits)) if tensor.lanes == 1 else None
    if number is None:
        raise BflyError(f"{name}: dtype {getattr(array, 'dtype', 'unknown')} is none that bfly has")
    shape = tuple(tensor.shape[: tensor.ndim])
    if tensor.strides and math.prod(shape) > 0:
        stride = 1
        for size, actual in zip(reversed(shape), reversed(tensor.strides[: tensor.ndim])):
            if size > 1 and actual != stride:
                raise BflyError(f"{name}: not contiguous in row-major order; give {_bare(name)}.contiguous()")
            stride *= size
    data = (tensor.data or 0) + tensor.byte_offset
    if data % ITEM_SIZES[number]:
        raise BflyError(f"{name}: not aligned to its elements; give a copy of it")
    # The capsule's own destructor gives the tensor back. Until then the array cannot go away.
    return View(shape, number, data, device, writable, capsule)


# The floating-point types that hold every value of a type.
_WIDER = {"f16": ("f32", "f64"), "bf16": ("f32", "f64"), "f32": ("f64",), "complex<f32>": ("complex<f64>",)}
_KINDS = {
    "f64": "real",
    "f32": "real",
    "f16": "real",
    "bf16": "real",
    "complex<f32>": "complex",
    "complex<f64>": "complex",
}


def convert(one, dtype, types, name):
    """A View in the type numbered `dtype`, by the rule `types` ("exact", "widen" or "round"); the View itself where the
    rule forbids it, for the check of types to refuse."""
    have, want = TYPE_NAMES[one.dtype], TYPE_NAMES[dtype]
    if have == want or types == "exact" or _KINDS.get(have) is None or _KINDS[have] != _KINDS.get(want):
        return one
    if types == "widen" and want not in _WIDER.get(have, ()):
        raise BflyError(f'{name}: dtype {have} would be rounded to {want}; parameter_types="round" does')
    if one.device[0] not in _HOST:
        raise BflyError(f"{name}: dtype {have}, expected {want}; what is on a GPU is not converted")
    size = math.prod(one.shape) * ITEM_SIZES[one.dtype]
    memory = (
        np.frombuffer((ctypes.c_char * size).from_address(one.data or 0), np.uint8) if size else np.empty(0, np.uint8)
    )
    values = memory.view(numpy_dtype(one.dtype)).reshape(one.shape)
    if one.dtype == BF16:
        values = _bfloat16.to_float(values)
    with np.errstate(over="ignore"):
        converted = _bfloat16.from_float(values) if dtype == BF16 else values.astype(numpy_dtype(dtype))
    return _view_numpy(np.ascontiguousarray(converted).reshape(one.shape), name)


def without_leading_ones(shape):
    """A shape without the ones at its front, which say nothing."""
    first = next((i for i, size in enumerate(shape) if size != 1), len(shape))
    return tuple(shape[first:])


def view_number(value, dtype, name, stream=None):
    """The View of a number, given as one or as an array of rank 0, in the type numbered `dtype`."""
    if not isinstance(value, (bool, int, float, complex)):
        return view(value, name, stream)
    wanted = numpy_dtype(dtype)
    try:
        if isinstance(value, float) and wanted.kind in "iub":
            raise TypeError
        with np.errstate(over="raise"):
            array = _bfloat16.from_float(value) if dtype == BF16 else np.array(value, wanted)
            return _view_numpy(array, name)
    except (TypeError, OverflowError, FloatingPointError):
        raise BflyError(f"{name}: {value!r} is no {TYPE_NAMES[dtype]}") from None


def numpy_dtype(number):
    """NumPy's type for one of the C API's."""
    dtype = _TYPES[number][1]
    return _bfloat16.dtype() if dtype is None else np.dtype(dtype)


def device_name(device):
    """ "cpu" or "cuda:1" of DLPack's pair."""
    kind, number = device
    if kind in _HOST:
        return "cpu"
    if kind in _CUDA:
        return f"cuda:{number}"
    return f"{_DEVICES.get(kind, f'device type {kind}')}:{number}"


def describe(views):
    """The C API's array of arrays, and what has to live as long."""
    array = (_library.Array * max(len(views), 1))()
    shapes = []
    for entry, one in zip(array, views):
        shape = (ctypes.c_int64 * max(len(one.shape), 1))(*one.shape)
        shapes.append(shape)
        entry.data = one.data
        entry.shape = ctypes.cast(shape, ctypes.POINTER(ctypes.c_int64))
        entry.rank, entry.dtype = len(one.shape), one.dtype
        kind, number = one.device
        entry.device_type = _library.CPU if kind in _HOST else _library.CUDA if kind in _CUDA else kind
        entry.device_id = 0 if kind in _HOST else number
    return array, shapes


_ALIGNMENT = 64  # a cache line, and the widest vector


def allocate(shape, numpy_type):
    """A new NumPy array, aligned to cache lines, and its address."""
    try:
        memory = np.empty(math.prod(shape) * numpy_type.itemsize + _ALIGNMENT, np.uint8)
    except (MemoryError, ValueError) as error:
        kind = type_string(shape, _number_of_numpy(numpy_type))
        raise BflyError(f"no memory for a result {kind}: {error}") from None
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    start = -address % _ALIGNMENT
    return np.ndarray(shape, numpy_type, memory, start), address + start


def result_dtype(number):
    """NumPy's type for the memory of a result; bf16 as its bits (int16), which needs no package."""
    return np.dtype(np.int16) if number == BF16 else numpy_dtype(number)


def is_on_gpu(array):
    """Whether an array of whatever library is in the memory of a CUDA device."""
    if type(array).__module__ == "torch":
        return array.is_cuda
    if isinstance(array, (np.ndarray, np.generic)) or not hasattr(array, "__dlpack_device__"):
        return False
    return int(array.__dlpack_device__()[0]) in _CUDA


def current_stream(array, number):
    """The stream, as a number, on which the library that `array` is from works now on CUDA device `number`; 0, the
    default stream, for libraries that have none."""
    library = type(array).__module__.partition(".")[0]
    if library == "torch":
        return _torch_stream(sys.modules["torch"], number)
    if library == "cupy":
        cupy = sys.modules["cupy"]
        with cupy.cuda.Device(number):
            return int(cupy.cuda.get_current_stream().ptr)
    return 0


def stream_number(stream):
    """The number of a stream given as one, as torch's or cupy's, or by the protocol __cuda_stream__."""
    if hasattr(stream, "__cuda_stream__"):
        stream = stream.__cuda_stream__()[1]
    for attribute in ("cuda_stream", "ptr"):
        stream = getattr(stream, attribute, stream)
    if isinstance(stream, bool) or not isinstance(stream, int) or not 0 <= stream < 1 << 64:
        raise BflyError(f"stream: {stream!r}, expected a CUDA stream of torch or cupy, or its address")
    return stream


def allocate_on_gpu(shape, dtype, example, number):
    """A new array on CUDA device `number`, of the library that `example` is from."""
    library = type(example).__module__.partition(".")[0]
    numpy_name = "bfloat16" if dtype == BF16 else np.dtype(_TYPES[dtype][1]).name
    try:
        if library == "torch":
            torch = sys.modules["torch"]
            return torch.empty(shape, dtype=getattr(torch, numpy_name), device=f"cuda:{number}")
        if library == "cupy" and dtype != BF16:
            cupy = sys.modules["cupy"]
            with cupy.cuda.Device(number):
                return cupy.empty(shape, dtype=numpy_name)
    except (RuntimeError, MemoryError) as error:  # torch's and cupy's errors of memory are such
        raise BflyError(f"no memory for a result {type_string(shape, dtype)}: {error}") from None
    raise BflyError(
        f"out: needed for {TYPE_NAMES[dtype]} results on a GPU like {_kind(example)}: give an array to fill"
    )


def like(array, dtype, example):
    """`array`, which `allocate` made, as an array of the library that `example` is from; shares its memory."""
    library = type(example).__module__.partition(".")[0]
    if library == "torch":
        torch = sys.modules["torch"]
        tensor = torch.from_dlpack(array)
        return tensor.view(torch.bfloat16) if dtype == BF16 else tensor
    if dtype == BF16:
        array = array.view(numpy_dtype(BF16))
    if isinstance(example, (np.ndarray, np.generic)) or not hasattr(example, "__array_namespace__"):
        return array
    return example.__array_namespace__().from_dlpack(array)
