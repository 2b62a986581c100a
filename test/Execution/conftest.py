# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Random input that is drawn afresh in every session: BFLY_SEED=<the number that pytest prints> draws the same again."""

import os
import sys
import time
import zlib
from pathlib import Path

import hypothesis
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))

SEED = int(os.environ.get("BFLY_SEED") or time.time_ns() % 2**32)

# Compiling takes longer than hypothesis finds healthy; how many examples there are is for the tests to say.
hypothesis.settings.register_profile("bfly", deadline=None, database=None, print_blob=True)
hypothesis.settings.load_profile("bfly")


def pytest_report_header(config):
    return f"BFLY_SEED={SEED}"


def pytest_terminal_summary(terminalreporter):
    # Again at the end, where -q prints it too.
    if terminalreporter.stats.get("failed"):
        terminalreporter.write_line(f"BFLY_SEED={SEED}")


def pytest_collection_modifyitems(items):
    for item in items:
        if hasattr(item, "obj") and hasattr(item.obj, "hypothesis"):
            hypothesis.seed(SEED)(item.obj)


@pytest.fixture
def rng(request):
    """A generator of the session's seed and the test's name, so that a test alone draws what it draws among others."""
    return np.random.default_rng([SEED, zlib.crc32(request.node.nodeid.encode())])
