# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Tests of bfly.torch: collected where torch 2.10 or later is installed, on a CPU and, if there is one, on a GPU, or on what
BFLY_TEST_DEVICES names."""

import importlib.util
import os
import sys
import zlib
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
# What tests compile is no use to anybody.
os.environ.setdefault("BFLY_CACHE", "off")
HAS_TORCH = importlib.util.find_spec("torch") is not None
collect_ignore = [] if HAS_TORCH else [path.name for path in Path(__file__).parent.glob("test_*.py")]


def devices():
    import torch

    named = os.environ.get("BFLY_TEST_DEVICES")
    if named:
        return named.split(",")
    return ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]


@pytest.fixture(scope="module", autouse=True, params=devices() if HAS_TORCH else ["cpu"])
def device(request):
    """Where the tensors of a test are."""
    import torch

    # What is computed here is too small for threads, which wait for each other where there are few cores.
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield request.param
    torch.set_num_threads(threads)


@pytest.fixture(autouse=True)
def seed(request):
    import torch

    torch.manual_seed(zlib.crc32(request.node.nodeid.encode()))
