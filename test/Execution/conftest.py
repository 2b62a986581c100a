# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Random input that is drawn afresh in every session: BFLY_SEED=<the number that pytest prints> draws the same again."""

import os
import sys
import zlib
from pathlib import Path

import hypothesis
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
# What tests compile is no use to anybody.
os.environ.setdefault("BFLY_CACHE", "off")
# Read when memory of a GPU is first allocated.
os.environ.setdefault("BFLY_CUDA_POISON", "1")

from programs import Place, devices, runs_alike  # noqa: E402, beside this file
from seed import SEED  # noqa: E402

# Compiling takes longer than hypothesis finds healthy; how many examples there are is for the tests to say.
hypothesis.settings.register_profile("bfly", deadline=None, database=None, print_blob=True)
hypothesis.settings.load_profile("bfly")


def pytest_report_header(config):
    return f"BFLY_SEED={SEED}"


def pytest_terminal_summary(terminalreporter):
    # Again at the end, where -q prints it too.
    if terminalreporter.stats.get("failed"):
        terminalreporter.write_line(f"BFLY_SEED={SEED}")


def pytest_collection_modifyitems(config, items):
    seen, kept, left = set(), [], []
    for item in items:
        parameters = item.callspec.params if hasattr(item, "callspec") else {}
        key = runs_alike(getattr(item, "function", None), parameters)
        (left if key in seen else kept).append(item)
        if key is not None:
            seen.add(key)
    items[:] = kept
    if left:
        config.hook.pytest_deselected(items=left)
    for item in items:
        if hasattr(item, "obj") and hasattr(item.obj, "hypothesis"):
            hypothesis.seed(SEED)(item.obj)


DEVICES = devices()
collect_ignore = [] if "cuda" in DEVICES else [path.name for path in Path(__file__).parent.glob("test_*on_a_gpu.py")]


# Of a module, since hypothesis draws many examples within a test.
@pytest.fixture(scope="module", autouse=True, params=DEVICES)
def device(request):
    """Where the kernels of a test run."""
    Place.device = request.param
    yield request.param
    Place.device = "cpu"


@pytest.fixture
def rng(request):
    """A generator of the session's seed and the test's name, so that a test alone draws what it draws among others."""
    return np.random.default_rng([SEED, zlib.crc32(request.node.nodeid.encode())])
