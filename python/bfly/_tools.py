# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The console scripts of the wheel: the tools lie in bin/ beside this file, and this process becomes one of them."""

import os
import sys
from pathlib import Path


def _become(name: str) -> None:
    tool = Path(__file__).absolute().parent / "bin" / name
    try:
        os.execv(tool, [name, *sys.argv[1:]])
    except OSError as error:
        sys.exit(f"{name}: error: {tool} cannot be run: {error.strerror}")


def lsp_server() -> None:
    _become("bfly-lsp-server")


def opt() -> None:
    _become("bfly-opt")


def run() -> None:
    _become("bfly-run")
