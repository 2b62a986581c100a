# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The session's seed, for whatever draws: BFLY_SEED, or the time."""

import os
import time

SEED = int(os.environ.get("BFLY_SEED") or time.time_ns() % 2**32)
