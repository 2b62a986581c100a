# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Writes a .safetensors file: make_safetensors.py out.safetensors w=2x2xf32=1,2,3,4 …"""

import json
import struct
import sys

# bf16 is the upper half of f32: the values that tests use have no more bits.
FORMATS = {"f32": ("F32", "f"), "f64": ("F64", "d"), "i32": ("I32", "i"), "f16": ("F16", "e"), "bf16": ("BF16", "f")}


def main(path, *tensors):
    header, data = {}, b""
    for tensor in tensors:
        name, kind, values = tensor.split("=")
        *sizes, element = kind.split("x")
        dtype, code = FORMATS[element]
        numbers = [float(v) if code != "i" else int(v) for v in values.split(",")]
        raw = struct.pack(f"<{len(numbers)}{code}", *numbers)
        if element == "bf16":
            raw = b"".join(raw[i + 2 : i + 4] for i in range(0, len(raw), 4))
        header[name] = {
            "dtype": dtype,
            "shape": [int(s) for s in sizes],
            "data_offsets": [len(data), len(data) + len(raw)],
        }
        data += raw
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + data)


main(*sys.argv[1:])
