# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The guards of programs.run see what compiled code does outside of its arrays and of its scratch memory."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

# Whatever index it is given, nothing looks at it.
TEXT = """func.func @f(%x: memref<24xf32>, %i: memref<1xi64>) -> tensor<1xf32> {
  %zero = arith.constant 0 : index
  %word = memref.load %i[%zero] : memref<1xi64>
  %at = arith.index_cast %word : i64 to index
  %scratch = memref.alloc() : memref<24xf32>
  memref.copy %x, %scratch : memref<24xf32> to memref<24xf32>
  %v = memref.load MEMORY[%at] : memref<24xf32>
  memref.dealloc %scratch : memref<24xf32>
  %t = tensor.splat %v : tensor<1xf32>
  return %t : tensor<1xf32>
}
"""
SCRIPT = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
import numpy as np
from programs import bfly, run_guarded
text, where, index = sys.argv[1], sys.argv[2], int(sys.argv[3])
kernel = bfly.compile(text, allow_foreign_calls=True)
x, i = np.arange(24, dtype=np.float32), np.array([index])
run_guarded(kernel, (x, i), None, (np.array([index], np.float32),), where)
"""


# A block of scratch memory is a multiple of 64 bytes.
@pytest.mark.parametrize("memory, size", [("%x", 24), ("%scratch", 32)])
@pytest.mark.parametrize("where", ["begin", "end"])
def test_guards(memory, size, where):
    outside = -1 if where == "begin" else size
    # What AddressSanitizer would report is the signal that is waited for.
    environment = {**os.environ, "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":handle_segv=0"}
    for index in (0, 23, outside):
        command = [sys.executable, "-c", SCRIPT, TEXT.replace("MEMORY", memory), where, str(index)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        expected = -signal.SIGSEGV if index == outside else 0
        assert done.returncode == expected, done.stderr
