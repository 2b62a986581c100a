# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The runtime's own tests on a GPU, a program (test/hardware) that is built by name and in the package; collected where there
is a GPU."""

import os
import subprocess
from pathlib import Path

import pytest

BUILD = Path(os.environ.get("BFLY_BUILD_DIR") or Path(__file__).resolve().parents[2] / "build")
PROGRAM = BUILD / "bin" / "bfly-cuda-hardware-tests"
# cuBLASLt's kernels, and calls that fail on purpose, are what sanitizers report.
SANITIZED = "BFLY_TEST_SANITIZED" in os.environ


@pytest.mark.skipif(not PROGRAM.exists(), reason="no bfly-cuda-hardware-tests; scripts/build makes it")
@pytest.mark.skipif(SANITIZED, reason="it fails calls on purpose")
def test_runtime():
    done = subprocess.run([PROGRAM, "--gtest_brief=1"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
