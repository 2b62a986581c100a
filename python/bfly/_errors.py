# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The exception of everything that fails."""


class BflyError(ValueError):
    """Why something cannot be compiled or run: "FILE:LINE:COLUMN: error: …" for IR, "input 0: …" for arguments."""
