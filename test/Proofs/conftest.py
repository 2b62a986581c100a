# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Every rewrite of docs/definitions.md is proved twice: its formula with SymPy, and what the compiler makes of small
programs by running the IR of each level in exact arithmetic (field.py, interpreter.py). Where a rewrite has a
condition, the same proof fails without it, and the compiler does not rewrite."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
