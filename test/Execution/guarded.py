# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Arrays next to pages that nobody may touch: what reads or writes outside of one faults there and then."""

import ctypes
import mmap

import numpy as np

PAGE = mmap.PAGESIZE
_libc = ctypes.CDLL(None, use_errno=True)


def _forbid(memory, offset):
    anchor = ctypes.c_char.from_buffer(memory)
    if _libc.mprotect(ctypes.c_void_p(ctypes.addressof(anchor) + offset), ctypes.c_size_t(PAGE), 0):
        raise OSError(ctypes.get_errno(), "mprotect")


def guarded(array, where):
    """A copy of an array that ends at such a page, or with "begin" begins right after one."""
    array = np.asarray(array, order="C")
    if array.nbytes == 0:
        return array
    inner = -(-array.nbytes // PAGE) * PAGE
    memory = mmap.mmap(-1, inner + 2 * PAGE)
    offset = PAGE + (inner - array.nbytes if where == "end" else 0)
    copy = np.ndarray(array.shape, array.dtype, memory, offset)
    copy[...] = array
    _forbid(memory, 0)
    _forbid(memory, PAGE + inner)
    return copy
