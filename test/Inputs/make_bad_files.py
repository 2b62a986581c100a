#!/usr/bin/env python3
# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Write the corpus of malformed .npy and .safetensors files.

    make_bad_files.py FOLDER

Each file is wrong in one way. FOLDER/manifest.tsv has a line for each: its name, a tab,
and a part of the message that reading it gives. Needs nothing but Python, and writes
the same bytes every time.
"""

import json
import struct
import sys
from pathlib import Path

GOOD_DICT = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }"


def npy(text=GOOD_DICT, data=bytes(24), version=1, length=None, minor=0):
    """A .npy file; `length` is what its header claims to be long."""
    header = text.encode("latin-1")
    claimed = len(header) if length is None else length
    packed = struct.pack("<H" if version == 1 else "<I", claimed)
    return b"\x93NUMPY" + bytes([version, minor]) + packed + header + data


def npy_shape(shape, descr="<f4", data=bytes(24)):
    return npy(f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}", data)


def tensor(dtype="F32", shape=(2, 3), offsets=(0, 24), **more):
    return dict(dtype=dtype, shape=list(shape), data_offsets=list(offsets), **more)


def safetensors(header, data=bytes(24), length=None):
    """A .safetensors file; `header` is text or an object."""
    text = header if isinstance(header, str) else json.dumps(header)
    encoded = text.encode("latin-1")
    claimed = len(encoded) if length is None else length
    return struct.pack("<Q", claimed) + encoded + data


def npy_files():
    good = npy()
    yield "empty", b"", "is not a .npy file"
    yield "magic-only", good[:6], "truncated in its header"
    yield "no-length", good[:8], "truncated in its header"
    yield "half-length", good[:9], "truncated in its header"
    yield "half-header", good[:40], "truncated in its header"
    yield "no-data", npy(data=b""), "is truncated: 2x3xf32 takes 24 bytes"
    yield "one-byte-short", npy(data=bytes(23)), "is truncated"
    yield "trailing-byte", npy(data=bytes(25)), "has trailing bytes"
    yield "zip", b"PK\x03\x04" + bytes(60), "is not a .npy file"
    yield "version-0", npy(version=0), "version 0.0"
    yield "version-4", npy(version=4), "version 4.0"
    yield "version-1-1", npy(minor=1), "version 1.1"
    yield "header-4-GiB", npy(version=2, length=2**32 - 1), "header of 4.0 GiB"
    yield "header-past-end", npy(length=60000), "truncated in its header"
    yield "fortran", npy(GOOD_DICT.replace("False", "True")), "Fortran order"
    yield "fortran-maybe", npy(GOOD_DICT.replace("False", "Maybe")), "True or False"
    yield "big-endian", npy_shape("(2, 3)", ">f4"), "big-endian"
    yield "objects", npy_shape("(2, 3)", "|O"), "elements of type '|O'"
    yield "text", npy_shape("(2, 3)", "<U1"), "elements of type '<U1'"
    yield "void-2", npy_shape("(12,)", "<V2"), "only where bf16 is expected"
    yield "longdouble", npy_shape("(1,)", "<f16", bytes(16)), "elements of type '<f16'"
    yield "escapes", npy_shape("(2, 3)", "\x1b[2J"), "'\\1B[2J' are not supported"
    fields = GOOD_DICT.replace("'<f4'", "[('a', '<f4')]")
    yield "structured", npy(fields), "structured element types"
    yield "negative", npy_shape("(-2, 3)"), "expected a dimension"
    yield "zeros-shape", npy_shape("(02, 3)"), "expected a dimension"
    yield "bool-shape", npy_shape("(True, 6)"), "expected a dimension"
    yield "float-shape", npy_shape("(2.0, 3)"), "expected ',' or ')'"
    yield "shape-2^62-twice", npy_shape(f"({2**62}, {2**62})"), "64 bits can count"
    yield "shape-bytes-overflow", npy_shape(f"({2**62},)"), "bytes than 64 bits"
    yield "shape-2^64", npy_shape(f"({2**64},)"), "at most 64 bits"
    yield "shape-hidden", npy_shape(f"(0, {2**62}, {2**62})", data=b""), "64 bits"
    yield "shape-40-digits", npy_shape("(" + "9" * 40 + ",)"), "at most 64 bits"
    yield "shape-1-TiB", npy_shape(f"({2**38},)"), "is truncated"
    yield "rank-65", npy_shape("(" + "1," * 65 + ")"), "more than 64 dimensions"
    yield "rank-20000", npy_shape("(" + "1," * 20000 + ")"), "more than 64 dimensions"
    yield "no-shape", npy("{'descr': '<f4', 'fortran_order': False}"), "lacks one of"
    yield "twice", npy(GOOD_DICT.replace("}", "'descr': '<f8'}")), "repeated key"
    yield "unknown-key", npy(GOOD_DICT.replace("}", "'x': '<f8'}")), "unknown or"
    yield "open-string", npy("{'descr: "), "expected a closed string"
    yield "open-dict", npy(GOOD_DICT[:-3]), "expected ',' or '}'"
    yield "code", npy("__import__('os').system('true')"), "expected '{'"
    yield "more-after", npy(GOOD_DICT + " 1"), "expected nothing more"
    yield "nul-header", npy("\0" * 64), "malformed header"
    yield "bool-2", npy_shape("(3,)", "|b1", b"\0\1\2"), "neither 0 nor 1"


def safetensors_files():
    good = safetensors({"w": tensor()})
    same = json.dumps(tensor())
    header = f'{{"w":{same}}}'
    yield "empty", b"", "truncated"
    yield "seven-bytes", good[:7], "truncated"
    yield "half-header", good[:40], "truncated"
    yield "no-data", good[:-24], "ends at byte 24 of the data"
    yield "one-byte-short", good[:-1], "ends at byte 24 of the data"
    yield "trailing-byte", good + b"\0", "has trailing bytes"
    yield "header-2^64", safetensors("{}", length=2**64 - 1), "header of 16.0 EiB"
    yield "header-100-MB-1", safetensors("{}", length=100_000_001), "limit of"
    yield "header-past-end", safetensors("{}", length=10_000), "truncated"
    yield "header-0", safetensors(""), "malformed JSON"
    yield "space-before", safetensors(" " + header), "at byte 0"
    yield "list", safetensors("[]"), "expected '{'"
    yield "number", safetensors('{"w":1}'), "expected '{'"
    yield "open", safetensors('{"w":{'), "malformed JSON"
    yield "open-string", safetensors('{"w'), "closed string"
    yield "not-utf8", safetensors('{"\xff\xfe":{}}'), "malformed JSON"
    yield "two-objects", safetensors("{}{}"), "expected nothing more"
    yield "deep", safetensors('{"w":' + "[" * 200_000), "nested deeper"
    yield "deep-object", safetensors('{"a":' * 50_000), "nested deeper"
    deep_shape = '{"w":{"dtype":"F32","shape":[[2],3],"data_offsets":[0,24]}}'
    yield "deep-shape", safetensors(deep_shape), "nested deeper"
    yield "no-dtype", safetensors('{"w":{"shape":[6],"data_offsets":[0,24]}}'), "lacks"
    same = json.dumps(tensor())
    yield "twice", safetensors(f'{{"w":{same},"w":{same}}}'), "'w' occurs twice"
    yield "twice-escaped", safetensors(f'{{"w":{same},"\\u0077":{same}}}'), "twice"
    inner = '{"w":{"dtype":"F32","dtype":"F32","shape":[6],"data_offsets":[0,24]}}'
    yield "field-twice", safetensors(inner), "'dtype' occurs twice"

    def one(**fields):
        return safetensors({"w": tensor(**fields)})

    yield "unknown-field", one(color="red"), "unknown field 'color'"
    yield "unknown-dtype", one(dtype="F8_E5M2", offsets=(0, 24)), "type 'F8_E5M2'"
    yield "escapes", one(dtype="\x1b[2J"), "'\\1B[2J', which is not supported"
    yield "dtype-number", one(dtype=7), "'dtype' is not a string"
    text = json.dumps({"w": tensor()}).replace("[2, 3]", '"6"')
    yield "shape-text", safetensors(text), "not a list"
    yield "shape-negative", one(shape=(-2, -3)), "integer from 0"
    yield "shape-fraction", one(shape=(2.5, 3)), "integer from 0"
    yield "shape-float", one(shape=(2.0, 3)), "has the entry '2.0', which is not an"
    yield "shape-bool", one(shape=(True, 6)), "has the entry 'true', which is not an"
    yield "shape-string", one(shape=("2", 3)), "which is not an integer from 0"
    yield "shape-exponent", safetensors(header.replace("3]", "3e0]")), "'3e0'"
    yield "shape-zeros", safetensors(header.replace("3]", "03]")), "'03'"
    yield "offsets-float", one(offsets=(0.0, 24)), "has the entry '0.0', which is not an"
    yield "offsets-bool", one(offsets=(False, 24)), "has the entry 'false', which is not"
    yield "shape-small", one(shape=(2, 2)), "span 24"
    yield "shape-large", one(shape=(2, 4)), "span 24"
    yield "shape-overflow", one(shape=(2**62, 2**62)), "64 bits can count"
    yield "shape-wraps", one(shape=(2**62 + 6,), offsets=(0, 24)), "64 bits"
    yield "shape-2^64", one(shape=(2**64,)), "integer from 0"
    yield "shape-hidden", one(shape=(0, 2**62, 2**62), offsets=(0, 0)), "64 bits"
    yield "rank-65", one(shape=[1] * 65), "more than 64 entries"
    yield "rank-million", one(shape=[1] * 1_000_000), "more than 64 entries"
    yield "offsets-three", one(offsets=(0, 12, 24)), "more than 2 entries"
    yield "offsets-one", one(offsets=(24,)), "not two entries"
    yield "offsets-backwards", one(offsets=(24, 0)), "end before they begin"
    yield "offsets-past-end", one(shape=(7,), offsets=(0, 28)), "ends at byte 28"
    yield "offsets-2^63", one(offsets=(2**63 - 25, 2**63 - 1)), "ends at byte"
    yield "offsets-2^64", one(offsets=(0, 2**64 - 1)), "integer from 0"
    yield "offsets-negative", one(offsets=(-24, 0)), "integer from 0"
    yield "hole", one(shape=(5,), offsets=(4, 24)), "after a hole"
    yield "tail", one(shape=(5,), offsets=(0, 20)), "has trailing bytes"
    half = tensor(shape=(3,), offsets=(12, 24))
    yield "overlap", safetensors({"w": tensor(), "v": half}), "inside another tensor"
    apart = {"w": tensor(shape=(2,), offsets=(0, 8)), "v": half}
    yield "hole-between", safetensors(apart), "after a hole"
    yield "bool-2", safetensors({"w": tensor("BOOL", (2,), (0, 2))}, b"\1\2"), "neither"
    meta = {"__metadata__": {"a": 1}, "w": tensor()}
    yield "metadata-number", safetensors(meta), "'a' is not a string"
    meta = {"__metadata__": {"a": {"b": "c"}}, "w": tensor()}
    yield "metadata-deep", safetensors(meta), "nested deeper"
    yield "metadata-text", safetensors({"__metadata__": "x", "w": tensor()}), "'{'"


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: make_bad_files.py FOLDER")
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    lines = []
    for suffix, files in ((".npy", npy_files()), (".safetensors", safetensors_files())):
        for name, content, message in files:
            (folder / (name + suffix)).write_bytes(content)
            lines.append(f"{name}{suffix}\t{message}\n")
    # Last, because the build takes it for the sign that all is done.
    (folder / "manifest.tsv").write_text("".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
