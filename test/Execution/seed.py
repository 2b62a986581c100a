# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The session's seed, for whatever draws: BFLY_SEED, or the time. Processes that this one starts have the same."""

import os
import time

SEED = int(os.environ.get("BFLY_SEED") or time.time_ns() % 2**32)
os.environ["BFLY_SEED"] = str(SEED)
