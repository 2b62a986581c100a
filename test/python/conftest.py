# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What is collected: the tests of torch only where there is torch, which nothing else needs."""

import importlib.util
import os

# What tests compile is no use to anybody; those of the cache have folders of their own.
os.environ.setdefault("BFLY_CACHE", "off")

collect_ignore = [] if importlib.util.find_spec("torch") else ["test_torch.py"]
