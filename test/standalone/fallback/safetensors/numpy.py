# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Files of named arrays: the length of a header (8 bytes, little-endian), the header in JSON, the arrays' bytes. A
header gives each name its type, shape, and first and last byte after the header."""

import json
from pathlib import Path

import numpy as np

_NAMES = {"float64": "F64", "float32": "F32", "float16": "F16", "int64": "I64", "int32": "I32", "int16": "I16"}
_NAMES |= {"int8": "I8", "uint8": "U8", "bool": "BOOL"}
_TYPES = {name: np.dtype(kind) for kind, name in _NAMES.items()}


def save_file(arrays, path, metadata=None):
    header, data = {} if metadata is None else {"__metadata__": metadata}, []
    # The widest first, so that each is aligned to its elements.
    for name in sorted(arrays, key=lambda name: (-arrays[name].dtype.itemsize, name)):
        begin = sum(map(len, data))
        data.append(np.ascontiguousarray(arrays[name]).tobytes())
        header[name] = {
            "dtype": _NAMES[arrays[name].dtype.name],
            "shape": list(arrays[name].shape),
            "data_offsets": [begin, begin + len(data[-1])],
        }
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    Path(path).write_bytes(len(text).to_bytes(8, "little") + text + b"".join(data))


def load_file(path):
    content = Path(path).read_bytes()
    start = 8 + int.from_bytes(content[:8], "little")
    arrays = {}
    for name, entry in json.loads(content[8:start]).items():
        if name != "__metadata__":
            begin, end = (start + offset for offset in entry["data_offsets"])
            arrays[name] = np.frombuffer(content[begin:end], _TYPES[entry["dtype"]]).reshape(entry["shape"]).copy()
    return arrays
