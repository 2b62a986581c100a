# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What the fuzzers find and somebody is mending: counted apart, each with its reason, until its line goes. Nothing else
may be left out."""

import re

# (kind, way, the program's text, reason), each but the last a pattern.
PROGRAMS = [
    (r"upstream|unplaced", r"", r"linalg\.softmax", "linalg.softmax is neither lowered nor refused by us"),
    (r"upstream|unplaced", r"", r"math\.erf", "math.erf is taken for a foreign function"),
    (r"upstream|unplaced", r"", r"scf\.for", "a loop around layers is not bufferized"),
    (r"wrong", r"", r"bfly\.spectrum_map", "a map of half a spectrum depends on what it is fused with"),
    (r"wrong", r"a drawn plan", r"", "a last radix of 2 is wrong on a CPU"),
]
# Wrong uses that end the process.
MISUSE = {
    "c_api": "NULL and sizes that are no sizes are not looked at in the C API",
    "copy": "a copy of a kernel frees what it shares",
}


def reason(kind, way, text):
    """Why a finding is known, or None."""
    for kinds, ways, texts, why in PROGRAMS:
        if re.search(kinds, kind) and re.search(ways, way) and re.search(texts, text):
            return why
    return None
