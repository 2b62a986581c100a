# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The cache of compiled code on disk, which `compile` uses."""

from __future__ import annotations

import json
from typing import NamedTuple

from . import _library
from ._library import library


class CacheInfo(NamedTuple):
    """What is in the cache of compiled code, and what this process had of it.

    folder          where it is; "" where it is switched off or there is no place for it
    problem         why it is not used; "" if it is
    entries, bytes  what is in it; what was used last stays when there is more than `limit` bytes
    hits, misses, stores   compilations of this process that it had, that it did not have, and that are in it now
    """

    folder: str
    problem: str
    entries: int
    bytes: int
    limit: int
    hits: int
    misses: int
    stores: int


def cache_info() -> CacheInfo:
    """The cache as the environment says now: BFLY_CACHE (a folder, or "off"), XDG_CACHE_HOME, HOME, BFLY_CACHE_LIMIT."""
    return CacheInfo(**json.loads(_library.take_text(library().bfly_cache_info())))


def clear_cache() -> CacheInfo:
    """Removes all of it. Returns what was there; BflyError where the folder is not one that bfly uses."""
    return CacheInfo(**json.loads(_library.take_text(library().bfly_cache_clear())))
