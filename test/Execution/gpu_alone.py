# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What files of tests for a GPU alone import: `device`, which takes the place of conftest.py's, and a small kernel."""

import pytest
from programs import Place, attention_text

import bfly

N, D, HEADS = 64, 32, 2


@pytest.fixture(scope="module", autouse=True, params=["cuda"])
def device(request):
    """The GPU alone."""
    Place.device = request.param
    yield request.param
    Place.device = "cpu"


@pytest.fixture(scope="module")
def kernel():
    """Butterfly attention of a dynamic batch, (?, N, D) in f32 with dense weights for HEADS heads."""
    return bfly.compile(attention_text(None, N, D, HEADS, (6, D, D), "f32"), device="cuda")
