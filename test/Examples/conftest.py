# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The programs that train need what python/requirements-torch.txt names: without torch nothing is collected here."""

import importlib.util
import os

# What tests compile is no use to anybody.
os.environ.setdefault("BFLY_CACHE", "off")
collect_ignore_glob = [] if importlib.util.find_spec("torch") else ["test_*.py"]

if not collect_ignore_glob:
    import pytest
    import torch

    # As many tests run at once as there are cores.
    torch.set_num_threads(1)

    from layers import MODELS

    @pytest.fixture(params=MODELS)
    def model(request):
        """Whose layers: ours and the plain ones."""
        return request.param
