# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What the fuzzers find and somebody is mending: counted apart, each with its reason, until its line goes. Nothing else
may be left out."""

import re

# (kind, way, the program's text, reason), each but the last a pattern.
PROGRAMS = []
# Wrong uses that end the process.
MISUSE = {}


def reason(kind, way, text):
    """Why a finding is known, or None."""
    for kinds, ways, texts, why in PROGRAMS:
        if re.search(kinds, kind) and re.search(ways, way) and re.search(texts, text):
            return why
    return None
